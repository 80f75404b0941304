mod once;

use std::sync::Arc;

use serde_json::{Value, json};
use testkit::jws::{SigningKey, hs256, unsigned};

use super::*;
use crate::{
    authenticate::{Attempt, Denial, Mechanism, Proof, judge_client},
    identity::testing::{NOW, trust},
    jose::{Algorithm, JwsError},
    replay::Replay,
    trust::{
        ApplicationSpec, AuthMethod, Change, CredentialSpec, PublishedKeys, Registered, RegisteredKey,
        RegisteredSecret, Registry, Trust, UnknownApplications,
    },
};

const ISSUER: &str = "https://auth.example.test/";
const LIMIT: usize = 1000;

/// An edge's trust, rules and used assertions.
struct Fixture {
    trust: Trust,
    issuer: Issuer,
    used: ReplayStore,
    fapi: bool,
    limit: usize,
    now: Timestamp,
}

impl Fixture {
    fn new(applications: impl IntoIterator<Item = ApplicationSpec>) -> Self {
        let mut registry = Registry::default();
        let changes = applications.into_iter().map(|spec| Change::Put(Box::new(spec.try_into().unwrap())));
        registry.apply_all(changes.collect()).unwrap();
        let trust = Trust {
            authorities: Arc::new(trust(&[])),
            crl_files: Arc::default(),
            missing_crls: Arc::default(),
            registry,
            unknown_applications: UnknownApplications::Refuse,
        };
        let issuer = Issuer::new(ISSUER, ["https://old.example.test/token"]);
        let used = ReplayStore::new(before(NOW, 1000));
        Self { trust, issuer, used, fapi: false, limit: LIMIT, now: NOW }
    }

    fn judge_as(&self, client_id: &str, kind: &str, assertion: &str) -> Result<Option<Proof>, Denial> {
        let client_id = ClientId::new(client_id);
        let assertions = AssertionRules {
            issuer: Some(&self.issuer),
            fapi: self.fapi,
            used: &self.used,
            limit: self.limit,
        };
        let mechanism = Mechanism::Assertion { kind, assertion };
        judge_client(
            &self.trust,
            Attempt { client_id: &client_id, mechanism, presented: None, assertions, now: self.now },
        )
    }

    /// The index of the key by which "a" is authenticated.
    fn judge(&self, assertion: &str) -> Result<Option<usize>, Denial> {
        self.judge_as("a", JWT, assertion).map(|proof| {
            let proof = proof.unwrap();
            assert!(proof.is_authenticated && proof.certificate.is_none());
            proof.credential
        })
    }

    /// The rule by which an assertion of "a" is refused.
    fn rule(&self, assertion: &str) -> AssertionError {
        rule(self.judge(assertion).unwrap_err())
    }
}

fn rule(denial: Denial) -> AssertionError {
    match denial {
        Denial::Assertion { error, .. } => *error,
        other => panic!("{other:?}"),
    }
}

fn before(time: Timestamp, seconds: i64) -> Timestamp {
    Timestamp::from_unix(time.unix() - seconds)
}

fn registered(name: &str, key: &SigningKey, algorithm: Algorithm, kid: Option<&str>) -> CredentialSpec {
    let key = Box::new(VerifyingKey::from_spki(&key.spki(), algorithm, kid).unwrap());
    CredentialSpec::new(name, Registered::Key(RegisteredKey { key }))
}

fn application(client_id: &str, credentials: Vec<CredentialSpec>) -> ApplicationSpec {
    ApplicationSpec::new(client_id, AuthMethod::PrivateKeyJwt, credentials)
}

/// "a" with one Ed25519 key.
fn one() -> (SigningKey, Fixture) {
    let key = SigningKey::ed25519();
    let fixture = Fixture::new([application("a", vec![registered("x", &key, Algorithm::EdDSA, None)])]);
    (key, fixture)
}

