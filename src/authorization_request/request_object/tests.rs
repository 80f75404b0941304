use serde_json::{Value, json};
use testkit::jws::{SigningKey, hs256, signing_input, unsigned};

use super::*;
use crate::{
    authorization_request::Part,
    jose::{Algorithm, JwsError, VerifyingKey},
    trust::{ApplicationSpec, AuthMethod, CredentialSpec, Registered},
};

const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://as.example/";

/// A registered key: its algorithm, `kid` and end.
type Registration<'a> = (&'a SigningKey, Algorithm, Option<&'a str>, Option<i64>);

fn application(keys: &[Registration<'_>]) -> Application {
    let request_keys = keys.iter().enumerate().map(|(index, (key, algorithm, kid, expires_at))| {
        let key = VerifyingKey::from_spki(&key.spki(), *algorithm, *kid).unwrap();
        let registered = Registered::Key(RegisteredKey { key: Box::new(key) });
        let expires_at = expires_at.map(Timestamp::from_unix);
        CredentialSpec { expires_at, ..CredentialSpec::new(format!("k{index}"), registered) }
    });
    let spec = ApplicationSpec::new("app", AuthMethod::None, Vec::new());
    Application::try_from(ApplicationSpec { request_keys: request_keys.collect(), ..spec }).unwrap()
}

/// The claims that oauth4webapi makes.
fn claims() -> Value {
    json!({
        "iss": "app", "aud": ISSUER, "client_id": "app", "response_type": "code", "scope": "openid",
        "iat": NOW, "nbf": NOW, "exp": NOW + 60, "jti": "a",
    })
}

fn header() -> Value {
    json!({ "alg": "ES256", "typ": "oauth-authz-req+jwt" })
}

fn verify(object: &str, application: &Application) -> Result<String, RequestError> {
    let issuer = Issuer::new(ISSUER, ["https://old.example"]);
    let now = Timestamp::from_unix(NOW);
    RequestObject::verify(object, application, &Outside::default(), Some(&issuer), now)
        .map(|verified| verified.key.name.to_string())
}

/// Verifies an object whose claims or header differ in one member from those of [`claims`] and [`header`]; null removes it.
fn verify_with(part: &str, name: &str, value: Value) -> Result<(), RequestError> {
    let key = SigningKey::p256();
    let (mut header, mut claims) = (header(), claims());
    let members = if part == "header" { &mut header } else { &mut claims };
    let members = members.as_object_mut().unwrap();
    if value.is_null() {
        members.remove(name);
    } else {
        members.insert(name.to_owned(), value);
    }
    verify(&key.token(&header, &claims), &application(&[(&key, Algorithm::ES256, None, None)])).map(|_| ())
}

#[test]
fn honest_objects_are_verified() {
    for (part, name, value) in [
        ("claims", "jti", Value::Null),
        ("claims", "nbf", Value::Null),
        ("claims", "iat", Value::Null),
        ("claims", "max_age", json!(0)),
        ("claims", "claims", json!({ "userinfo": {} })),
        ("claims", "sub", json!("someone")),
        ("claims", "aud", json!([ISSUER])),
        ("claims", "aud", json!(["https://other.example", ISSUER])),
        ("claims", "aud", json!("https://old.example")),
        ("claims", "exp", json!(NOW + 3600)),
        ("claims", "exp", json!(1_800_000_059.5)),
        ("claims", "nbf", json!(NOW + 8)),
        ("claims", "jti", json!("j".repeat(255))),
        ("header", "typ", Value::Null),
        ("header", "typ", json!("JWT")),
        ("header", "typ", json!("jwt")),
        ("header", "typ", json!("application/oauth-authz-req+jwt")),
        ("header", "typ", json!("OAuth-Authz-Req+JWT")),
        ("header", "kid", json!("any")),
    ] {
        assert_eq!(verify_with(part, name, value.clone()), Ok(()), "{name} = {value}");
    }
}

#[test]
fn claims_of_another_request_are_refused() {
    let audience = || RequestError::Audience { expected: ISSUER.into() };
    for (name, value, error) in [
        ("client_id", json!("other"), RequestError::OtherClient),
        ("iss", json!("other"), RequestError::Issuer),
        ("sub", json!("app"), RequestError::Subject),
        ("aud", json!("https://as.example"), audience()),
        ("aud", json!("https://as.example/oauth/token"), audience()),
        ("aud", json!(["https://other.example"]), audience()),
        ("request", json!("a.b.c"), RequestError::Nested("request")),
        ("request_uri", json!(""), RequestError::Nested("request_uri")),
        ("jti", json!(""), RequestError::Id),
        ("jti", json!("j".repeat(256)), RequestError::Id),
        ("nbf", json!(NOW - 3541), RequestError::LifeTooLong { seconds: 3601, limit: 3600 }),
    ] {
        assert_eq!(verify_with("claims", name, value.clone()), Err(error), "{name} = {value}");
    }
    for name in ["client_id", "iss", "aud", "exp", "response_type"] {
        let missing = ClaimsError::Missing { claim: name };
        assert_eq!(verify_with("claims", name, Value::Null), Err(missing.into()));
    }
    for name in ["client_id", "iss", "aud", "sub", "jti", "exp", "nbf", "iat", "response_type"] {
        let error = verify_with("claims", name, json!({})).unwrap_err();
        assert!(matches!(&error, RequestError::Claims(ClaimsError::Type { claim, .. }) if *claim == name));
        assert_eq!(error.part(), Part::Claims);
    }
    let empty = ClaimsError::Missing { claim: "response_type" };
    assert_eq!(verify_with("claims", "response_type", json!("")), Err(empty.into()));
}

#[test]
fn an_object_outside_its_time_is_refused() {
    for (name, value) in [
        ("exp", NOW),
        ("exp", NOW - 60),
        ("exp", NOW + 3601),
        ("exp", NOW * 1000),
        ("nbf", NOW + 11),
        ("iat", NOW + 60),
        ("iat", NOW - 3541),
    ] {
        let error = verify_with("claims", name, json!(value)).unwrap_err();
        let is_too_late = value == NOW * 1000;
        assert_eq!(error.part(), if is_too_late { Part::Claims } else { Part::Lifetime }, "{name} {value}");
    }
}

#[test]
fn a_token_for_another_purpose_is_refused() {
    for typ in ["client-authentication+jwt", "at+jwt", "dpop+jwt", "logout+jwt", "application/at+jwt", ""] {
        assert_eq!(verify_with("header", "typ", json!(typ)), Err(RequestError::Type), "{typ}");
    }
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("cty", json!("JWT")),
        ("jwk", json!({})),
        ("jku", json!("https://evil.example")),
        ("x5c", json!([])),
        ("x5u", json!("https://evil.example")),
    ] {
        let error = verify_with("header", name, value).unwrap_err();
        assert!(matches!(error, RequestError::Jws(_)), "{name}: {error}");
        assert_eq!(error.part(), Part::Token);
    }
}

