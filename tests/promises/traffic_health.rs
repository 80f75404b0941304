//! `/status` is not healthy while users suffer, though every part of the edge works.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{
    Ca, Client, DOMAIN, Edge, EdgeBuilder, Held, PATIENCE, Upstream, admin,
    scripted::{Scripted, read_head, read_request},
    with_client,
};

/// The problem with this code.
async fn problem(edge: &Edge, code: &str) -> Option<Value> {
    let status = admin::status(edge, "").await;
    // No balancer may take an edge away for it.
    assert_eq!(admin::get(edge, "/readyz").await.0, 200);
    let problems = status["health"]["problems"].as_array().unwrap();
    problems.iter().find(|problem| problem["code"] == code).cloned()
}

/// Asserts that there is a problem with this code, that it has a time, and what is said.
async fn assert_problem(edge: &Edge, code: &str, level: &str, what: &str) {
    let problem = problem(edge, code).await.unwrap_or_else(|| panic!("no problem {code}"));
    assert_eq!(problem["level"], level, "{problem}");
    assert!(problem["what"].as_str().unwrap().contains(what) && problem["at"].is_string(), "{problem}");
}

#[tokio::test]
async fn server_errors_of_an_upstream_are_a_problem() {
    let status = Arc::new(AtomicU16::new(500));
    let answer = Arc::clone(&status);
    let upstream = Upstream::answering(move |_| {
        Response::builder().status(answer.load(SeqCst)).body(Full::new(Bytes::new())).unwrap()
    })
    .await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()));
    let client = Client::with(&edge, &client);
    let mut connection = client.connect().await;
    for _ in 0..2 {
        assert_eq!(connection.token("billing").await.status, 500);
    }
    assert_eq!(problem(&edge, "server_errors").await, None);
    assert_eq!(connection.token("billing").await.status, 500);
    assert_problem(&edge, "server_errors", "degraded", "3 of 3 responses of the domain ").await;
    assert_problem(&edge, "server_errors", "degraded", "the upstream itself responds so").await;
    // What the edge refuses says nothing of the upstream, and dilutes nothing.
    for _ in 0..10 {
        assert_eq!(client.token("nobody").await.status, 401);
    }
    assert_problem(&edge, "server_errors", "degraded", "3 of 3 responses of the domain ").await;
    status.store(200, SeqCst);
    let start = Instant::now();
    // At most three until two samples: too few to dilute the errors.
    while problem(&edge, "server_errors").await.is_some() {
        assert_eq!(connection.token("billing").await.status, 200);
        assert!(start.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_secs(4)).await;
    }
    // Not because a minute is over.
    assert!(start.elapsed() < Duration::from_secs(30));
    edge.stop();
}

#[tokio::test]
async fn what_the_edge_refuses_by_5xx_is_no_problem() {
    let upstream = Upstream::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()));
    let client = Client::with(&edge, &client);
    for _ in 0..10 {
        let request = Request::post("/oauth/token").header("connection", "upgrade").header("upgrade", "x");
        let request = request.body(Full::default()).unwrap();
        assert_eq!(client.connect().await.send(request).await.status, 501);
    }
    assert_eq!(problem(&edge, "server_errors").await, None);
    edge.stop();
}

