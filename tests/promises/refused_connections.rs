//! Connections that the edge closes have log lines with a reason and advice, and no stranger can fill the log with them.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{
    Client, Edge, EdgeBuilder, Upstream, admin,
    frames::{Frames, PING},
    with_client,
};

/// The lines with this message, each as an object.
fn lines(edge: &Edge, message: &str) -> Vec<Value> {
    let log = edge.log();
    let all = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.filter(|line| line["message"].as_str().is_some_and(|text| text.starts_with(message))).collect()
}

const REACHED: &str = "a limit on connections is reached";

#[tokio::test]
async fn each_limit_on_connections_is_logged_with_advice() {
    let upstream = Upstream::start().await;
    for (limits, limit, value, reason) in [
        ("connections_per_address = 1", "connections_per_address", 1, "address"),
        ("connections = 1\nconnections_per_address = 9", "connections", 1, "bound"),
        ("handshakes_per_address = 1", "handshakes_per_address", 1, "handshake_evicted"),
        ("handshakes = 1\nhandshakes_per_address = 9", "handshakes", 1, "handshake_evicted"),
    ] {
        let (edge, client) = with_client(EdgeBuilder::new(upstream.url()).limits(limits));
        let client = Client::with(&edge, &client);
        let mut kept = Vec::new();
        if limit.starts_with("connections") {
            let mut connection = client.connect().await;
            assert_eq!(connection.token("billing").await.status, 200);
            kept.push(connection);
            assert!(client.tls().await.is_err());
        } else {
            let mut first = client.tcp().await.unwrap();
            first.write_all(&[22, 3, 1]).await.unwrap();
            let in_flight = async || admin::metric(&edge, "mtls_edge_handshakes_in_flight").await;
            admin::happens(async || in_flight().await == 1).await;
            assert_eq!(client.token("billing").await.status, 200, "{limit}");
        }
        let line: Value = serde_json::from_str(&edge.wait_for_log(REACHED)).unwrap();
        assert_eq!(
            (&line["level"], &line["limit"], &line["value"], &line["reason"], &line["others"]),
            (&"WARN".into(), &limit.into(), &value.into(), &reason.into(), &0.into()),
            "{line}"
        );
        assert_eq!(line["client_network"], "127.0.0.1", "{line}");
        let help = line["help"].as_str().unwrap();
        assert_eq!(help.contains("trusted_proxies"), limit.ends_with("_per_address"), "{help}");
        edge.stop();
    }
}

#[tokio::test]
async fn a_flood_of_connections_over_a_limit_has_few_lines() {
    let upstream = Upstream::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()).limits("connections_per_address = 1"));
    let client = Client::with(&edge, &client);
    let mut kept = client.connect().await;
    assert_eq!(kept.token("billing").await.status, 200);
    let refused = async |count: usize| {
        for _ in 0..count {
            // The edge closes it: the end, or a reset.
            let _ = client.tcp().await.unwrap().read_to_end(&mut Vec::new()).await;
        }
    };
    let begin = std::time::Instant::now();
    refused(100).await;
    // The next line has the number of the others.
    admin::happens(async || {
        refused(1).await;
        lines(&edge, REACHED).len() > 1
    })
    .await;
    let all = lines(&edge, REACHED);
    let seconds = usize::try_from(begin.elapsed().as_secs()).unwrap();
    assert!(all.len() <= 2 + seconds, "{all:#?}");
    let counted: u64 = all.iter().map(|line| 1 + line["others"].as_u64().unwrap()).sum();
    assert!(counted > 100, "{all:#?}");
}

#[tokio::test]
async fn garbage_does_not_fill_the_log() {
    let upstream = Upstream::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()));
    let client = Client::with(&edge, &client);
    let begin = std::time::Instant::now();
    for _ in 0..600 {
        let mut stream = client.tcp().await.unwrap();
        stream.write_all(&[22, 3, 1, 0, 4, 99, 0, 0, 0]).await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
    let failed = "mtls_edge_handshakes_failed_total";
    admin::happens(async || admin::metric(&edge, failed).await == 600).await;
    // All are counted within a second.
    let others = |line: &Value| line["others"].as_u64().unwrap_or(0);
    let counted = || {
        let own: u64 = lines(&edge, "handshake failed").iter().map(|line| 1 + others(line)).sum();
        own + lines(&edge, "more handshakes failed").iter().map(others).sum::<u64>()
    };
    admin::happens(async || counted() == 600).await;
    let all = lines(&edge, "handshake failed");
    assert!(all.len() as u64 <= 101 + begin.elapsed().as_secs(), "{} lines", all.len());
    // Others are not hidden.
    let other = client.clone().from("127.0.0.5").server_name("other.example");
    assert!(other.tls().await.is_err());
    edge.wait_for_log("\"client_ip\":\"127.0.0.5\"");
    assert!(all[0].get("others").is_none(), "{}", all[0]);
}

#[tokio::test]
async fn a_flood_of_frames_is_logged() {
    let upstream = Upstream::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()));
    let client = Client::with(&edge, &client);
    let mut frames = Frames::connect(&client, &[]).await;
    frames.send_many((PING, 0, 0, &[0; 8]), 1050).await.unwrap();
    frames.until_closed().await;
    let line = edge.wait_for_log("connection closed: a flood of HTTP/2 frames");
    assert!(line.contains("\"WARN\"") && line.contains("\"client_ip\":\"127.0.0.1\""), "{line}");
    assert!(line.contains("a flood of HTTP/2 frames that carry nothing"), "{line}");
}

#[tokio::test]
async fn a_denied_address_is_logged() {
    let upstream = Upstream::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()).listen("deny = [\"127.0.0.7\"]"));
    let client = Client::with(&edge, &client).from("127.0.0.7");
    assert!(client.tls().await.is_err());
    let line = edge.wait_for_log("[listen] does not allow its address");
    assert!(line.contains("\"INFO\"") && line.contains("\"client_ip\":\"127.0.0.7\""), "{line}");
}

#[tokio::test]
async fn a_proxy_header_without_need_and_its_absence_are_named() {
    let upstream = Upstream::start().await;
    let balanced = "trusted_proxies = [\"127.0.0.1\"]\nproxy_protocol = true";
    let version1 = &b"PROXY TCP4 192.0.2.1 192.0.2.2 5000 443\r\n"[..];
    let version2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x13\x88\x01\xbb";
    let advice = "if it is your load balancer, set proxy_protocol and trusted_proxies of [listen]";
    for (listen, header, expected) in [
        ("", version1, advice),
        ("", version2, advice),
        (balanced, b"", "let the load balancer send it, or unset proxy_protocol of [listen]"),
    ] {
        let (edge, client) = with_client(EdgeBuilder::new(upstream.url()).listen(listen));
        assert!(Client::with(&edge, &client).prelude(header).tls().await.is_err());
        let line = edge.wait_for_log("handshake failed");
        assert!(line.contains(expected) && line.contains("\"WARN\""), "{line}");
        let reason = "mtls_edge_handshake_failures_total{reason=\"proxy_header\"}";
        assert_eq!(admin::metric(&edge, reason).await, 1);
        edge.stop();
    }
}
