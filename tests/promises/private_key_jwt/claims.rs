//! Assertions of the right key with claims that are refused.

use serde_json::{Value, json};
use testkit::jws::SigningKey;

use super::{ISSUER, JWT, Setup, request, request_of};

async fn refused(setup: &Setup, key: &SigningKey, changes: Value, rule: &str) -> String {
    let assertion = key.token(&json!({ "alg": "EdDSA" }), &setup.claims(&changes));
    let (description, reason) = setup.refuses(&assertion).await;
    assert!(reason.ends_with(&format!(": {rule}")), "{changes}: {reason}");
    description
}

async fn setup() -> (SigningKey, Setup) {
    let key = SigningKey::ed25519();
    let setup = Setup::with(&[(&key, "alg = \"EdDSA\"")]).await;
    (key, setup)
}

#[tokio::test]
async fn a_missing_claim_is_refused_by_its_name() {
    let (key, setup) = setup().await;
    for claim in ["iss", "sub", "aud", "exp", "jti"] {
        let rule = format!("{claim} is missing");
        let description = refused(&setup, &key, json!({ claim: null }), &rule).await;
        assert!(description.contains(&rule), "{description}");
    }
}

#[tokio::test]
async fn times_outside_of_their_bounds_are_refused() {
    let (key, setup) = setup().await;
    let now = setup.now;
    for (changes, rule) in [
        (json!({ "exp": now }), "expired 0 s ago (exp)"),
        (json!({ "exp": now - 3600, "iat": now - 3660 }), "expired 3600 s ago (exp)"),
        (json!({ "exp": now + 3600 }), "exp is 3600 s ahead: at most 310 s are accepted"),
        (json!({ "exp": now + 301 }), "exp is 301 s after iat: at most 300 s are accepted"),
        (json!({ "nbf": now + 60, "exp": now + 120 }), "nbf is 60 s ahead: at most 10 s are accepted"),
        (json!({ "iat": now + 60, "exp": now + 120 }), "iat is 60 s ahead: at most 10 s are accepted"),
        (json!({ "exp": (now + 60) * 1000 }), "exp is not a number of seconds since 1970"),
        (json!({ "exp": (now + 60).to_string() }), "exp is not a number of seconds since 1970"),
    ] {
        let description = refused(&setup, &key, changes, rule).await;
        assert!(description.contains(rule), "{description}");
    }
}

#[tokio::test]
async fn an_audience_that_differs_by_one_byte_is_refused() {
    let (key, setup) = setup().await;
    for audience in [
        "https://auth.example.test",
        "https://auth.example.test//",
        "HTTPS://auth.example.test/",
        "https://auth.example.test/token",
        "https://mtls.example.test/",
        "",
    ] {
        let rule = format!("aud {audience:?} is neither the domain's issuer nor one of its audiences");
        let description = refused(&setup, &key, json!({ "aud": audience }), &rule).await;
        assert!(description.contains("issuer identifier"), "{description}");
    }
    let other = "https://other.example.test/";
    let rule = format!("aud {other:?} is neither the domain's issuer nor one of its audiences");
    refused(&setup, &key, json!({ "aud": [ISSUER, other] }), &rule).await;
    refused(&setup, &key, json!({ "aud": [] }), "aud is not a string or an array of strings").await;
}

#[tokio::test]
async fn issuer_and_subject_must_be_the_client() {
    let (key, setup) = setup().await;
    for claim in ["iss", "sub"] {
        let rule = format!("{claim} is \"billing\", not the client_id");
        refused(&setup, &key, json!({ claim: "billing" }), &rule).await;
    }
    let both = json!({ "iss": "billing", "sub": "billing" });
    refused(&setup, &key, both, "iss is \"billing\", not the client_id").await;
}

#[tokio::test]
async fn a_request_object_is_not_an_assertion() {
    let (key, setup) = setup().await;
    let rule = "it is a request object, not an assertion";
    for changes in [
        json!({ "sub": null, "client_id": "reports" }),
        json!({ "response_type": "code", "client_id": "reports" }),
    ] {
        let description = refused(&setup, &key, changes, rule).await;
        assert!(description.contains("request object"), "{description}");
    }
    let header = json!({ "alg": "EdDSA", "typ": "oauth-authz-req+jwt" });
    let (_, reason) = setup.refuses(&key.token(&header, &setup.claims(&json!({})))).await;
    assert!(reason.ends_with(rule), "{reason}");
}

#[tokio::test]
async fn the_types_of_other_tokens_are_refused() {
    let (key, setup) = setup().await;
    for typ in ["at+jwt", "dpop+jwt", "logout+jwt", "application/at+jwt"] {
        let header = json!({ "alg": "EdDSA", "typ": typ });
        let (_, reason) = setup.refuses(&key.token(&header, &setup.claims(&json!({})))).await;
        assert!(reason.ends_with(&format!("typ {typ:?} is that of another kind of token")), "{reason}");
    }
}

#[tokio::test]
async fn a_saml_assertion_is_refused() {
    let (key, setup) = setup().await;
    let body = |kind: &str, assertion: &str| {
        request_of(&format!("client_id=reports&client_assertion_type={kind}&client_assertion={assertion}"))
    };
    let saml = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer";
    let (description, reason) = setup.refuses_request(body(saml, "PHNhbWw6QXNzZXJ0aW9uPg")).await;
    assert!(description.contains(JWT) && reason.ends_with("SAML assertions are not accepted"), "{reason}");
    // Nor is a valid JWT under that name.
    setup.refuses_request(body(saml, &setup.assertion(&key, "EdDSA"))).await;
    let (_, reason) = setup.refuses_request(body("urn:other", &setup.assertion(&key, "EdDSA"))).await;
    assert!(reason.ends_with("client_assertion_type \"urn:other\" is not accepted"), "{reason}");
}

#[tokio::test]
async fn the_answer_is_the_same_for_every_client() {
    let (_, setup) = setup().await;
    let stranger = SigningKey::ed25519();
    let mut described = Vec::new();
    for client_id in ["reports", "nobody"] {
        let claims = setup.claims(&json!({ "iss": client_id, "sub": client_id }));
        let assertion = stranger.token(&json!({ "alg": "EdDSA" }), &claims);
        let body = format!("client_id={client_id}&client_assertion_type={JWT}&client_assertion={assertion}");
        described.push(setup.refuses_request(request_of(&body)).await.0);
    }
    assert_eq!(described[0], described[1]);
    assert!(!described[0].contains("registered"), "{}", described[0]);
}

#[tokio::test]
async fn a_refused_assertion_leaves_the_connection_open() {
    let (key, setup) = setup().await;
    let mut connection = setup.connect().await;
    let expired = key.token(&json!({ "alg": "EdDSA" }), &setup.claims(&json!({ "exp": 1, "iat": 1 })));
    connection.send(request(&expired)).await.oauth_error(401, "invalid_client");
    assert_eq!(connection.send(request(&setup.assertion(&key, "EdDSA"))).await.status, 200);
}
