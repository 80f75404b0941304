//! Assertions that authenticate.

use serde_json::json;
use testkit::jws::SigningKey;

use super::{AUDIENCE, CLIENT, ISSUER, JWT, Setup, request_of};
use crate::support::{Client, self_signed};

#[tokio::test]
async fn every_algorithm_of_the_credential_authenticates() {
    let key = SigningKey::for_algorithm;
    let algorithms = ["RS256", "RS384", "PS256", "ES256", "EdDSA"].map(|name| (name, key(name)));
    for (algorithm, key) in &algorithms {
        let setup = Setup::with(&[(key, &format!("alg = \"{algorithm}\""))]).await;
        let assertion = setup.assertion(key, algorithm);
        let seen = setup.passes(&assertion).await;
        // It passes on as it came: the authorization server verifies it, too.
        assert!(String::from_utf8_lossy(&seen.body).ends_with(&format!("client_assertion={assertion}")));
        assert!(!seen.headers.contains_key("client-certificate"), "{:?}", seen.headers);
        if *algorithm == "EdDSA" {
            setup.passes(&setup.assertion(key, "Ed25519")).await;
        }
        let line = setup.edge.wait_for_log("\"status\":200");
        assert!(line.contains("\"credential\":\"c0\"") && !line.contains(&assertion), "{line}");
    }
}

#[tokio::test]
async fn rs256_is_the_default() {
    let key = SigningKey::rsa();
    let setup = Setup::with(&[(&key, "")]).await;
    setup.passes(&setup.assertion(&key, "RS256")).await;
}

#[tokio::test]
async fn clocks_may_differ_by_ten_seconds() {
    let key = SigningKey::ed25519();
    let setup = Setup::with(&[(&key, "alg = \"EdDSA\"")]).await;
    for changes in [
        json!({ "nbf": setup.now + 8, "iat": setup.now + 8 }),
        json!({ "nbf": null }),
        json!({ "iat": null, "nbf": null, "exp": setup.now + 300 }),
        json!({ "exp": setup.now + 1 }),
        json!({ "exp": setup.now + 300 }),
    ] {
        setup.passes(&key.token(&json!({ "alg": "EdDSA" }), &setup.claims(&changes))).await;
    }
}

#[tokio::test]
async fn the_audience_is_the_issuer_or_a_configured_one() {
    let key = SigningKey::ed25519();
    let setup = Setup::with(&[(&key, "alg = \"EdDSA\"")]).await;
    for audience in [json!(ISSUER), json!([ISSUER]), json!(AUDIENCE), json!([AUDIENCE, ISSUER])] {
        let claims = setup.claims(&json!({ "aud": audience }));
        setup.passes(&key.token(&json!({ "alg": "EdDSA" }), &claims)).await;
    }
}

#[tokio::test]
async fn an_untyped_assertion_or_its_own_type_is_accepted() {
    let key = SigningKey::ed25519();
    let setup = Setup::with(&[(&key, "alg = \"EdDSA\"")]).await;
    for typ in ["JWT", "client-authentication+jwt"] {
        let header = json!({ "alg": "EdDSA", "typ": typ });
        setup.passes(&key.token(&header, &setup.claims(&json!({})))).await;
    }
}

#[tokio::test]
async fn a_request_without_client_id_names_its_client_by_sub() {
    let key = SigningKey::ed25519();
    let setup = Setup::with(&[(&key, "alg = \"EdDSA\"")]).await;
    let body =
        |assertion: &str| format!("grant_type=x&client_assertion_type={JWT}&client_assertion={assertion}");
    let assertion = setup.assertion(&key, "EdDSA");
    let answer = setup.connect().await.send(request_of(&body(&assertion))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(setup.edge.log_of(&answer)["client_id"], CLIENT);
    let nobody = key.token(&json!({ "alg": "EdDSA" }), &setup.claims(&json!({ "sub": null })));
    let answer = setup.connect().await.send(request_of(&body(&nobody))).await;
    answer.oauth_error(400, "invalid_request");
}

#[tokio::test]
async fn a_certificate_besides_is_neither_needed_nor_vouched_for() {
    let key = SigningKey::ed25519();
    let setup = Setup::with(&[(&key, "alg = \"EdDSA\"")]).await;
    let mut connection = Client::with(&setup.edge, &self_signed("other")).connect().await;
    let answer = connection.send(super::request(&setup.assertion(&key, "EdDSA"))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(!setup.upstream.last().headers.contains_key("client-certificate"));
    // The certificate alone does not authenticate the client.
    connection.token(CLIENT).await.oauth_error(401, "invalid_client");
}