/// The claims of a valid assertion with a new `jti`, changed by `changes`; null removes one.
fn claims(changes: &Value) -> Value {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let jti = NEXT.fetch_add(1, Relaxed).to_string();
    let now = NOW.unix();
    let mut claims =
        json!({ "iss": "a", "sub": "a", "aud": ISSUER, "iat": now, "nbf": now, "exp": now + 60, "jti": jti });
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

fn assertion(key: &SigningKey, changes: &Value) -> String {
    key.token(&json!({ "alg": "EdDSA" }), &claims(changes))
}

#[test]
fn every_algorithm_authenticates() {
    for algorithm in Algorithm::ALL {
        let key = SigningKey::for_algorithm(algorithm.as_str());
        let fixture = Fixture::new([application("a", vec![registered("x", &key, algorithm, None)])]);
        let token = key.token(&json!({ "alg": algorithm.as_str() }), &claims(&json!({})));
        assert_eq!(fixture.judge(&token).unwrap(), Some(0), "{algorithm}");
    }
}

#[test]
fn claims_are_refused_by_the_first_rule_that_they_break() {
    let (key, fixture) = one();
    let now = NOW.unix();
    let missing = |claim| AssertionError::Claims(ClaimsError::Missing { claim });
    let client = |claim, found: &str| AssertionError::OtherClient { claim, found: found.into() };
    let audience = |found: &str| AssertionError::Audience(found.into());
    for (changes, error) in [
        (json!({ "iss": null }), missing("iss")),
        (json!({ "sub": null }), missing("sub")),
        (json!({ "aud": null }), missing("aud")),
        (json!({ "exp": null }), missing("exp")),
        (json!({ "jti": null }), missing("jti")),
        (json!({ "jti": "" }), missing("jti")),
        (json!({ "iss": "b" }), client("iss", "b")),
        (json!({ "sub": "b" }), client("sub", "b")),
        (json!({ "iss": "A" }), client("iss", "A")),
        (json!({ "aud": "https://auth.example.test" }), audience("https://auth.example.test")),
        (json!({ "aud": "https://auth.example.test/token" }), audience("https://auth.example.test/token")),
        (json!({ "aud": [ISSUER, "https://other.test/"] }), audience("https://other.test/")),
        (json!({ "exp": now }), ClaimsError::Expired { seconds: 0 }.into()),
        (
            json!({ "exp": now + 311, "iat": null }),
            ClaimsError::ExpiresTooLate { seconds: 311, limit: 310 }.into(),
        ),
        (
            json!({ "exp": now + 9, "iat": now - 300 }),
            ClaimsError::LifeTooLong { seconds: 309, limit: 300 }.into(),
        ),
        (
            json!({ "nbf": now + 60 }),
            ClaimsError::InTheFuture { claim: "nbf", seconds: 60, limit: 10 }.into(),
        ),
        (
            json!({ "iat": now + 60, "exp": now + 90 }),
            ClaimsError::InTheFuture { claim: "iat", seconds: 60, limit: 10 }.into(),
        ),
        (json!({ "response_type": "code" }), AssertionError::RequestObject),
        (json!({ "client_id": "a", "sub": null }), AssertionError::RequestObject),
    ] {
        assert_eq!(fixture.rule(&assertion(&key, &changes)), error, "{changes}");
    }
    for changes in [
        json!({}),
        json!({ "aud": [ISSUER] }),
        json!({ "aud": "https://old.example.test/token" }),
        json!({ "aud": [ISSUER, "https://old.example.test/token"] }),
        json!({ "nbf": now + 8, "iat": now + 8 }),
        json!({ "nbf": null, "iat": null }),
        json!({ "exp": now + 300 }),
        json!({ "client_id": "a", "scope": "x" }),
    ] {
        assert_eq!(fixture.judge(&assertion(&key, &changes)).unwrap(), Some(0), "{changes}");
    }
}

#[test]
fn only_the_types_of_assertions_are_accepted() {
    let (key, fixture) = one();
    let typed = |typ: &str| key.token(&json!({ "alg": "EdDSA", "typ": typ }), &claims(&json!({})));
    for typ in ["JWT", "jwt", "application/jwt", "client-authentication+jwt"] {
        assert_eq!(fixture.judge(&typed(typ)).unwrap(), Some(0), "{typ}");
    }
    for typ in ["at+jwt", "dpop+jwt", "logout+jwt", "application/at+jwt", "JWT2", ""] {
        let error = AssertionError::OtherType(typ.to_owned());
        assert_eq!(fixture.rule(&typed(typ)), error, "{typ}");
    }
    assert_eq!(fixture.rule(&typed("oauth-authz-req+jwt")), AssertionError::RequestObject);
}

#[test]
fn other_kinds_of_assertions_are_refused() {
    let (key, fixture) = one();
    let token = assertion(&key, &json!({}));
    assert_eq!(rule(fixture.judge_as("a", SAML, &token).unwrap_err()), AssertionError::Saml);
    let spiffe = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
    assert_eq!(
        rule(fixture.judge_as("a", spiffe, &token).unwrap_err()),
        AssertionError::Kind(spiffe.to_owned())
    );
}

#[test]
fn forged_signatures_are_refused() {
    let rsa = SigningKey::rsa();
    let fixture = Fixture::new([application("a", vec![registered("x", &rsa, Algorithm::PS256, Some("k"))])]);
    let rsa_token = |header: &Value| rsa.token(header, &claims(&json!({})));
    let algorithm = |found: &str| AssertionError::Jws(JwsError::Algorithm { found: found.into() });
    assert_eq!(fixture.rule(&unsigned(&claims(&json!({})))), algorithm("none"));
    assert_eq!(fixture.rule(&hs256(rsa.public_pem().as_bytes(), &claims(&json!({})))), algorithm("HS256"));
    let other_algorithm = AssertionError::Key(JwsError::OtherAlgorithm { found: Algorithm::RS256 });
    assert_eq!(fixture.rule(&rsa_token(&json!({ "alg": "RS256" }))), other_algorithm);
    let unknown = rsa_token(&json!({ "alg": "PS256", "kid": "l" }));
    assert_eq!(fixture.rule(&unknown), AssertionError::Key(JwsError::UnknownKid));
    let other = SigningKey::rsa().token(&json!({ "alg": "PS256", "kid": "k" }), &claims(&json!({})));
    assert_eq!(fixture.rule(&other), AssertionError::Key(JwsError::Signature));
    assert_eq!(fixture.judge(&rsa_token(&json!({ "alg": "PS256", "kid": "k" }))).unwrap(), Some(0));
}

#[test]
fn either_of_two_keys_authenticates_by_kid_or_without() {
    let [one, two] = [SigningKey::p256(), SigningKey::p256()];
    let credentials = vec![
        registered("x", &one, Algorithm::ES256, Some("1")),
        registered("y", &two, Algorithm::ES256, Some("2")),
    ];
    let fixture = Fixture::new([application("a", credentials)]);
    for (key, kid, index) in [(&one, "1", 0), (&two, "2", 1)] {
        for header in [json!({ "alg": "ES256" }), json!({ "alg": "ES256", "kid": kid })] {
            assert_eq!(fixture.judge(&key.token(&header, &claims(&json!({})))).unwrap(), Some(index));
        }
    }
    let swapped = one.token(&json!({ "alg": "ES256", "kid": "2" }), &claims(&json!({})));
    assert_eq!(fixture.rule(&swapped), AssertionError::Key(JwsError::Signature));
}

#[test]
fn an_expired_key_is_refused_by_name() {
    let [old, new] = [SigningKey::ed25519(), SigningKey::ed25519()];
    let mut expired = registered("2025", &old, Algorithm::EdDSA, None);
    expired.expires_at = Some(NOW);
    let fixture =
        Fixture::new([application("a", vec![expired, registered("2026", &new, Algorithm::EdDSA, None)])]);
    let denial = fixture.judge(&assertion(&old, &json!({}))).unwrap_err();
    assert!(matches!(&denial, Denial::CredentialExpired { name, .. } if &**name == "2025"), "{denial:?}");
    assert_eq!(fixture.judge(&assertion(&new, &json!({}))).unwrap(), Some(1));
}

#[test]
fn published_keys_authenticate_without_a_credential() {
    let [one, two] = [SigningKey::ed25519(), SigningKey::rsa()];
    let key = |key: &SigningKey, algorithm| RegisteredKey {
        key: Box::new(VerifyingKey::from_spki(&key.spki(), algorithm, None).unwrap()),
    };
    let keys = Some([key(&one, Algorithm::EdDSA), key(&two, Algorithm::RS256)].into());
    let published = PublishedKeys { url: "https://a.test/jwks".into(), keys };
    let empty = PublishedKeys { url: "https://b.test/jwks".into(), keys: None };
    let with = |id, published| ApplicationSpec { published_keys: Some(published), ..application(id, vec![]) };
    let fixture = Fixture::new([with("a", published), with("b", empty)]);
    assert_eq!(fixture.judge(&assertion(&one, &json!({}))).unwrap(), None);
    let rsa = two.token(&json!({ "alg": "RS256" }), &claims(&json!({})));
    assert_eq!(fixture.judge(&rsa).unwrap(), None);
    // Before the first fetch there is no key.
    let token = assertion(&one, &json!({ "iss": "b", "sub": "b" }));
    assert_eq!(rule(fixture.judge_as("b", JWT, &token).unwrap_err()), AssertionError::NoKeySet);
}

#[test]
fn fapi_restricts_audience_and_algorithms() {
    let key = SigningKey::rsa();
    let credentials = vec![registered("x", &key, Algorithm::RS256, None)];
    let mut fixture = Fixture::new([application("a", credentials)]);
    fixture.fapi = true;
    let signed = |algorithm: &str, changes: Value| key.token(&json!({ "alg": algorithm }), &claims(&changes));
    let error = AssertionError::FapiAlgorithm(Algorithm::RS256);
    assert_eq!(fixture.rule(&signed("RS256", json!({}))), error);
    assert_eq!(fixture.rule(&signed("PS256", json!({ "aud": [ISSUER] }))), AssertionError::FapiAudience);
    let old = "https://old.example.test/token";
    assert_eq!(fixture.rule(&signed("PS256", json!({ "aud": old }))), AssertionError::Audience(old.into()));
    let (key, mut fixture) = one();
    fixture.fapi = true;
    assert_eq!(fixture.judge(&assertion(&key, &json!({}))).unwrap(), Some(0));
}

#[test]
fn the_answer_does_not_show_what_is_registered() {
    let key = SigningKey::ed25519();
    let secret = CredentialSpec::new("s", Registered::Secret(RegisteredSecret { sha256: [0; 32] }));
    let fixture = Fixture::new([
        application("jwt", vec![registered("x", &key, Algorithm::EdDSA, Some("k"))]),
        ApplicationSpec::new("secret", AuthMethod::ClientSecretPost, vec![secret]),
        ApplicationSpec::new("public", AuthMethod::None, vec![]),
    ]);
    let stranger = SigningKey::ed25519();
    for (header, changes) in [
        (json!({ "alg": "EdDSA" }), json!({})),
        (json!({ "alg": "EdDSA", "kid": "other" }), json!({})),
        (json!({ "alg": "EdDSA" }), json!({ "exp": 1 })),
        (json!({ "alg": "EdDSA" }), json!({ "aud": "x" })),
        (json!({ "alg": "EdDSA" }), json!({ "jti": null })),
        (json!({ "alg": "EdDSA", "jwk": {} }), json!({})),
        (json!({ "alg": "EdDSA", "typ": "at+jwt" }), json!({})),
    ] {
        let described = ["jwt", "secret", "public", "nobody"].map(|client_id| {
            let mut claims = claims(&changes);
            claims["iss"] = client_id.into();
            claims["sub"] = client_id.into();
            let denial = fixture.judge_as(client_id, JWT, &stranger.token(&header, &claims)).unwrap_err();
            denial.description().into_owned()
        });
        assert!(described.iter().all(|text| *text == described[0]), "{header} {changes}: {described:#?}");
    }
}

#[test]
fn the_subject_names_the_client_of_a_request_without_client_id() {
    let (key, _) = one();
    assert_eq!(subject(&assertion(&key, &json!({}))).as_deref(), Some("a"));
    assert_eq!(subject(&assertion(&key, &json!({ "sub": null }))), None);
    assert_eq!(subject(&assertion(&key, &json!({ "sub": 1 }))), None);
    assert_eq!(subject("a.b.c"), None);
}

#[test]
fn no_reason_shows_the_assertion() {
    let (_, fixture) = one();
    let token = assertion(&SigningKey::ed25519(), &json!({}));
    let denial = fixture.judge(&token).unwrap_err();
    for part in token.split('.') {
        assert!(!format!("{denial} {denial:?}").contains(part));
    }
    let mechanism = Mechanism::Assertion { kind: JWT, assertion: &token };
    assert!(!format!("{mechanism:?}").contains(&token));
}
