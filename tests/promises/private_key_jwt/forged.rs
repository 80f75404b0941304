//! Assertions that an attacker makes: by RFC 8725 each must be refused, whatever server is behind the edge.

use serde_json::{Value, json};
use testkit::jws::{SigningKey, hs256, signing_input, unsigned};

use super::Setup;

/// The one text for every assertion that no registered key has signed, or whose client has no keys.
pub(super) const GENERIC: &str = "the client assertion does not authenticate this client_id: check the client_id, the key, and the claims iss, sub, aud, exp, iat and jti; if all are right, this server may lack the client's current keys: ask its operator";

/// With one RSA key for PS256 and one on P-256, both with `kid`.
async fn setup() -> (SigningKey, SigningKey, Setup) {
    let (rsa, p256) = (SigningKey::rsa(), SigningKey::p256());
    let setup =
        Setup::with(&[(&rsa, "alg = \"PS256\"\nkid = \"rsa\""), (&p256, "alg = \"ES256\"\nkid = \"ec\"")])
            .await;
    (rsa, p256, setup)
}

async fn refused(setup: &Setup, assertion: &str, rule: &str) -> String {
    let (description, reason) = setup.refuses(assertion).await;
    assert_eq!(reason, format!("the assertion of \"reports\" is refused: {rule}"));
    description
}

#[tokio::test]
async fn an_unsigned_assertion_is_refused() {
    let (_, p256, setup) = setup().await;
    refused(&setup, &unsigned(&setup.claims(&json!({}))), "alg \"none\" is not accepted").await;
    let token = setup.assertion(&p256, "ES256");
    let stripped = format!("{}.", &token[..token.rfind('.').unwrap()]);
    assert_eq!(refused(&setup, &stripped, "the signature does not match").await, GENERIC);
}

#[tokio::test]
async fn hmac_with_the_public_key_is_refused() {
    let (rsa, p256, setup) = setup().await;
    for key in [&rsa, &p256] {
        for secret in [key.public_pem().into_bytes(), key.spki(), key.jwk().to_string().into_bytes()] {
            let forged = hs256(&secret, &setup.claims(&json!({})));
            refused(&setup, &forged, "alg \"HS256\" is not accepted").await;
        }
    }
}

#[tokio::test]
async fn a_key_does_not_authenticate_with_another_algorithm() {
    let (rsa, p256, setup) = setup().await;
    for algorithm in ["RS256", "RS384"] {
        let rule = format!("alg {algorithm} is not the algorithm of a registered key");
        assert_eq!(refused(&setup, &setup.assertion(&rsa, algorithm), &rule).await, GENERIC);
    }
    refused(&setup, &setup.assertion(&rsa, "PS384"), "alg \"PS384\" is not accepted").await;
    // Signed by RS256 and named PS256, and by one key under the other's name.
    let mislabelled = |key: &SigningKey, by, header: Value| {
        key.token_of(by, &header.to_string(), &setup.claims(&json!({})).to_string())
    };
    for forged in [
        mislabelled(&rsa, "RS256", json!({ "alg": "PS256" })),
        mislabelled(&p256, "ES256", json!({ "alg": "PS256", "kid": "rsa" })),
    ] {
        assert_eq!(refused(&setup, &forged, "the signature does not match").await, GENERIC);
    }
    let other = mislabelled(&rsa, "PS256", json!({ "alg": "PS256", "kid": "ec" }));
    refused(&setup, &other, "kid is not that of a registered key").await;
}

#[tokio::test]
async fn another_key_is_refused_with_any_kid() {
    let (rsa, _, setup) = setup().await;
    let stranger = SigningKey::rsa();
    let signed = |key: &SigningKey, header: Value| key.token(&header, &setup.claims(&json!({})));
    for header in [json!({ "alg": "PS256" }), json!({ "alg": "PS256", "kid": "rsa" })] {
        let forged = signed(&stranger, header);
        assert_eq!(refused(&setup, &forged, "the signature does not match").await, GENERIC);
    }
    let wrong_kid = signed(&rsa, json!({ "alg": "PS256", "kid": "other" }));
    assert_eq!(refused(&setup, &wrong_kid, "kid is not that of a registered key").await, GENERIC);
}

#[tokio::test]
async fn a_key_in_the_header_is_never_used() {
    let (_, p256, setup) = setup().await;
    let stranger = SigningKey::p256();
    for (name, value) in [
        ("jwk", stranger.jwk()),
        ("x5c", json!(["MIIB"])),
        ("jku", json!("https://attacker.example/jwks.json")),
        ("x5u", json!("https://attacker.example/chain.pem")),
    ] {
        let rule = format!("the header has {name}: only registered keys are used");
        for key in [&stranger, &p256] {
            let header = json!({ "alg": "ES256", "kid": "ec", name: value });
            refused(&setup, &key.token(&header, &setup.claims(&json!({}))), &rule).await;
        }
    }
}

