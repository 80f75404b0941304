//! Access tokens of resource requests (RFC 6750, RFC 8705 section 3, RFC 9068): `authenticate = "token"`.
//!
//! The tests' runtimes have a second thread, so that the issuer runs while a test waits for its edge.

mod dpop;
mod introspection;
mod key_sets;
mod places;
mod setup;

use serde_json::json;
use testkit::jws::{SigningKey, hs256, unsigned};

use self::setup::{Setup, bearer, get, x5t};
use crate::support::{Client, Edge, admin::metric, certificates::time_from_now, self_signed};

/// Requests whose token had this outcome.
async fn outcome(edge: &Edge, outcome: &str) -> i64 {
    metric(edge, &format!("mtls_edge_access_tokens_total{{outcome=\"{outcome}\"}}")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_bound_to_the_certificate_is_forwarded() {
    let setup = Setup::start().await;
    let edge = setup.builder("").start();
    let token = setup.token();
    for client in [Client::with(&edge, &setup.client), Client::with(&edge, &setup.client).http2()] {
        let answer = get(&client, "/api/accounts?page=1", &bearer(&token)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let seen = setup.resources.last();
        assert_eq!(seen.uri, "/api/accounts?page=1");
        assert_eq!(seen.header("authorization"), format!("Bearer {token}"), "it passes on as it came");
        assert!(seen.header("client-cert").starts_with(':'), "the certificate is vouched for");
        let line = edge.log_of(&answer);
        assert_eq!((&line["client_id"], &line["status"]), (&json!("billing"), &json!(200)));
    }
    assert_eq!(outcome(&edge, "accepted").await, 2);
    let log = edge.stop();
    assert!(!log.contains(&token) && !log.contains(token.rsplit('.').next().unwrap()), "it is never logged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_without_a_token_gets_no_error_code() {
    let setup = Setup::start().await;
    let edge = setup.builder("").start();
    let client = Client::with(&edge, &setup.client);
    for headers in [&[][..], &[("authorization", "Basic YTpi")]] {
        let answer = get(&client, "/api/x", headers).await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (401, &b""[..]));
        let challenges: Vec<&str> =
            answer.headers.get_all("www-authenticate").iter().map(|value| value.to_str().unwrap()).collect();
        let [bearer, dpop] = challenges[..] else { panic!("{challenges:?}") };
        assert_eq!(bearer, "Bearer realm=\"mtls.example.test\"");
        assert!(
            dpop.starts_with("DPoP realm=\"mtls.example.test\", algs=\"") && dpop.contains("ES256"),
            "{dpop}"
        );
        assert!(!dpop.contains("error"));
    }
    assert_eq!(outcome(&edge, "missing").await, 2);
    assert!(setup.resources.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_invalid_token_is_refused() {
    let setup = Setup::start().await;
    let edge = setup.builder("").start();
    let client = Client::with(&edge, &setup.client);
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut claims = setup.claims();
        change(&mut claims);
        setup.sign(&claims)
    };
    let header = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": "k1" });
        change(&mut header);
        setup.key.token(&header, &setup.claims())
    };
    let good = setup.token();
    let (body, signature) = good.rsplit_once('.').unwrap();
    let mut last: Vec<char> = signature.chars().collect();
    last[0] = if last[0] == 'A' { 'B' } else { 'A' };
    let forged = format!("{body}.{}", last.into_iter().collect::<String>());
    let cases: Vec<(&str, String)> = vec![
        ("signature does not match", forged),
        ("kid is not that of a key of the issuer", header(&|header| header["kid"] = json!("k9"))),
        ("alg \\\"none\\\" is not accepted", unsigned(&setup.claims())),
        ("alg \\\"HS256\\\" is not accepted", hs256(setup.key.public_pem().as_bytes(), &setup.claims())),
        (
            "no key for RS256",
            SigningKey::rsa().token(&json!({ "alg": "RS256", "typ": "at+jwt" }), &setup.claims()),
        ),
        ("signature does not match", {
            let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": "k1" });
            SigningKey::p256().token(&header, &setup.claims())
        }),
        ("typ \\\"JWT\\\" is not at+jwt", header(&|header| header["typ"] = json!("JWT"))),
        ("typ (none) is not at+jwt", header(&|header| drop(header.as_object_mut().unwrap().remove("typ")))),
        ("the header has crit", header(&|header| header["crit"] = json!(["exp"]))),
        ("the header has jwk", header(&|header| header["jwk"] = setup.key.jwk())),
        ("iss is not the issuer", with(&|claims| claims["iss"] = json!("https://as.example.test"))),
        (
            "aud has none of the audiences",
            with(&|claims| claims["aud"] = json!("https://other.example.test")),
        ),
        ("aud is missing", with(&|claims| drop(claims.as_object_mut().unwrap().remove("aud")))),
        ("expired", with(&|claims| claims["exp"] = json!(setup::now() - 1))),
        ("exp is missing", with(&|claims| drop(claims.as_object_mut().unwrap().remove("exp")))),
        ("nbf is ", with(&|claims| claims["nbf"] = json!(setup::now() + 60))),
        ("not bound to a certificate", with(&|claims| drop(claims.as_object_mut().unwrap().remove("cnf")))),
        (
            "bound to another certificate",
            with(&|claims| claims["cnf"]["x5t#S256"] = json!(x5t(&self_signed("other")))),
        ),
        (
            "x5t#S256 in cnf is not base64url of 32 bytes",
            with(&|claims| {
                claims["cnf"]["x5t#S256"] = json!(setup.client.thumbprint());
            }),
        ),
        ("cnf has neither", with(&|claims| claims["cnf"] = json!({ "jwk": setup.key.jwk() }))),
        ("cnf is not an object", with(&|claims| claims["cnf"] = json!(null))),
        ("not a compact JWS", "opaque".to_owned()),
        ("at most 8192 are accepted", with(&|claims| claims["x"] = json!("x".repeat(8192)))),
    ];
    let of_cases = i64::try_from(cases.len()).unwrap();
    for (reason, token) in cases {
        let answer = get(&client, "/api/x", &bearer(&token)).await;
        let description = answer.oauth_error(401, "invalid_token");
        let challenge = answer.headers["www-authenticate"].to_str().unwrap();
        let start = "Bearer realm=\"mtls.example.test\", error=\"invalid_token\", error_description=\"";
        assert!(challenge.starts_with(start) && challenge.contains(&description), "{challenge}");
        let logged = edge.log_of(&answer)["reason"].to_string();
        assert!(logged.contains(reason), "{reason}: {logged}");
    }
    assert!(setup.resources.seen().is_empty());
    assert_eq!(get(&client, "/api/x", &bearer(&good)).await.status, 200, "the connection goes on");
    assert_eq!(
        [outcome(&edge, "unbound").await, outcome(&edge, "other_holder").await],
        [1, 1],
        "without cnf, and bound to another certificate"
    );
    assert_eq!(outcome(&edge, "invalid").await, of_cases - 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bound_token_needs_its_certificate() {
    let setup = Setup::start().await;
    let edge = setup.builder("").start();
    let token = setup.token();
    let expired =
        crate::support::certificates::self_signed_with("old", |params| params.not_after = time_from_now(-60));
    let old = setup.token_for(&expired);
    for (client, token, reason) in [
        (Client::new(&edge), &token, "neither a client certificate nor a DPoP proof was presented"),
        (Client::with(&edge, &self_signed("billing")), &token, "bound to another certificate"),
        (Client::with(&edge, &expired), &old, "the certificate to which it is bound has expired"),
    ] {
        let answer = get(&client, "/api/x", &bearer(token)).await;
        answer.oauth_error(401, "invalid_token");
        let logged = edge.log_of(&answer)["reason"].to_string();
        assert!(logged.contains(reason), "{reason}: {logged}");
    }
    assert!(setup.resources.seen().is_empty());
    assert_eq!(outcome(&edge, "other_holder").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unbound_token_passes_only_where_it_is_allowed() {
    let setup = Setup::start().await;
    let edge = setup.builder("allow_unbound = true").start();
    let mut claims = setup.claims();
    claims.as_object_mut().unwrap().remove("cnf");
    let unbound = setup.sign(&claims);
    for client in [Client::new(&edge), Client::with(&edge, &setup.client)] {
        let spoofed = [bearer(&unbound), vec![("client-cert", ":AAAA:".to_owned())]].concat();
        assert_eq!(get(&client, "/api/x", &spoofed).await.status, 200);
        assert!(!setup.resources.last().headers.contains_key("client-cert"), "no certificate is vouched for");
    }
    let bound = get(&Client::new(&edge), "/api/x", &bearer(&setup.token())).await;
    assert!(bound.oauth_error(401, "invalid_token").contains("bound to a certificate"), "bound stays bound");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_outside_the_header_is_a_bad_request() {
    let setup = Setup::start().await;
    let edge = setup.builder("").start();
    let (token, client) = (setup.token(), Client::with(&edge, &setup.client));
    for query in
        [format!("access_token={token}"), format!("a=b&access%5Ftoken={token}"), "Access_Token=x".to_owned()]
    {
        for headers in [vec![], bearer(&token)] {
            let answer = get(&client, &format!("/api/x?{query}"), &headers).await;
            assert!(answer.oauth_error(400, "invalid_request").contains("in the query"), "{query}");
            assert!(answer.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer realm="));
        }
    }
    for headers in [vec![], bearer(&token)] {
        let form = format!("amount=1&access_token={token}");
        let answer =
            setup::post(&client, &headers, "application/x-www-form-urlencoded;charset=UTF-8", &form).await;
        assert!(answer.oauth_error(400, "invalid_request").contains("in the body"));
    }
    let form = "application/x-www-form-urlencoded";
    for (kind, coding) in [
        (form.to_owned(), "gzip"),
        (format!("{form}; charset=UTF-16"), "identity"),
        (format!("multipart/mixed, {form}"), "identity"),
    ] {
        let headers = [bearer(&token), vec![("content-encoding", coding.to_owned())]].concat();
        let answer = setup::post(&client, &headers, &kind, "amount=1").await;
        answer.oauth_error(400, "invalid_request");
    }
    let twice = [bearer(&token), bearer(&token)].concat();
    assert!(get(&client, "/api/x", &twice).await.oauth_error(400, "invalid_request").contains("several"));
    let malformed = [("authorization", format!("Bearer {token}, {token}"))];
    get(&client, "/api/x", &malformed).await.oauth_error(400, "invalid_request");
    assert!(setup.resources.seen().is_empty());
    assert_eq!([outcome(&edge, "malformed").await, outcome(&edge, "accepted").await], [13, 0]);

    for (kind, body) in [
        ("application/x-www-form-urlencoded", "amount=1&token=x"),
        ("application/json", "{\"access_token\":\"x\"}"),
    ] {
        assert_eq!(setup::post(&client, &bearer(&token), kind, body).await.status, 200, "{kind}");
        assert_eq!(setup.resources.last().body, body);
    }
    assert!(!edge.stop().contains(&token));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_jwts_pass_where_the_issuer_sends_them() {
    let setup = Setup::start().await;
    let edge = setup.builder_of(&setup.keys("typ = \"jwt\""), "").start();
    let client = Client::with(&edge, &setup.client);
    for (typ, status) in [(json!("JWT"), 200), (json!("at+jwt"), 200), (json!("logout+jwt"), 401)] {
        let token = setup.key.token(&json!({ "alg": "ES256", "typ": typ }), &setup.claims());
        assert_eq!(get(&client, "/api/x", &bearer(&token)).await.status, status, "{typ}");
    }
}