#[tokio::test]
async fn responses_that_break_off_are_a_problem() {
    let upstream = Scripted::start(|_, mut stream| async move {
        read_request(&mut stream).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nha").await.unwrap();
    })
    .await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()));
    let client = Client::with(&edge, &client);
    for _ in 0..3 {
        assert_eq!(problem(&edge, "responses_broken_off").await, None);
        let mut stream = client.tls().await.unwrap();
        let request = format!(
            "POST /oauth/token HTTP/1.1\r\nHost: {DOMAIN}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 17\r\n\r\nclient_id=billing"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
    let what = "3 of 3 responses of the last minute were broken off by their upstream";
    assert_problem(&edge, "responses_broken_off", "degraded", what).await;
    assert_eq!(admin::metric(&edge, "mtls_edge_responses_broken_off_total{cause=\"origin\"}").await, 3);
    let log = edge.stop();
    let broken = log.lines().find(|line| line.contains("a response broke off")).unwrap();
    let broken: Value = serde_json::from_str(broken).unwrap();
    let id = broken["request_id"].as_str().unwrap();
    let aborted = |line: &str| line.contains(id) && line.contains("\"aborted\":\"upstream\"");
    assert!(log.lines().any(aborted), "{log}");
}

#[tokio::test]
async fn clients_that_stall_degrade_nothing() {
    let upstream = Scripted::start(|_, mut stream| async move {
        // It does not wait for the rest of the request.
        read_head(&mut stream).await;
        stream.read_exact(&mut [0; 4]).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nha").await.unwrap();
    })
    .await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()));
    let client = Client::with(&edge, &client);
    for _ in 0..4 {
        let mut stream = client.tls().await.unwrap();
        let request = format!("POST /any/thing HTTP/1.1\r\nHost: {DOMAIN}\r\nContent-Length: 17\r\n\r\nhalf");
        stream.write_all(request.as_bytes()).await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
    let what =
        "4 of 4 responses of the last minute were broken off by their upstream, 4 of them perhaps since";
    assert_problem(&edge, "responses_broken_off", "warning", what).await;
    assert_eq!(admin::metric(&edge, "mtls_edge_responses_broken_off_total{cause=\"unclear\"}").await, 4);
    edge.stop();
}

#[tokio::test]
async fn clients_that_wait_no_longer_are_a_problem() {
    let mut held = Held::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(held.url()));
    let client = Client::with(&edge, &client);
    for _ in 0..3 {
        assert_eq!(problem(&edge, "requests_cancelled").await, None);
        let mut connection = client.connect().await;
        tokio::select! {
            answer = connection.token("billing") => panic!("{answer:?}"),
            () = held.arrived() => {}
        }
        drop(connection);
    }
    admin::happens(async || problem(&edge, "requests_cancelled").await.is_some()).await;
    assert_problem(&edge, "requests_cancelled", "warning", "3 of 3 requests of the last minute ended").await;
    assert_problem(&edge, "requests_cancelled", "warning", "; no upstream responded in that time; see").await;
    let answered = tokio::spawn(async move { client.token("billing").await });
    held.arrived().await;
    // Also to the cancelled requests.
    held.release(4);
    assert_eq!(answered.await.unwrap().status, 200);
    assert_problem(&edge, "requests_cancelled", "warning", "; the upstream \"as\" took ").await;
    edge.stop();
}

#[tokio::test]
async fn a_probe_of_a_stranger_is_no_failed_handshake() {
    let upstream = Upstream::start().await;
    let listen = "trusted_proxies = [\"192.0.2.1\"]\nproxy_protocol = true";
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()).listen(listen));
    let client = Client::with(&edge, &client);
    for _ in 0..5 {
        drop(client.tcp().await.unwrap());
    }
    admin::happens(async || admin::metric(&edge, "mtls_edge_probes_total").await == 5).await;
    assert_eq!(problem(&edge, "handshakes_failing").await, None);
    // One that sends something is refused.
    assert!(client.tls().await.is_err());
    let reason = "mtls_edge_handshake_failures_total{reason=\"proxy_header\"}";
    admin::happens(async || admin::metric(&edge, reason).await == 1).await;
    edge.stop();
}

#[tokio::test]
async fn server_errors_of_the_edge_are_a_problem() {
    // Nothing listens on the reserved port 1 of loopback.
    let (edge, client) = with_client(EdgeBuilder::new("http://127.0.0.1:1"));
    let mut connection = Client::with(&edge, &client).connect().await;
    for _ in 0..3 {
        assert_eq!(connection.token("billing").await.status, 503);
    }
    assert_problem(&edge, "server_errors", "degraded", "the edge itself responds so").await;
    let metric = "mtls_edge_problems{code=\"server_errors\",level=\"degraded\"}";
    assert_eq!(admin::metric(&edge, metric).await, 1);
    // The cause comes first.
    let first = admin::status(&edge, "").await["health"]["problems"][0].clone();
    assert_eq!(first["code"], "upstream_down");
    edge.stop();
}

