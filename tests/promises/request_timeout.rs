//! `request_timeout`: a request that takes too long is answered, or its response is broken off, and the upstream connection is free.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::support::{
    Client, Connection, Credentials, DOMAIN, Edge, EdgeBuilder, Held, PATIENCE, admin,
    frames::{CANCEL, DATA, Frames, RESET, WINDOW_UPDATE},
    scripted::{Scripted, read_request},
    self_signed,
};

const SHORT: &str = "request_timeout = \"400ms\"";
const ROUTES: &str = "client_auth = \"optional\"
[[domain.route]]
[[domain.route]]
path = \"/any/*\"
methods = [\"GET\", \"POST\"]
authenticate = \"none\"
[[domain.route]]
path = \"/events\"
methods = [\"GET\"]
authenticate = \"none\"
request_timeout = \"0s\"
[[domain.route]]
path = \"/quick\"
methods = [\"GET\"]
authenticate = \"none\"
request_timeout = \"100ms\"";

fn start(url: String, limits: &str) -> (Edge, Credentials) {
    let client = self_signed("billing");
    let edge = EdgeBuilder::new(url)
        .limits(limits)
        .domain(DOMAIN, ROUTES)
        .self_signed_application("billing", &[client.thumbprint()])
        .start();
    (edge, client)
}

/// An upstream that sends a part of a response every 10 ms, without end. The response to a token request is short.
async fn endless() -> Scripted {
    Scripted::start(move |_, mut stream| async move {
        while let Some(request) = read_request(&mut stream).await {
            if request.starts_with("POST") {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
                continue;
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n").await;
            while stream.write_all(&[b'x'; 100]).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    })
    .await
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: {DOMAIN}\r\n\r\n")
}

async fn upstream_connections(edge: &Edge) -> i64 {
    admin::metric(edge, "mtls_edge_upstream_connections").await
}

async fn broken_off(edge: &Edge) -> i64 {
    admin::metric(edge, "mtls_edge_responses_timed_out_total").await
}

/// Reads what there is until the end of the connection, and returns for how long.
async fn read_steadily(stream: &mut (impl AsyncReadExt + Unpin)) -> Duration {
    let begin = Instant::now();
    let mut buffer = [0; 4096];
    let ended = async { while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {} };
    timeout(PATIENCE, ended).await.expect("the connection stays open");
    begin.elapsed()
}

#[tokio::test]
async fn a_steady_reader_of_http1_is_disconnected() {
    let upstream = endless().await;
    let (edge, client) = start(upstream.url(), SHORT);
    let client = Client::with(&edge, &client);
    let mut events = client.tls().await.unwrap();
    events.write_all(get("/events").as_bytes()).await.unwrap();
    let mut stream = client.tls().await.unwrap();
    stream.write_all(get("/any/long").as_bytes()).await.unwrap();
    let time = read_steadily(&mut stream).await;
    assert!((350..2000).contains(&time.as_millis()), "{time:?}");
    // The one for which the route has no limit continues.
    admin::happens(async || upstream_connections(&edge).await == 1).await;
    let is_open = timeout(Duration::from_millis(100), read_steadily(&mut events)).await.is_err();
    assert!(is_open);
    assert_eq!(broken_off(&edge).await, 1);
    edge.wait_for_logs("\"aborted\":\"request_timeout\"", 1);
    let reason = "mtls_edge_connections_closed_total{reason=\"request_timeout\"}";
    assert_eq!(admin::metric(&edge, reason).await, 1);
}

#[tokio::test]
async fn streams_that_take_too_long_are_reset_alone() {
    const INITIAL_WINDOW_SIZE: u16 = 4;
    let upstream = endless().await;
    let (edge, client) = start(upstream.url(), SHORT);
    // Streams with a window read steadily, the others read nothing.
    let mut frames = Frames::connect(&Client::with(&edge, &client), &[(INITIAL_WINDOW_SIZE, 0)]).await;
    let begin = Instant::now();
    let mut left = std::collections::BTreeSet::new();
    for number in 0..4 {
        let stream = frames.get("/any/long").await.unwrap();
        left.insert(stream);
        if number % 2 == 0 {
            frames.send(WINDOW_UPDATE, 0, stream, &100_000_u32.to_be_bytes()).await.unwrap();
        }
    }
    let events = frames.get("/events").await.unwrap();
    frames.send(WINDOW_UPDATE, 0, events, &100_000_u32.to_be_bytes()).await.unwrap();
    while !left.is_empty() {
        let frame = frames.read().await.expect("the connection is closed");
        if frame.kind == RESET {
            assert_eq!(frame.payload, CANCEL.to_be_bytes());
            assert!(left.remove(&frame.stream), "{frame:?}");
        }
    }
    let time = begin.elapsed();
    assert!((400..2000).contains(&time.as_millis()), "{time:?}");
    assert_eq!(broken_off(&edge).await, 4);
    edge.wait_for_logs("\"aborted\":\"request_timeout\"", 4);
    // The one for which the route has no limit continues, and so does the connection.
    admin::happens(async || upstream_connections(&edge).await == 1).await;
    let token = frames.token("billing").await.unwrap();
    frames.until_answered(token).await;
    while frames.read().await.expect("the connection is closed").stream != events {}
}

#[tokio::test]
async fn a_request_without_a_response_gets_504() {
    let mut held = Held::start().await;
    let (edge, client) = start(held.url(), SHORT);
    for client in [Client::with(&edge, &client), Client::with(&edge, &client).http2()] {
        let mut connection = client.connect().await;
        let answer = connection.token("billing").await;
        held.arrived().await;
        let description = answer.oauth_error(504, "temporarily_unavailable");
        assert_eq!(description, "the request took too long: the authorization server has not responded yet");
        let log = edge.log_of(&answer);
        assert_eq!((&log["code"], &log["client_id"]), (&"request_timeout".into(), &"billing".into()));
        let in_flight = "mtls_edge_upstream_requests_in_flight{upstream=\"as\"}";
        // It waits for a response for a second, so that its connection can be used again.
        held.release(1);
        admin::happens(async || admin::metric(&edge, in_flight).await == 0).await;
        // The client's connection can be used again, too.
        held.release(1);
        assert_eq!(connection.token("billing").await.status, 200);
        held.arrived().await;
    }
    admin::assert_counted(&edge, "request_timeout").await;
    assert_eq!(broken_off(&edge).await, 0);
}

#[tokio::test]
async fn a_request_without_its_whole_body_gets_408() {
    let upstream = endless().await;
    let (edge, client) = start(upstream.url(), SHORT);
    let form = "application/x-www-form-urlencoded";
    // Buffered, and streamed to the upstream.
    for path in ["/oauth/token", "/any/body"] {
        let mut stream = Client::with(&edge, &client).tls().await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {DOMAIN}\r\ncontent-type: {form}\r\ncontent-length: 1000\r\n\r\nclient_id=billing&x="
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, async {
            // A byte at a time, steadily.
            loop {
                tokio::select! {
                    read = stream.read_to_string(&mut answer) => break drop(read),
                    () = tokio::time::sleep(Duration::from_millis(50)) => {
                        let _ = stream.write_all(b"y").await;
                        let _ = stream.flush().await;
                    }
                }
            }
        })
        .await
        .expect("the connection stays open");
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.contains("its body has not arrived completely"), "{answer}");
    }
    let mut frames = Frames::connect(&Client::with(&edge, &client), &[]).await;
    let stream = frames.head("POST", "/oauth/token").await.unwrap();
    frames.send(DATA, 0, stream, b"client_id=billing&x=").await.unwrap();
    frames.until_answered(stream).await;
    edge.wait_for_logs("\"code\":\"request_timeout\"", 3);
    // Only the stream is over.
    let token = frames.token("billing").await.unwrap();
    frames.until_answered(token).await;
    admin::happens(async || upstream_connections(&edge).await <= 1).await;
}

#[tokio::test]
async fn the_time_begins_with_the_first_byte_of_the_head() {
    let held = Held::start().await;
    let (edge, client) = start(held.url(), "request_timeout = \"800ms\"");
    let mut stream = Client::with(&edge, &client).tls().await.unwrap();
    let begin = Instant::now();
    let request = get("/any/head");
    let (first, last) = request.split_at(10);
    stream.write_all(first.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    stream.write_all(last.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 504");
    // Without the half second before the end of the head, it would be longer.
    assert!((800..1300).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_route_may_have_its_own_request_timeout() {
    let upstream = endless().await;
    let (edge, client) = start(upstream.url(), "request_timeout = \"10s\"");
    let mut stream = Client::with(&edge, &client).tls().await.unwrap();
    stream.write_all(get("/quick").as_bytes()).await.unwrap();
    let time = read_steadily(&mut stream).await;
    assert!(time < Duration::from_secs(5), "{time:?}");
}

#[tokio::test]
async fn each_request_of_a_connection_has_its_own_time() {
    let mut held = Held::start().await;
    let (edge, client) = start(held.url(), "request_timeout = \"500ms\"");
    for client in [Client::with(&edge, &client), Client::with(&edge, &client).http2()] {
        let mut connection: Connection = client.connect().await;
        for _ in 0..3 {
            let answering = tokio::spawn(async move {
                let answer = connection.token("billing").await;
                (answer, connection)
            });
            held.arrived().await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            held.release(1);
            let (answer, back) = answering.await.unwrap();
            assert_eq!(answer.status, 200);
            connection = back;
        }
    }
}
