//! Unusual requests of real clients that are unambiguous, and accepted.

use std::time::Duration;

use http::Request;
use http_body_util::Full;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Client, DOMAIN, EdgeBuilder, PATIENCE, Upstream, with_client};

#[tokio::test]
async fn charsets_that_contain_ascii_are_accepted() {
    let upstream = Upstream::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()));
    let mut connection = Client::with(&edge, &client).connect().await;
    for (charset, status) in [
        ("ISO-8859-1", 200),
        ("us-ascii", 200),
        ("utf8", 200),
        ("windows-1252", 200),
        ("\"iso-8859-15\"", 200),
        ("utf-16", 400),
        ("utf-7", 400),
        ("IBM037", 400),
        ("x-none", 400),
    ] {
        let content_type = format!("application/x-www-form-urlencoded; charset={charset}");
        let request = Request::post("/oauth/token").header("content-type", content_type);
        let request = request.body(Full::from("client_id=billing&grant_type=client_credentials")).unwrap();
        assert_eq!(connection.send(request).await.status, status, "{charset}");
    }
    let request = Request::post("/oauth/token")
        .header("content-type", "application/x-www-form-urlencoded; charset=ISO-8859-1")
        .body(Full::from(&b"client_id=billing&x=\xe9"[..]))
        .unwrap();
    let description = connection.send(request).await.oauth_error(400, "invalid_request");
    assert!(description.contains("charset=utf-8"), "{description}");
}

#[tokio::test]
async fn an_empty_line_after_a_body_does_not_start_a_head() {
    let upstream = Upstream::start().await;
    let limits = "head_timeout = \"300ms\"\nidle_timeout = \"60s\"";
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()).limits(limits));
    for lines in ["\r\n", "\r\n\r\n", "\n"] {
        let mut stream = Client::with(&edge, &client).tls().await.unwrap();
        let body = "client_id=billing";
        let request = format!(
            "POST /oauth/token HTTP/1.1\r\nHost: {DOMAIN}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{body}{lines}",
            body.len()
        );
        for round in 0..3 {
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            let mut part = [0; 4096];
            while !String::from_utf8_lossy(&answer).contains("\r\n\r\n") {
                let read = tokio::time::timeout(PATIENCE, stream.read(&mut part)).await.unwrap().unwrap();
                assert!(read > 0, "closed in round {round} with {lines:?}");
                answer.extend_from_slice(&part[..read]);
            }
            assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
            // Longer than the head timeout, and longer than until the connection is parked.
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
    }
}

#[tokio::test]
async fn empty_lines_do_not_keep_a_connection() {
    let upstream = Upstream::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()).limits("idle_timeout = \"1s\""));
    let mut stream = Client::with(&edge, &client).tls().await.unwrap();
    let ended = async {
        let mut byte = [0; 1];
        loop {
            tokio::select! {
                read = stream.read(&mut byte) => return read,
                () = tokio::time::sleep(Duration::from_millis(50)) => {}
            }
            stream.write_all(b"\r\n").await?;
        }
    };
    let ended = tokio::time::timeout(PATIENCE, ended).await.expect("it is never closed");
    assert!(!matches!(ended, Ok(1..)), "{ended:?}");
}