#[tokio::test]
async fn a_balancer_without_the_expected_header_is_a_problem() {
    let upstream = Upstream::start().await;
    let listen = "trusted_proxies = [\"127.0.0.1\"]\nproxy_protocol = true";
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()).listen(listen));
    let client = Client::with(&edge, &client);
    for _ in 0..3 {
        assert_eq!(problem(&edge, "handshakes_failing").await, None);
        assert!(client.tls().await.is_err());
    }
    admin::happens(async || problem(&edge, "handshakes_failing").await.is_some()).await;
    assert_problem(
        &edge,
        "handshakes_failing",
        "degraded",
        "3 of 3 TLS handshakes of the last minute have failed, 3 by proxy_header: compare",
    )
    .await;
    let header = b"PROXY TCP4 192.0.2.1 192.0.2.2 5000 443\r\n";
    assert_eq!(client.prelude(header).token("billing").await.status, 200);
    assert_eq!(problem(&edge, "handshakes_failing").await, None);
    edge.stop();
}

#[tokio::test]
async fn failed_handshakes_are_a_problem_by_their_share() {
    let upstream = Upstream::start().await;
    let (edge, credentials) = with_client(EdgeBuilder::new(upstream.url()));
    let client = Client::with(&edge, &credentials);
    for _ in 0..10 {
        let mut garbage = client.tcp().await.unwrap();
        garbage.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let _ = garbage.read_to_end(&mut Vec::new()).await;
    }
    admin::happens(async || problem(&edge, "handshakes_failing").await.is_some()).await;
    assert_problem(&edge, "handshakes_failing", "warning", "10 of 10 TLS handshakes").await;
    // A few that succeed show nothing of those that fail.
    for _ in 0..2 {
        assert_eq!(client.token("billing").await.status, 200);
    }
    let what = "10 of 12 TLS handshakes of the last minute have failed, 10 by plain_http";
    assert_problem(&edge, "handshakes_failing", "warning", what).await;
    // Clients that do not trust the server certificate.
    let distrustful = (edge.https, Ca::new("Another CA").der());
    for _ in 0..11 {
        assert!(Client::with(&distrustful, &credentials).tls().await.is_err());
    }
    let alerts = "mtls_edge_handshake_failures_total{reason=\"alert\"}";
    admin::happens(async || admin::metric(&edge, alerts).await == 11).await;
    assert_problem(&edge, "handshakes_failing", "warning", "11 by alert: clients end a handshake ").await;
    // As many succeed, and one more.
    for _ in 0..20 {
        assert_eq!(client.token("billing").await.status, 200);
    }
    assert_eq!(problem(&edge, "handshakes_failing").await, None);
    edge.stop();
}

#[tokio::test]
async fn a_limit_that_closes_connections_is_a_problem() {
    let upstream = Upstream::start().await;
    let edge = EdgeBuilder::new(upstream.url()).limits("connections_per_address = 1");
    let (edge, client) = with_client(edge);
    let client = Client::with(&edge, &client);
    let mut kept = client.connect().await;
    assert_eq!(kept.token("billing").await.status, 200);
    for _ in 0..10 {
        assert_eq!(problem(&edge, "connections_refused").await, None);
        assert!(client.tls().await.is_err());
    }
    admin::happens(async || problem(&edge, "connections_refused").await.is_some()).await;
    let what = "10 connections of the last minute were closed on arrival, since a limit was reached: 10 by connections_per_address";
    assert_problem(&edge, "connections_refused", "warning", what).await;
    edge.stop();
}
