//! Connections that are closed before anything was sent, such as a load balancer's probes, do not count as failed handshakes.

use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};

use crate::support::{Client, Edge, EdgeBuilder, PATIENCE, Upstream, admin, with_client};

const BEHIND_BALANCER: &str = "proxy_protocol = true\ntrusted_proxies = [\"127.0.0.0/8\"]";
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
const FROM: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 5000 443\r\n";

enum End {
    Fin,
    Reset,
}

async fn probe(edge: &Edge, bytes: &[u8], end: &End) {
    let mut stream = TcpStream::connect(edge.https).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    if let End::Reset = end {
        socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    }
}

async fn until(edge: &Edge, metric: &str, count: i64) {
    let there = timeout(PATIENCE, async { while admin::metric(edge, metric).await < count {} });
    there.await.unwrap_or_else(|_| panic!("{metric} stays below {count}; {}", edge.log()));
    assert_eq!(admin::metric(edge, metric).await, count);
}

const PROBES: &str = "mtls_edge_probes_total";
const FAILED: &str = "mtls_edge_handshakes_failed_total";

#[tokio::test]
async fn probes_are_counted_apart_and_logged_at_debug() {
    let upstream = Upstream::start().await;
    for (listen, probes, failures) in [
        ("", &[&b""[..]][..], &[&b"\x16"[..], b"\x16\x03\x01\x02\x00", b"G"][..]),
        (
            BEHIND_BALANCER,
            &[b"", LOCAL, b"PROXY UNKNOWN\r\n", FROM],
            &[b"P", b"PROXY TCP4 ", b"\r\n\r\n\0\r\nQUIT"],
        ),
    ] {
        let (edge, client) = with_client(EdgeBuilder::new(upstream.url()).listen(listen));
        let mut count = 0;
        for bytes in probes {
            for end in [End::Fin, End::Reset] {
                probe(&edge, bytes, &end).await;
                count += 1;
                until(&edge, PROBES, count).await;
            }
        }
        assert_eq!(admin::metric(&edge, FAILED).await, 0);
        for line in edge.log().lines().filter(|line| line.contains("before it sent anything")) {
            assert!(line.contains("\"level\":\"DEBUG\""), "{line}");
        }
        assert!(!edge.log().contains("handshake failed"), "{}", edge.log());
        // A handshake that begins and is not completed has failed.
        for (number, bytes) in failures.iter().enumerate() {
            probe(&edge, bytes, &End::Fin).await;
            until(&edge, FAILED, i64::try_from(number).unwrap() + 1).await;
        }
        assert_eq!(admin::metric(&edge, PROBES).await, count);
        let prelude = if listen.is_empty() { &b""[..] } else { FROM };
        assert_eq!(Client::with(&edge, &client).prelude(prelude).token("billing").await.status, 200);
    }
}

#[tokio::test]
async fn failures_of_the_upstream_are_warnings() {
    // No server listens there.
    let (edge, client) = with_client(EdgeBuilder::new("http://127.0.0.1:9"));
    let client = Client::with(&edge, &client);
    let level = |answer: &crate::support::Answer| edge.log_of(answer)["level"].clone();
    assert_eq!(level(&client.token("billing").await), "WARN");
    let answer = client.token("somebody-else").await;
    assert_eq!((answer.status.as_u16(), level(&answer)), (401, "INFO".into()));
    // The demo's log level.
    let edge = EdgeBuilder::new("http://127.0.0.1:9").environment("RUST_LOG", "warn,mtls_edge::cli=info");
    let (edge, credentials) = with_client(edge);
    let client = Client::with(&edge, &credentials);
    assert_eq!(client.token("somebody-else").await.status, 401);
    let answer = client.token("billing").await;
    assert_eq!(edge.log_of(&answer)["status"], 503);
    assert_eq!(edge.log().matches("mtls_edge::access").count(), 1, "{}", edge.log());
}
