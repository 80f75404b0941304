//! The access log counts the bytes that went through, and names who ended a request early.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::support::{
    Client, Credentials, DOMAIN, Edge, EdgeBuilder, Held, PATIENCE, Upstream, admin,
    bodies::{chunked, filled},
    client::token_request,
    edge_before,
    frames::{CANCEL, DATA, Frames, RESET},
    scripted::{Scripted, read_request},
    with_client,
};

const CHUNKED: &[u8] =
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
const UNFINISHED: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n0123456789";

/// Clients over both protocols.
fn clients(edge: &Edge, credentials: &Credentials) -> [Client; 2] {
    let client = Client::with(edge, credentials);
    [client.clone(), client.http2()]
}

/// An upstream that answers with these bytes, and keeps the connection open or not.
async fn answering(bytes: &'static [u8], stays_open: bool) -> Scripted {
    Scripted::start(move |_, mut stream| async move {
        while read_request(&mut stream).await.is_some() {
            let _ = stream.write_all(bytes).await;
            if !stays_open {
                return;
            }
        }
    })
    .await
}

fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).body(Full::default()).unwrap()
}

/// The only line with this text.
fn line_with(edge: &Edge, text: &str) -> Value {
    serde_json::from_str(&edge.wait_for_log(text)).unwrap()
}

#[tokio::test]
async fn a_body_without_a_length_is_counted_as_received() {
    let upstream = Upstream::start().await;
    let (edge, client) = edge_before(upstream.url(), "");
    let body = filled("grant_type=client_credentials&client_id=billing&x=", 50);
    for client in clients(&edge, &client) {
        for (path, length) in [("/oauth/token", 50), ("/any/x", 50), ("/any/x", 100_000)] {
            let body = if length == 50 { body.clone() } else { filled("", length) };
            let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
            let request = request.body(chunked(&body, 7_000)).unwrap();
            let answer = client.connect().await.send(request).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(upstream.last().body.len(), length);
            let line = edge.log_of(&answer);
            assert_eq!((&line["bytes_in"], line.get("aborted")), (&length.into(), None), "{line}");
        }
        let answer = client.connect().await.send(get("/any/x")).await;
        assert_eq!(edge.log_of(&answer)["bytes_in"], 0);
    }
}

#[tokio::test]
async fn a_response_without_a_length_is_counted_as_sent() {
    let upstream = answering(CHUNKED, true).await;
    let (edge, client) = edge_before(upstream.url(), "");
    for client in clients(&edge, &client) {
        let mut connection = client.connect().await;
        let answer = connection.token("billing").await;
        assert_eq!(answer.body, "hello world");
        let line = edge.log_of(&answer);
        assert_eq!((&line["bytes_out"], line.get("aborted")), (&11.into(), None), "{line}");
        let refused = connection.send(get("/nowhere")).await;
        assert_eq!(edge.log_of(&refused)["bytes_out"], refused.body.len());
        let head = Request::head("/nowhere").body(Full::<Bytes>::default()).unwrap();
        let line = edge.log_of(&connection.send(head).await);
        assert_eq!((&line["bytes_out"], line.get("aborted")), (&0.into(), None), "{line}");
    }
}

#[tokio::test]
async fn a_response_that_the_upstream_breaks_off_says_so() {
    let upstream = answering(UNFINISHED, false).await;
    let (edge, client) = edge_before(upstream.url(), "");
    for (number, client) in clients(&edge, &client).into_iter().enumerate() {
        assert!(client.connect().await.try_send(token_request("billing")).await.is_err());
        edge.wait_for_logs("\"aborted\":\"upstream\"", number + 1);
        let log = edge.log();
        let line: Value =
            serde_json::from_str(log.lines().rfind(|line| line.contains("\"aborted\"")).unwrap()).unwrap();
        assert_eq!(
            (&line["status"], &line["bytes_out"], &line["level"]),
            (&200.into(), &10.into(), &"WARN".into())
        );
    }
}