#[tokio::test]
async fn extensions_and_unencoded_payloads_are_refused() {
    let (_, p256, setup) = setup().await;
    for (header, rule) in [
        (
            json!({ "alg": "ES256", "crit": ["exp"], "exp": 1 }),
            "the header has crit: no extension is supported",
        ),
        (
            json!({ "alg": "ES256", "crit": ["b64"], "b64": false }),
            "the header has crit: no extension is supported",
        ),
        (json!({ "alg": "ES256", "b64": false }), "the header has b64: only base64url payloads are accepted"),
    ] {
        refused(&setup, &p256.token(&header, &setup.claims(&json!({}))), rule).await;
    }
}

#[tokio::test]
async fn nested_and_encrypted_tokens_are_refused() {
    let (_, p256, setup) = setup().await;
    let inner = setup.assertion(&p256, "ES256");
    let header = json!({ "alg": "ES256", "cty": "JWT" }).to_string();
    let nested = p256.token_of("ES256", &header, &inner);
    let rule = "the payload is another JWT (cty): nested tokens are not accepted";
    refused(&setup, &nested, rule).await;
    let untyped = p256.token_of("ES256", "{\"alg\":\"ES256\"}", &inner);
    refused(&setup, &untyped, "the payload is not a JSON object").await;
    let jwe = signing_input("{\"alg\":\"RSA-OAEP\",\"enc\":\"A256GCM\"}", "key") + ".aXY.Y2lwaGVydGV4dA.dGFn";
    refused(&setup, &jwe, "encrypted (five parts): only signed tokens are accepted").await;
}

#[tokio::test]
async fn repeated_members_are_refused() {
    let (_, p256, setup) = setup().await;
    let claims = setup.claims(&json!({})).to_string();
    let repeated = |claims: &str, member: &str| format!("{},{member}}}", &claims[..claims.len() - 1]);
    let header = "{\"alg\":\"ES256\"}";
    for (header, claims, rule) in [
        ("{\"alg\":\"none\",\"alg\":\"ES256\"}", claims.clone(), "the header has two members \"alg\""),
        (header, repeated(&claims, "\"sub\":\"billing\""), "the payload has two members \"sub\""),
        (header, repeated(&claims, "\"\\u0073ub\":\"reports\""), "the payload has two members \"sub\""),
        (header, repeated(&claims, "\"x\":{\"y\":1,\"y\":1}"), "the payload has two members \"y\""),
    ] {
        refused(&setup, &p256.token_of("ES256", header, &claims), rule).await;
    }
}

#[tokio::test]
async fn an_assertion_over_8_kib_is_refused() {
    let (_, p256, setup) = setup().await;
    let padded = |length: usize| {
        let claims = setup.claims(&json!({ "padding": "x".repeat(length) }));
        p256.token(&json!({ "alg": "ES256" }), &claims)
    };
    let length = (0..8192).rev().find(|length| padded(*length).len() <= 8192).unwrap();
    setup.passes(&padded(length)).await;
    let long = padded(length + 8);
    refused(&setup, &long, &format!("{} bytes: at most 8192 are accepted", long.len())).await;
}

#[tokio::test]
async fn malformed_tokens_are_refused() {
    let (_, p256, setup) = setup().await;
    let token = setup.assertion(&p256, "ES256");
    for (malformed, rule) in [
        ("x".to_owned(), "not a compact JWS: three parts with dots between them are expected"),
        (format!("{token}%3D"), "the signature is not base64url without padding"),
        (format!("{token}%2B"), "the signature is not base64url without padding"),
        (format!("%2B{token}"), "the header is not base64url without padding"),
        (format!("{token}.x"), "not a compact JWS: three parts with dots between them are expected"),
    ] {
        refused(&setup, &malformed, rule).await;
    }
}

#[tokio::test]
async fn no_assertion_is_ever_logged() {
    let (rsa, p256, setup) = setup().await;
    let tokens =
        [setup.assertion(&p256, "ES256"), setup.assertion(&rsa, "PS256"), setup.assertion(&rsa, "RS256")];
    for token in &tokens {
        setup.send(token).await;
    }
    let log = setup.edge.stop();
    for token in tokens {
        let parts: Vec<&str> = token.split('.').collect();
        assert!(!log.contains(parts[1]) && !log.contains(parts[2]), "{log}");
    }
}
