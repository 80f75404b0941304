//! Addresses that `[listen]` allows and denies: others are not served, before any handshake.

use crate::support::{Client, Credentials, Edge, EdgeBuilder, Upstream, admin, self_signed, with_client};

fn listening(upstream: &Upstream, listen: &str) -> (Edge, Credentials) {
    with_client(EdgeBuilder::new(upstream.url()).listen(listen))
}

async fn denied(edge: &Edge) -> i64 {
    admin::metric(edge, "mtls_edge_connections_closed_total{reason=\"denied\"}").await
}

#[tokio::test]
async fn an_address_that_is_not_allowed_gets_no_handshake() {
    let upstream = Upstream::start().await;
    let (edge, client) = listening(
        &upstream,
        "allow = [\"127.0.0.0/29\", \"::1\"]\ndeny = [\"127.0.0.4/31\", \"::ffff:127.0.0.7\"]",
    );
    let client = Client::with(&edge, &client);
    for (ip, is_served) in [
        ("127.0.0.1", true),
        ("127.0.0.4", false),
        ("127.0.0.5", false),
        ("127.0.0.6", true),
        ("127.0.0.7", false),
        ("127.0.0.9", false),
    ] {
        let before = denied(&edge).await;
        let client = client.clone().from(ip);
        if is_served {
            assert_eq!(client.token("billing").await.status, 200, "{ip}");
        } else {
            assert!(client.tls().await.is_err(), "{ip}");
        }
        assert_eq!(denied(&edge).await - before, i64::from(!is_served), "{ip}");
    }
    assert_eq!(admin::metric(&edge, "mtls_edge_handshakes_failed_total").await, 0);
}

#[tokio::test]
async fn behind_a_balancer_the_clients_address_is_judged() {
    let upstream = Upstream::start().await;
    let credentials = self_signed("billing");
    let edge = EdgeBuilder::new(upstream.url())
        .listen("trusted_proxies = [\"127.0.0.1\"]\nproxy_protocol = true\ndeny = [\"192.0.2.0/24\", \"127.0.0.1\"]")
        .usual_domain("auth0")
        .self_signed_application("billing", &[credentials.thumbprint()])
        .start();
    let via_proxy = |ip: &str| {
        let header = format!("PROXY TCP4 {ip} {ip} 5000 443\r\n");
        Client::with(&edge, &credentials).prelude(header.as_bytes())
    };
    assert_eq!(via_proxy("198.51.100.1").token("billing").await.status, 200);
    assert!(via_proxy("192.0.2.7").tls().await.is_err());
    let line = edge.wait_for_log("[listen] does not allow its address");
    assert!(line.contains("\"client_ip\":\"192.0.2.7\""), "not the balancer's: {line}");
    assert_eq!(denied(&edge).await, 1);
    assert_eq!(admin::metric(&edge, "mtls_edge_handshakes_failed_total").await, 0, "it is counted once");
}

#[tokio::test]
async fn an_address_at_its_limit_is_counted_once_behind_a_balancer() {
    let upstream = Upstream::start().await;
    let balanced = EdgeBuilder::new(upstream.url())
        .listen("trusted_proxies = [\"127.0.0.1\"]\nproxy_protocol = true")
        .limits("connections_per_address = 1");
    let (edge, credentials) = with_client(balanced);
    let client = Client::with(&edge, &credentials).prelude(b"PROXY TCP4 192.0.2.7 192.0.2.7 5000 443\r\n");
    // Another connection would replace it if no application had authenticated.
    let mut first = client.connect().await;
    assert_eq!(first.token("billing").await.status, 200);
    assert!(client.tls().await.is_err());
    edge.wait_for_log("a limit on connections is reached");
    let closed = "mtls_edge_connections_closed_total{reason=\"address\"}";
    assert_eq!(admin::metric(&edge, closed).await, 1);
    assert_eq!(admin::metric(&edge, "mtls_edge_handshakes_failed_total").await, 0);
}

#[tokio::test]
async fn a_denied_address_is_refused_on_open_connections() {
    let upstream = Upstream::start().await;
    let (edge, client) = listening(&upstream, "deny = [\"192.0.2.0/24\"]");
    let client = Client::with(&edge, &client);
    let file = edge.folder.path().join("edge.toml");
    for client in [client.clone(), client.clone().http2()] {
        let (mut kept, mut other) =
            (client.connect().await, client.clone().from("127.0.0.2").connect().await);
        assert_eq!(kept.token("billing").await.status, 200);
        let text = std::fs::read_to_string(&file).unwrap();
        edge.reload("edge.toml", &text.replace("deny = [\"192.0.2.0/24\"]", "deny = [\"127.0.0.1\"]"));
        let answer = kept.token("billing").await;
        answer.oauth_error(403, "access_denied");
        assert_eq!(edge.log_of(&answer)["code"], "address_denied");
        kept.closed().await;
        assert_eq!(other.token("billing").await.status, 200);
        edge.reload("edge.toml", &text);
    }
    assert_eq!(admin::metric(&edge, "mtls_edge_refusals_total{reason=\"address_denied\"}").await, 2);
    let log = edge.log();
    assert!(log.contains("allowed and denied addresses"), "{log}");
}