#[tokio::test]
async fn a_response_that_the_client_breaks_off_says_so() {
    let upstream = answering(UNFINISHED, true).await;
    let (edge, client) = edge_before(upstream.url(), "");
    let [http1, http2] = clients(&edge, &client);
    let mut stream = http1.tls().await.unwrap();
    let request = format!("GET /any/http1 HTTP/1.1\r\nhost: {DOMAIN}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    while !read.ends_with(b"0123456789") {
        assert_ne!(timeout(PATIENCE, stream.read_buf(&mut read)).await.unwrap().unwrap(), 0);
    }
    drop(stream);
    let mut frames = Frames::connect(&http2, &[]).await;
    let number = frames.get("/any/http2").await.unwrap();
    assert_eq!(frames.until(DATA).await.payload, b"0123456789");
    frames.send(RESET, 0, number, &CANCEL.to_be_bytes()).await.unwrap();
    for path in ["/any/http1", "/any/http2"] {
        let line = line_with(&edge, &format!("\"path\":\"{path}\""));
        assert_eq!((&line["status"], &line["bytes_out"]), (&200.into(), &10.into()), "{line}");
        assert_eq!((&line["aborted"], &line["level"]), (&"client".into(), &"INFO".into()), "{line}");
    }
}

/// Sends requests that the edge breaks off when it does this: over both protocols, some with a response and some without.
async fn break_off(builder: EdgeBuilder, signal: &str) {
    let (edge, client) = with_client(builder);
    let [http1, http2] = clients(&edge, &client);
    let mut streams = Vec::new();
    for path in ["/any/begun", "/any/waiting"] {
        let mut stream = http1.tls().await.unwrap();
        let request = format!("GET {path}1 HTTP/1.1\r\nhost: {DOMAIN}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        if path == "/any/begun" {
            assert_ne!(timeout(PATIENCE, stream.read(&mut [0; 1000])).await.unwrap().unwrap(), 0);
        }
        streams.push(stream);
    }
    let mut frames = Frames::connect(&http2, &[]).await;
    frames.get("/any/waiting2").await.unwrap();
    frames.get("/any/begun2").await.unwrap();
    frames.until(DATA).await;
    let requests = async || admin::metric(&edge, "mtls_edge_requests_in_flight").await;
    admin::happens(async || requests().await == 2).await;
    edge.signal(signal);
    for (path, status) in [("begun", Some(200)), ("waiting", None)] {
        for number in 1..=2 {
            let line = line_with(&edge, &format!("\"path\":\"/any/{path}{number}\""));
            assert_eq!(line["aborted"], "drain_timeout", "{line}");
            assert_eq!(line.get("status"), status.map(Value::from).as_ref(), "{line}");
        }
    }
}

/// An edge that waits for requests to an upstream of which some responses never begin, and the others never end.
async fn edge_that_drains() -> (Scripted, EdgeBuilder) {
    let upstream = Scripted::start(|_, mut stream| async move {
        let Some(request) = read_request(&mut stream).await else { return };
        if request.contains("/begun") {
            let _ = stream.write_all(UNFINISHED).await;
        }
        std::future::pending::<()>().await;
    })
    .await;
    let edge = EdgeBuilder::new(upstream.url()).limits("drain_timeout = \"300ms\"");
    (upstream, edge)
}

#[tokio::test]
async fn requests_that_a_stop_breaks_off_say_so() {
    let (_upstream, edge) = edge_that_drains().await;
    break_off(edge, "TERM").await;
}

#[tokio::test]
async fn requests_that_a_takeover_breaks_off_say_so() {
    let (_upstream, edge) = edge_that_drains().await;
    break_off(edge.installed(), "USR2").await;
}

#[tokio::test]
async fn a_request_that_is_cancelled_before_its_response_is_logged() {
    let mut upstream = Held::start().await;
    let (edge, client) = edge_before(upstream.url(), "");
    let [http1, http2] = clients(&edge, &client);
    let mut stream = http1.tls().await.unwrap();
    let request = format!("GET /any/http1 HTTP/1.1\r\nhost: {DOMAIN}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    upstream.arrived().await;
    drop(stream);
    let mut frames = Frames::connect(&http2, &[]).await;
    let number = frames.get("/any/http2").await.unwrap();
    upstream.arrived().await;
    frames.send(RESET, 0, number, &CANCEL.to_be_bytes()).await.unwrap();
    for path in ["/any/http1", "/any/http2"] {
        let line = line_with(&edge, &format!("\"path\":\"{path}\""));
        assert_eq!((&line["aborted"], line.get("status")), (&"client".into(), None), "{line}");
        assert_eq!((&line["route"], &line["upstream"]), (&"/any/*".into(), &"as".into()), "{line}");
        assert!(line["microseconds"].as_u64() >= line["upstream_microseconds"].as_u64(), "{line}");
    }
    assert_eq!(admin::metric(&edge, "mtls_edge_requests_total{outcome=\"cancelled\"}").await, 2);
    assert_eq!(admin::metric(&edge, "mtls_edge_requests_in_flight").await, 0);
}
