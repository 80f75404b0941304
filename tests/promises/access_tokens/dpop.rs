//! DPoP (RFC 9449): tokens that are bound to a key, and the proofs of its possession.

use serde_json::{Value, json};
use testkit::jws::SigningKey;

use super::setup::{Headers, Setup, get, hash, now};
use crate::support::{Client, admin::metric};

/// A client's DPoP key.
struct Holder {
    key: SigningKey,
}

impl Holder {
    fn new() -> Self {
        Self { key: SigningKey::p256() }
    }

    /// RFC 7638.
    fn thumbprint(&self) -> String {
        let jwk = self.key.jwk();
        let text = |name: &str| jwk[name].as_str().unwrap().to_owned();
        hash(
            format!("{{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"{}\",\"y\":\"{}\"}}", text("x"), text("y"))
                .as_bytes(),
        )
    }

    fn header(&self) -> Value {
        json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.key.jwk() })
    }

    fn claims(jti: &str, token: &str) -> Value {
        json!({ "jti": jti, "htm": "GET", "htu": "https://mtls.example.test/api/x", "iat": now(), "ath": hash(token.as_bytes()) })
    }

    fn proof(&self, jti: &str, token: &str) -> String {
        self.key.token(&self.header(), &Self::claims(jti, token))
    }
}

fn dpop(token: &str, proofs: &[String]) -> Headers {
    let mut headers = vec![("authorization", format!("DPoP {token}"))];
    headers.extend(proofs.iter().map(|proof| ("dpop", proof.clone())));
    headers
}

