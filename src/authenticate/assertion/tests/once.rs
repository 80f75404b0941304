//! The single use of an assertion.

use super::*;

#[test]
fn an_assertion_is_accepted_once_until_it_expires() {
    let (key, mut fixture) = one();
    let token = assertion(&key, &json!({ "jti": "used" }));
    assert_eq!(fixture.judge(&token).unwrap(), Some(0));
    assert_eq!(fixture.rule(&token), AssertionError::Replay(Replay::Used));
    let same_jti = assertion(&key, &json!({ "jti": "used", "exp": NOW.unix() + 30 }));
    assert_eq!(fixture.rule(&same_jti), AssertionError::Replay(Replay::Used));
    fixture.now = Timestamp::from_unix(NOW.unix() + 59);
    assert_eq!(fixture.rule(&token), AssertionError::Replay(Replay::Used));
    fixture.now = Timestamp::from_unix(NOW.unix() + 60);
    assert_eq!(fixture.rule(&token), ClaimsError::Expired { seconds: 0 }.into());
}

#[test]
fn only_an_accepted_assertion_uses_up_its_jti() {
    let (key, fixture) = one();
    let now = NOW.unix();
    let forged = assertion(&SigningKey::ed25519(), &json!({ "jti": "1" }));
    assert_eq!(fixture.rule(&forged), AssertionError::Key(JwsError::Signature));
    for changes in [json!({ "jti": "1", "aud": "x" }), json!({ "jti": "1", "exp": now - 1 })] {
        fixture.judge(&assertion(&key, &changes)).unwrap_err();
    }
    assert_eq!(fixture.used.in_use(), 0);
    assert_eq!(fixture.judge(&assertion(&key, &json!({ "jti": "1" }))).unwrap(), Some(0));
    assert_eq!(fixture.used.in_use(), 1);
}

#[test]
fn a_bound_client_without_a_certificate_keeps_its_jti() {
    let key = SigningKey::ed25519();
    let spec = application("a", vec![registered("x", &key, Algorithm::EdDSA, None)]);
    let fixture = Fixture::new([ApplicationSpec { certificate_bound: true, ..spec }]);
    let denial = fixture.judge(&assertion(&key, &json!({}))).unwrap_err();
    assert!(matches!(denial, Denial::Binding { proved: true, .. }), "{denial:?}");
    assert_eq!(fixture.used.in_use(), 0);
}

#[test]
fn a_full_store_refuses_temporarily() {
    let (key, mut fixture) = one();
    fixture.limit = 4;
    for _ in 0..2 {
        assert!(fixture.judge(&assertion(&key, &json!({}))).is_ok());
    }
    let denial = fixture.judge(&assertion(&key, &json!({}))).unwrap_err();
    assert!(denial.is_temporary(), "{denial:?}");
    assert_eq!(rule(denial), AssertionError::Replay(Replay::ClientFull));
}

#[test]
fn assertions_from_before_the_start_are_refused() {
    let (key, mut fixture) = one();
    let now = NOW.unix();
    fixture.used = ReplayStore::new(NOW);
    for (changes, error) in [
        (json!({ "iat": now - 1 }), AssertionError::BeforeStart),
        (json!({ "iat": null, "nbf": null, "exp": now + 299 }), AssertionError::PerhapsBeforeStart),
        (json!({ "iat": null }), AssertionError::PerhapsBeforeStart),
    ] {
        assert_eq!(fixture.rule(&assertion(&key, &changes)), error, "{changes}");
    }
    for changes in [json!({ "iat": now }), json!({ "iat": null, "nbf": null, "exp": now + 300 })] {
        assert_eq!(fixture.judge(&assertion(&key, &changes)).unwrap(), Some(0), "{changes}");
    }
}
