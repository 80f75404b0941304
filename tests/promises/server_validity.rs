//! A server certificate outside its validity period: it is rejected by a reload, but one that expires while active blocks nothing
//! else.

use std::fs;

use crate::support::{
    Ca, Client, Credentials, DOMAIN, EdgeBuilder, Upstream, admin, certificates::time_from_now, self_signed,
};

/// A server certificate for the usual domain that expires this many seconds from now.
fn server(ca: &Ca, end: i64) -> Credentials {
    ca.server_with(&[DOMAIN], |params| {
        params.not_before = time_from_now(end - 86_400);
        params.not_after = time_from_now(end);
    })
}

#[tokio::test]
async fn a_reload_to_an_expired_server_certificate_is_refused() {
    let upstream = Upstream::start().await;
    let billing = self_signed("billing");
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .self_signed_application("billing", &[billing.thumbprint()])
        .start();
    for (end, expected) in [(-60, "has expired (on "), (10 * 86_400, "is not valid yet (before ")] {
        server(&edge.issuer, end).write(edge.folder.path(), DOMAIN);
        let line = edge.wait_for_log(expected);
        assert!(line.contains("reload rejected"), "{line}");
        assert_eq!(Client::with(&edge, &billing).token("billing").await.status, 200, "the former one stays");
    }
    edge.stop();
}

#[tokio::test]
async fn one_expired_certificate_does_not_prevent_a_start() {
    let upstream = Upstream::start().await;
    let billing = self_signed("billing");
    let builder = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .domain("expired.example", "header_profile = \"auth0\"")
        .self_signed_application("billing", &[billing.thumbprint()]);
    let server = Ca::new("CA").server_with(&["expired.example"], |params| {
        params.not_before = time_from_now(-86_400);
        params.not_after = time_from_now(-60);
    });
    server.write(builder.path(), "expired.example");
    let edge = builder.start();
    let line = edge.wait_for_log("expired.example.pem has expired (on ");
    assert!(line.contains("\"WARN\""), "{line}");
    let client = Client::with(&edge, &billing);
    assert_eq!(client.token("billing").await.status, 200, "other domains are served");
    let status = admin::status(&edge, "").await;
    let problems = &status["health"]["problems"];
    assert_eq!(problems[0]["code"], "certificate_expired", "{problems}");
    assert_eq!(problems[0]["what"], "the server certificate of expired.example has expired");
    // It is served: whether to accept it is for clients to decide.
    let client =
        Client::with(&(edge.https, server.chain[0].clone()), &billing).server_name("expired.example");
    let error = client.tls().await.unwrap_err();
    assert!(error.to_string().contains("xpired"), "{error}");
    edge.stop();
}

#[tokio::test]
async fn an_expired_certificate_does_not_block_other_changes() {
    let upstream = Upstream::start().await;
    let (first, second) = (self_signed("billing"), self_signed("billing"));
    let builder = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .self_signed_application("billing", &[first.thumbprint(), second.thumbprint()]);
    let ca = Ca::new("Server CA");
    server(&ca, 600).write(builder.path(), DOMAIN);
    let mut edge = builder.clock(time_from_now(0)).start();
    edge.server_ca = ca.der();
    let mut connection = Client::with(&edge, &first).connect().await;
    assert_eq!(connection.token("billing").await.status, 200);
    edge.set_clock(time_from_now(602));
    let applications = edge.folder.path().join("applications.toml");
    let text = fs::read_to_string(&applications).unwrap();
    let credential =
        format!("[[application.credential]]\nname = \"c0\"\nthumbprint = \"{}\"\n", first.thumbprint());
    assert!(text.contains(&credential));
    edge.reload("applications.toml", &text.replace(&credential, ""));
    assert!(edge.log().contains("has expired (on "), "it is a warning: {}", edge.log());
    connection.token("billing").await.oauth_error(401, "invalid_client");
    edge.stop();
}

#[tokio::test]
async fn a_certificate_of_tomorrow_is_in_force_once_it_is_valid() {
    let upstream = Upstream::start().await;
    let billing = self_signed("billing");
    let mut edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .self_signed_application("billing", &[billing.thumbprint()])
        .clock(time_from_now(-86_400))
        .start();
    // For the client it is already valid; for the edge, whose clock is a day slow, only in an hour.
    server(&edge.issuer, 3600).write(edge.folder.path(), DOMAIN);
    let line = edge.wait_for_log("is not valid yet (before ");
    assert!(line.contains("reload rejected"), "{line}");
    edge.set_clock(time_from_now(0));
    let line = edge.wait_for_log("\"reloaded\"");
    assert!(line.contains(&format!("changed TLS of domain {DOMAIN}")), "{line}");
    assert_eq!(Client::with(&edge, &billing).token("billing").await.status, 200);
    edge.stop();
}

#[tokio::test]
async fn a_certificate_that_does_not_name_its_domain_degrades() {
    let upstream = Upstream::start().await;
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .self_signed_application("billing", &[self_signed("billing").thumbprint()])
        .start();
    let problems = async || admin::status(&edge, "").await["health"]["problems"].clone();
    let wildcard = DOMAIN.replacen(DOMAIN.split('.').next().unwrap(), "*", 1);
    for (generation, name) in [(2, "other.example.test"), (3, wildcard.as_str())] {
        edge.issuer.server(&[name]).write(edge.folder.path(), DOMAIN);
        admin::reloaded(&edge, generation);
        let found = problems().await;
        if name == wildcard {
            assert_eq!(found, serde_json::json!([]));
        } else {
            assert_eq!(
                (&found[0]["code"], &found[0]["level"]),
                (&"certificate_mismatch".into(), &"degraded".into()),
                "{found}"
            );
            let what = format!("the server certificate of {DOMAIN} does not name it: clients refuse it");
            assert_eq!(found[0]["what"], what);
        }
    }
    edge.stop();
}
