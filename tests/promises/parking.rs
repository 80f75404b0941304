//! An idle HTTP/1.1 connection is parked, without the client noticing.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::support::{Client, DOMAIN, EdgeBuilder, PATIENCE, Upstream, admin, with_client};

const PARKED: &str = "connection parked";

#[tokio::test]
async fn a_parked_connection_serves_again_and_again() {
    let upstream = Upstream::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()));
    let mut connection = Client::with(&edge, &client).connect().await;
    for times in 1..=3 {
        assert_eq!(connection.token("billing").await.status, 200);
        edge.wait_for_logs(PARKED, times);
    }
    assert_eq!(connection.token("billing").await.status, 200);
    assert_eq!(admin::metric(&edge, "mtls_edge_handshakes_total").await, 1);
}

#[tokio::test]
async fn early_bytes_of_the_next_request_are_not_lost() {
    let upstream = Upstream::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()));
    let mut stream = Client::with(&edge, &client).tls().await.unwrap();
    let request = format!("GET /any/a HTTP/1.1\r\nhost: {DOMAIN}\r\n\r\n");
    for split in [1, 9, request.len() - 1] {
        let (before, after) = request.split_at(split);
        stream.write_all(format!("{request}{before}").as_bytes()).await.unwrap();
        read_answer(&mut stream).await;
        // Longer than until an idle connection is parked.
        tokio::time::sleep(Duration::from_millis(400)).await;
        stream.write_all(after.as_bytes()).await.unwrap();
        read_answer(&mut stream).await;
    }
    assert_eq!(upstream.seen().len(), 6);
}

#[tokio::test]
async fn unread_body_of_a_refused_request_is_not_a_request() {
    let upstream = Upstream::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()));
    let mut stream = Client::with(&edge, &client).tls().await.unwrap();
    let refused = format!("POST /nowhere HTTP/1.1\r\nhost: {DOMAIN}\r\ncontent-length: 10000\r\n\r\n");
    stream.write_all(refused.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("no end").unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 404"), "{}", String::from_utf8_lossy(&answer));
    // Longer than until an idle connection is parked, and shorter than the edge discards received bytes.
    tokio::time::sleep(Duration::from_millis(400)).await;
    let body = format!("GET /any/a HTTP/1.1\r\nhost: {DOMAIN}\r\n\r\n");
    stream.write_all(body.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(upstream.seen().len(), 0);
}

/// Reads one short response.
async fn read_answer(stream: &mut (impl tokio::io::AsyncRead + Unpin)) {
    let mut answer = Vec::new();
    let whole = async {
        while !answer.ends_with(b"}") {
            let mut more = [0; 1024];
            let count = stream.read(&mut more).await.unwrap();
            assert!(count > 0, "closed after {:?}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&more[..count]);
        }
    };
    timeout(PATIENCE, whole).await.expect("no whole answer");
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn a_parked_connection_closes_at_idle_timeout_and_drain() {
    let upstream = Upstream::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()).limits("idle_timeout = \"700ms\""));
    let mut connection = Client::with(&edge, &client).connect().await;
    assert_eq!(connection.token("billing").await.status, 200);
    edge.wait_for_log(PARKED);
    connection.closed().await;

    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()));
    let mut connection = Client::with(&edge, &client).connect().await;
    assert_eq!(connection.token("billing").await.status, 200);
    edge.wait_for_log(PARKED);
    let log = edge.stop();
    assert!(log.contains("\"drained\""), "{log}");
    connection.closed().await;
}

#[tokio::test]
async fn a_client_without_a_request_gets_its_ticket() {
    let upstream = Upstream::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()));
    let mut stream = Client::with(&edge, &client).tls().await.unwrap();
    let ticket = async {
        while stream.get_ref().1.tls13_tickets_received() == 0 {
            // The ticket is the only thing to read.
            let _ = timeout(Duration::from_millis(20), stream.read(&mut [0; 1])).await;
        }
    };
    timeout(PATIENCE, ticket).await.expect("no ticket");
}

#[tokio::test]
async fn close_notify_is_answered_by_close_notify_and_fin() {
    let upstream = Upstream::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()));
    let mut stream = Client::with(&edge, &client).tls().await.unwrap();
    stream.write_all(format!("GET /any/a HTTP/1.1\r\nhost: {DOMAIN}\r\n\r\n").as_bytes()).await.unwrap();
    read_answer(&mut stream).await;
    // Its socket stays open.
    stream.get_mut().1.send_close_notify();
    stream.flush().await.unwrap();
    let mut rest = Vec::new();
    // Without the edge's close_notify, rustls would report an error here.
    timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("no close_notify").unwrap();
    assert_eq!(rest, b"");
    let end = timeout(PATIENCE, stream.get_mut().0.read(&mut [0; 1])).await.expect("no end");
    assert_eq!(end.unwrap(), 0);
}
