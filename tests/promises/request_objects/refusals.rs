//! Request objects that are refused, at every endpoint.

use serde_json::json;
use testkit::jws::{hs256, signing_input, unsigned};

use super::*;

/// Sends an object to each endpoint, and asserts that it is refused everywhere with this description and outcome.
async fn refused_everywhere(setup: &Setup, object: &str, says: &str, outcome: &str) {
    for answer in setup.everywhere(&[("client_id", APP), ("request", object)]).await {
        let (description, found) = setup.refused(&answer, "invalid_request_object");
        assert!(description.contains(says), "{says:?}: {description}");
        assert_eq!(found, outcome, "{description}");
    }
}

#[tokio::test]
async fn an_object_with_a_wrong_claim_is_refused() {
    let setup = Setup::start(Settings::default()).await;
    let now = now();
    let cases = [
        ("client_id", json!("other"), "client_id in the request object", "refused_claims"),
        ("client_id", json!(null), "client_id is missing", "refused_claims"),
        ("iss", json!("other"), "iss", "refused_claims"),
        ("iss", json!(null), "iss is missing", "refused_claims"),
        ("sub", json!(APP), "sub", "refused_claims"),
        ("aud", json!("https://as.example"), ISSUER, "refused_claims"),
        ("aud", json!(["https://as.example/oauth/par"]), ISSUER, "refused_claims"),
        ("aud", json!(null), "aud is missing", "refused_claims"),
        ("request", json!("a.b.c"), "must not contain request", "refused_claims"),
        ("request_uri", json!("urn:x"), "must not contain request_uri", "refused_claims"),
        ("response_type", json!(null), "response_type is missing", "refused_claims"),
        ("jti", json!("j".repeat(300)), "jti", "refused_claims"),
        ("exp", json!(null), "exp is missing", "refused_claims"),
        ("exp", json!(now - 1), "expired", "refused_lifetime"),
        ("exp", json!(now + 7200), "exp is", "refused_lifetime"),
        ("exp", json!("soon"), "exp is not a number", "refused_claims"),
        ("nbf", json!(now + 120), "nbf is", "refused_lifetime"),
        ("iat", json!(now + 120), "iat is", "refused_lifetime"),
        ("nbf", json!(now - 3600), "after nbf", "refused_lifetime"),
    ];
    for (name, value, says, outcome) in cases {
        refused_everywhere(&setup, &sign(&setup.key, &claims_with(name, value)), says, outcome).await;
    }
    let response_type = claims_with("response_type", json!("code id_token"));
    let object = sign(&setup.key, &response_type);
    let parameters = [("client_id", APP), ("request", object.as_str()), ("response_type", "code")];
    for answer in setup.everywhere(&parameters).await {
        let (description, outcome) = setup.refused(&answer, "invalid_request_object");
        assert!(description.contains("response_type"), "{description}");
        assert_eq!(outcome, "refused_parameters");
    }
    assert_eq!(setup.counted("refused_lifetime").await, 15);
    assert_eq!(setup.counted("verified").await, 0);
    assert_counted(&setup.edge, "request_claims").await;
    assert_counted(&setup.edge, "request_lifetime").await;
    setup.edge.stop();
}