#[test]
fn only_a_signature_by_a_request_key_is_accepted() {
    let (key, other) = (SigningKey::p256(), SigningKey::p256());
    let application = application(&[(&key, Algorithm::ES256, None, None)]);
    assert_eq!(verify(&key.token(&header(), &claims()), &application).as_deref(), Ok("k0"));
    let refused = |object: &str| verify(object, &application).unwrap_err();
    assert_eq!(refused(&other.token(&header(), &claims())), RequestError::Jws(JwsError::Signature));
    for object in
        [hs256(&key.spki(), &claims()), hs256(key.public_pem().as_bytes(), &claims()), unsigned(&claims())]
    {
        assert!(matches!(refused(&object), RequestError::Jws(JwsError::Algorithm { .. })), "{object}");
    }
    let rsa = SigningKey::rsa().token(&json!({ "alg": "PS256" }), &claims());
    assert!(matches!(refused(&rsa), RequestError::Jws(JwsError::OtherAlgorithm { .. })));
    assert_eq!(refused("a.b.c.d.e"), RequestError::Jws(JwsError::Encrypted));
    for object in ["", "a", "a.b", "a.b.c", "..", &signing_input("{}", "{}")] {
        assert!(matches!(refused(object), RequestError::Jws(_)), "{object}");
    }
    let [head, payload, signature] = <[String; 3]>::try_from(
        key.token(&header(), &claims()).split('.').map(str::to_owned).collect::<Vec<_>>(),
    )
    .unwrap();
    let mut changed = claims();
    changed["scope"] = json!("admin");
    let changed = signing_input("{}", &changed.to_string()).split_once('.').unwrap().1.to_owned();
    assert_eq!(refused(&format!("{head}.{changed}.{signature}")), RequestError::Jws(JwsError::Signature));
    let duplicate = claims().to_string().replacen('{', "{\"scope\":\"a\",", 1);
    let duplicate = key.token_of("ES256", &header().to_string(), &duplicate);
    assert!(matches!(refused(&duplicate), RequestError::Claims(ClaimsError::Duplicate { .. })));
    assert!(verify(&format!("{head}.{payload}.{signature}"), &application).is_ok());
}