fn bound_to(setup: &Setup, cnf: Value) -> String {
    let mut claims = setup.claims();
    claims["cnf"] = cnf;
    setup.sign(&claims)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_is_accepted_once() {
    let (setup, holder) = (Setup::start().await, Holder::new());
    let edge = setup.builder("").start();
    let token = bound_to(&setup, json!({ "jkt": holder.thumbprint() }));
    let client = Client::new(&edge);
    let proof = holder.proof("1", &token);
    let headers = dpop(&token, std::slice::from_ref(&proof));
    assert_eq!(get(&client, "/api/x?page=1", &headers).await.status, 200);
    let seen = setup.resources.last();
    assert_eq!(seen.header("authorization"), format!("DPoP {token}"));
    assert_eq!(seen.header("dpop"), proof, "it passes on");
    assert!(!seen.headers.contains_key("client-cert"));

    let mut refused = 0;
    // Connections of both workers share what was used.
    for _ in 0..8 {
        let answer = get(&client, "/api/x", &headers).await;
        answer.oauth_error(401, "invalid_token");
        let challenge = answer.headers["www-authenticate"].to_str().unwrap();
        assert!(
            challenge.starts_with("DPoP realm=\"mtls.example.test\", error=\"invalid_token\""),
            "{challenge}"
        );
        assert!(challenge.contains("algs=\"") && challenge.contains("ES256"), "{challenge}");
        assert!(edge.log_of(&answer)["reason"].to_string().contains("DPoP proof: jti was used before"));
        refused += 1;
    }
    assert_eq!(metric(&edge, "mtls_edge_access_tokens_total{outcome=\"proof\"}").await, refused);
    assert_eq!(get(&client, "/api/x", &dpop(&token, &[holder.proof("2", &token)])).await.status, 200);
    assert!(!edge.stop().contains(&proof));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_invalid_proof_is_refused() {
    let (setup, holder, other) = (Setup::start().await, Holder::new(), Holder::new());
    let edge = setup.builder("").start();
    let token = bound_to(&setup, json!({ "jkt": holder.thumbprint() }));
    let client = Client::new(&edge);
    let mut number = 0;
    let mut with = |change: &dyn Fn(&mut Value, &mut Value)| {
        number += 1;
        let (mut header, mut claims) = (holder.header(), Holder::claims(&format!("x{number}"), &token));
        change(&mut header, &mut claims);
        vec![holder.key.token_of("ES256", &header.to_string(), &claims.to_string())]
    };
    let cases = vec![
        ("the request has 0 DPoP headers", vec![]),
        ("the request has 2 DPoP headers", vec![holder.proof("a", &token), holder.proof("b", &token)]),
        ("htm is not the method", with(&|_, claims| claims["htm"] = json!("POST"))),
        ("htu is not the URI", with(&|_, claims| claims["htu"] = json!("https://mtls.example.test/api/y"))),
        ("htu is not the URI", with(&|_, claims| claims["htu"] = json!("https://other.example.test/api/x"))),
        ("htu is not the URI", with(&|_, claims| claims["htu"] = json!("http://mtls.example.test/api/x"))),
        ("ath is not the hash", with(&|_, claims| claims["ath"] = json!(hash(b"another token")))),
        ("issued 120 s ago", with(&|_, claims| claims["iat"] = json!(now() - 120))),
        ("iat is ", with(&|_, claims| claims["iat"] = json!(now() + 60))),
        ("typ is not dpop+jwt", with(&|header, _| header["typ"] = json!("JWT"))),
        ("contains a private key", with(&|header, _| header["jwk"]["d"] = json!("AAAA"))),
        ("symmetric", with(&|header, _| header["jwk"] = json!({ "kty": "oct", "k": "AAAA" }))),
        ("the header has no jwk", with(&|header, _| drop(header.as_object_mut().unwrap().remove("jwk")))),
        ("alg \\\"HS256\\\" is not accepted", with(&|header, _| header["alg"] = json!("HS256"))),
        ("alg \\\"none\\\" is not accepted", with(&|header, _| header["alg"] = json!("none"))),
        ("the signature does not match", with(&|header, _| header["jwk"] = other.key.jwk())),
        ("bound to another DPoP key", vec![other.proof("c", &token)]),
    ];
    for (reason, proofs) in cases {
        let answer = get(&client, "/api/x", &dpop(&token, &proofs)).await;
        answer.oauth_error(401, "invalid_token");
        let logged = edge.log_of(&answer)["reason"].to_string();
        // The second may have changed since the proof was made.
        let logged = logged.replace("121 s", "120 s");
        assert!(logged.contains(reason), "{reason}: {logged}");
    }
    assert!(setup.resources.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_with_both_bindings_needs_both() {
    let (setup, holder) = (Setup::start().await, Holder::new());
    let edge = setup.builder("").start();
    let both = bound_to(&setup, json!({ "jkt": holder.thumbprint(), "x5t#S256": super::x5t(&setup.client) }));
    let (with, without) = (Client::with(&edge, &setup.client), Client::new(&edge));
    assert_eq!(get(&with, "/api/x", &dpop(&both, &[holder.proof("1", &both)])).await.status, 200);
    assert!(setup.resources.last().headers.contains_key("client-cert"));
    let other = Holder::new();
    for (client, headers) in [
        (&without, dpop(&both, &[holder.proof("2", &both)])),
        (&with, dpop(&both, &[other.proof("3", &both)])),
        (&with, dpop(&both, &[])),
        (&with, super::bearer(&both)),
        // The proof is ignored with the scheme Bearer: a bound token cannot be downgraded.
        (&with, [super::bearer(&both), vec![("dpop", holder.proof("4", &both))]].concat()),
        // A token that is not bound to a key does not become so by the scheme.
        (&with, dpop(&setup.token(), &[holder.proof("5", &setup.token())])),
    ] {
        get(client, "/api/x", &headers).await.oauth_error(401, "invalid_token");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_used_proof_stays_used_at_a_takeover() {
    let (setup, holder) = (Setup::start().await, Holder::new());
    let edge = setup.builder("").installed().start();
    let token = bound_to(&setup, json!({ "jkt": holder.thumbprint() }));
    let client = Client::new(&edge);
    let (used, unused) = (holder.proof("1", &token), holder.proof("2", &token));
    let presented = async |proof: &str| get(&client, "/api/x", &dpop(&token, &[proof.to_owned()])).await;
    assert_eq!(presented(&used).await.status, 200);
    crate::handover::replace(&edge);
    presented(&used).await.oauth_error(401, "invalid_token");
    assert_eq!(presented(&unused).await.status, 200);
    edge.stop();
}