#[tokio::test]
async fn an_object_without_a_valid_signature_is_refused() {
    let setup = Setup::start(Settings::default()).await;
    let (other, rsa) = (SigningKey::p256(), SigningKey::rsa());
    let valid = setup.object();
    let (signed, signature) = valid.rsplit_once('.').unwrap();
    let changed = signing_input(r#"{"alg":"ES256"}"#, &claims_with("scope", json!("admin")).to_string());
    for (object, says, outcome) in [
        (sign(&other, &claims()), "signature", "refused_signature"),
        (format!("{changed}.{signature}"), "signature", "refused_signature"),
        (rsa.token(&json!({ "alg": "PS256" }), &claims()), "alg PS256", "refused_signature"),
        (hs256(setup.key.public_pem().as_bytes(), &claims()), "HS256", "refused_token"),
        (hs256(&setup.key.spki(), &claims()), "HS256", "refused_token"),
        (unsigned(&claims()), "none", "refused_token"),
        (format!("{signed}."), "signature", "refused_signature"),
        (format!("{signed}.a.b.{signature}"), "encrypted", "refused_token"),
        ("not a token".to_owned(), "not a compact JWS", "refused_token"),
        (format!("{valid}{}", "A".repeat(8192)), "bytes", "refused_token"),
    ] {
        refused_everywhere(&setup, &object, says, outcome).await;
    }
    assert_counted(&setup.edge, "request_signature").await;
    setup.edge.stop();
}

#[tokio::test]
async fn an_object_with_a_dangerous_header_is_refused() {
    let setup = Setup::start(Settings::default()).await;
    for (name, value) in [
        ("typ", json!("client-authentication+jwt")),
        ("typ", json!("at+jwt")),
        ("typ", json!("dpop+jwt")),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("cty", json!("JWT")),
        ("jwk", setup.key.jwk()),
        ("jku", json!("https://evil.example/jwks")),
        ("x5u", json!("https://evil.example/chain")),
        ("x5c", json!(["AA=="])),
    ] {
        let mut header = json!({ "alg": "ES256" });
        header[name] = value;
        refused_everywhere(&setup, &setup.key.token(&header, &claims()), name, "refused_token").await;
    }
    let twice = claims().to_string().replacen('{', "{\"scope\":\"admin\",", 1);
    let twice = setup.key.token_of("ES256", r#"{"alg":"ES256"}"#, &twice);
    refused_everywhere(&setup, &twice, "two members \"scope\"", "refused_claims").await;
    setup.edge.stop();
}

#[tokio::test]
async fn an_assertion_is_not_a_request_object() {
    let setup = Setup::start(Settings::default()).await;
    let now = now();
    let assertion = json!({
        "iss": APP, "sub": APP, "aud": ISSUER, "exp": now + 60, "iat": now, "jti": "a",
    });
    // Signed by the request key, too: the claims decide.
    let object = setup.key.token(&json!({ "alg": "ES256" }), &assertion);
    refused_everywhere(&setup, &object, "client_id is missing", "refused_claims").await;
    let mut both = claims();
    both["sub"] = json!(APP);
    refused_everywhere(&setup, &sign(&setup.key, &both), "sub", "refused_claims").await;
    setup.edge.stop();
}

#[tokio::test]
async fn honest_variations_of_a_request_object_pass() {
    let setup = Setup::start(Settings::default()).await;
    let now = now();
    let mut count = 0;
    for (name, value) in [
        ("jti", json!(null)),
        ("nbf", json!(null)),
        ("iat", json!(null)),
        ("exp", json!(now + 3590)),
        ("nbf", json!(now + 8)),
        ("nbf", json!(now - 3500)),
        ("sub", json!("a user")),
        ("aud", json!([ISSUER])),
        ("aud", json!(["https://other1.example.com/", ISSUER])),
        ("claims", json!({ "id_token": { "acr": { "essential": true } } })),
        ("resource", json!(["https://a.example", "https://b.example"])),
    ] {
        let object = sign(&setup.key, &claims_with(name, value.clone()));
        let answer = setup.authorize(&[("client_id", APP), ("request", &object)]).await;
        count += 1;
        assert_eq!(answer.status, 200, "{name} = {value}: {answer:?}");
        setup.seen(count);
    }
    for typ in [None, Some("JWT"), Some("jwt"), Some("application/oauth-authz-req+jwt")] {
        let mut header = json!({ "alg": "ES256" });
        if let Some(typ) = typ {
            header["typ"] = json!(typ);
        }
        let object = setup.key.token(&header, &claims());
        assert_eq!(setup.push(&[("request", &object), ("client_id", APP)]).await.status, 200, "{typ:?}");
    }
    setup.edge.stop();
}