#[test]
fn two_keys_are_valid_during_a_rotation() {
    let (old, new) = (SigningKey::p256(), SigningKey::ed25519());
    let keys = |old_end| {
        application(&[
            (&old, Algorithm::ES256, Some("old"), old_end),
            (&new, Algorithm::EdDSA, Some("new"), None),
        ])
    };
    let signed = |key: &SigningKey, algorithm: &str, kid: Option<&str>| {
        key.token(&json!({ "alg": algorithm, "kid": kid.unwrap_or("x") }), &claims())
    };
    let both = keys(None);
    assert_eq!(verify(&signed(&old, "ES256", Some("old")), &both).as_deref(), Ok("k0"));
    assert_eq!(verify(&signed(&new, "EdDSA", Some("new")), &both).as_deref(), Ok("k1"));
    assert_eq!(verify(&signed(&new, "Ed25519", Some("new")), &both).as_deref(), Ok("k1"));
    assert_eq!(verify(&new.token(&json!({ "alg": "EdDSA" }), &claims()), &both).as_deref(), Ok("k1"));
    let unknown = RequestError::Jws(JwsError::UnknownKid);
    assert_eq!(verify(&signed(&old, "ES256", None), &both), Err(unknown));
    // In force until the second of `expires_at`.
    assert!(verify(&signed(&old, "ES256", Some("old")), &keys(Some(NOW + 1))).is_ok());
    let error = verify(&signed(&old, "ES256", Some("old")), &keys(Some(NOW))).unwrap_err();
    assert_eq!(error.part(), Part::Signature);
    let only = application(&[(&old, Algorithm::ES256, None, Some(NOW))]);
    assert_eq!(verify(&signed(&old, "ES256", None), &only), Err(RequestError::ExpiredKeys));
    assert_eq!(verify(&signed(&old, "ES256", None), &application(&[])), Err(RequestError::NoKey));
}

#[test]
fn response_type_is_equal_outside_and_an_issuer_is_needed() {
    let key = SigningKey::p256();
    let application = application(&[(&key, Algorithm::ES256, None, None)]);
    let object = key.token(&header(), &claims());
    let (issuer, now) = (Issuer::new(ISSUER, [""; 0]), Timestamp::from_unix(NOW));
    let verify = |response_type, issuer| {
        let outside = Outside { response_type, ..Outside::default() };
        RequestObject::verify(&object, &application, &outside, issuer, now).map(|_| ()).err()
    };
    assert_eq!(verify(None, Some(&issuer)), None);
    assert_eq!(verify(Some("code"), Some(&issuer)), None);
    assert_eq!(verify(Some("code id_token"), Some(&issuer)), Some(RequestError::OtherResponseType));
    assert_eq!(verify(None, None), Some(RequestError::NoIssuer));
}
