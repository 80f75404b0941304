//! An upstream that is down, fails or is slow: 502, 503 or 504, in JSON, without information about the systems behind
//! the edge. A request is retried only if no byte of it can have been processed.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use testkit::Refusing;
use tokio::{io::AsyncWriteExt, sync::Notify};

use crate::support::{
    Answer, Client, EdgeBuilder, Upstream, admin, edge_before,
    scripted::{OK, Scripted, keep_answering, read_request},
    with_client,
};

/// Asserts a response to an upstream's failure, which must not contain information about the upstream.
fn upstream_error(answer: &Answer, status: u16, code: &str) {
    let description = answer.oauth_error(status, code);
    assert!(description.contains("the authorization server"), "{description}");
    for detail in ["127.0.0.1", "localhost", "http", "os error", "hyper", "connection", "tcp"] {
        assert!(!description.to_ascii_lowercase().contains(detail), "{description}");
    }
}

/// Reads a request, writes these bytes, and closes.
async fn writing_and_closing(bytes: &'static [u8]) -> (Scripted, Arc<AtomicUsize>) {
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    let upstream = Scripted::start(move |_, mut stream| {
        let count = Arc::clone(&count);
        async move {
            if read_request(&mut stream).await.is_some() {
                count.fetch_add(1, Ordering::SeqCst);
                let _ = stream.write_all(bytes).await;
            }
        }
    })
    .await;
    (upstream, requests)
}

#[tokio::test]
async fn an_upstream_that_is_down_is_503() {
    let refusing = Refusing::bind();
    let (edge, client) = edge_before(refusing.url(), "");
    for client in [Client::with(&edge, &client), Client::with(&edge, &client).http2()] {
        let answer = client.token("billing").await;
        upstream_error(&answer, 503, "temporarily_unavailable");
        assert!(answer.headers.contains_key("retry-after"));
    }
    // The log has all details.
    edge.wait_for_log("Connection refused");
}

#[tokio::test]
async fn a_failed_origin_is_skipped() {
    let refusing = Refusing::bind();
    let upstream = Upstream::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(refusing.url()).also_upstream(upstream.url()));
    for number in 0..12 {
        let client = Client::with(&edge, &client);
        let client = if number % 2 == 0 { client } else { client.http2() };
        assert_eq!(client.token("billing").await.status, 200);
    }
    assert_eq!(upstream.seen().len(), 12);
    assert_eq!(admin::metric(&edge, "mtls_edge_upstream_retries_total{upstream=\"as\"}").await, 1);
}

#[tokio::test]
async fn an_upstream_that_always_closes_is_502() {
    let upstream = Scripted::start(|_, stream| async move { drop(stream) }).await;
    let (edge, client) = edge_before(upstream.url(), "");
    let answer = Client::with(&edge, &client).token("billing").await;
    upstream_error(&answer, 502, "server_error");
    assert!((1..=4).contains(&upstream.accepted()), "{}", upstream.accepted());
    admin::assert_counted(&edge, "upstream_failed").await;
}

#[tokio::test]
async fn an_incomplete_response_head_is_502() {
    let broken: [&'static [u8]; 10] = [
        // The end of these responses is ambiguous: a part could be read as another response.
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nname: a\r\n folded\r\ncontent-length: 2\r\n\r\nok",
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"\x16\x03\x01\x02\x00\x01garbage\x00\xff\xff",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    ];
    for bytes in broken {
        let (upstream, requests) = writing_and_closing(bytes).await;
        let (edge, client) = edge_before(upstream.url(), "");
        let mut connection = Client::with(&edge, &client).connect().await;
        upstream_error(&connection.token("billing").await, 502, "server_error");
        assert_eq!(requests.load(Ordering::SeqCst), 1, "{}", String::from_utf8_lossy(bytes));
        // The application's own connection stays open.
        upstream_error(&connection.token("billing").await, 502, "server_error");
    }
}

#[tokio::test]
async fn an_incomplete_body_is_never_a_success() {
    let broken: [&'static [u8]; 4] = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"access_token\":",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n\r\n",
    ];
    for bytes in broken {
        let (upstream, requests) = writing_and_closing(bytes).await;
        let (edge, client) = edge_before(upstream.url(), "");
        for client in [Client::with(&edge, &client), Client::with(&edge, &client).http2()] {
            let request = crate::support::client::token_request("billing");
            let answer = client.connect().await.try_send(request).await;
            assert!(answer.is_err(), "{answer:?}");
        }
        assert_eq!(requests.load(Ordering::SeqCst), 2);
        edge.wait_for_log("a response broke off");
    }
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_in_time_is_504() {
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    let upstream = Scripted::start(move |_, mut stream| {
        let count = Arc::clone(&count);
        async move {
            while read_request(&mut stream).await.is_some() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    })
    .await;
    let (edge, client) = edge_before(upstream.url(), "response_timeout = \"300ms\"");
    for client in [Client::with(&edge, &client), Client::with(&edge, &client).http2()] {
        upstream_error(&client.token("billing").await, 504, "temporarily_unavailable");
        // After a streamed body was sent, the wait is not longer than after a buffered one.
        let streamed = Request::post("/any/thing").header("content-length", "5");
        let answer = client.connect().await.send(streamed.body(Full::from("12345")).unwrap()).await;
        upstream_error(&answer, 504, "temporarily_unavailable");
        let empty = Request::get("/any/thing").body(Full::new(Bytes::new())).unwrap();
        upstream_error(&client.connect().await.send(empty).await, 504, "temporarily_unavailable");
    }
    assert_eq!(requests.load(Ordering::SeqCst), 6, "a slow response must not be retried");
    admin::assert_counted(&edge, "upstream_timeout").await;
}

#[tokio::test]
async fn a_stalled_response_is_aborted_in_time() {
    let upstream = Scripted::start(|_, mut stream| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello").await;
        std::future::pending::<()>().await;
    })
    .await;
    let (edge, client) = edge_before(upstream.url(), "response_timeout = \"300ms\"");
    for client in [Client::with(&edge, &client), Client::with(&edge, &client).http2()] {
        let request = crate::support::client::token_request("billing");
        assert!(client.connect().await.try_send(request).await.is_err());
    }
}

#[tokio::test]
async fn a_pooled_connection_that_was_closed_is_replaced() {
    let (closed, seen) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let (close, count) = (Arc::clone(&closed), Arc::clone(&seen));
    let upstream = Scripted::start(move |_, mut stream| {
        let (close, count) = (Arc::clone(&close), Arc::clone(&count));
        async move {
            read_request(&mut stream).await;
            count.fetch_add(1, Ordering::SeqCst);
            stream.write_all(OK).await.unwrap();
            // Not by a drop: a process that another test spawns holds the descriptor open until its `exec`.
            stream.shutdown().await.unwrap();
            close.notify_one();
        }
    })
    .await;
    let (edge, client) = edge_before(upstream.url(), "");
    let mut connection = Client::with(&edge, &client).connect().await;
    for number in 1..=10 {
        let answer = connection.token("billing").await;
        assert_eq!(answer.status, 200, "{number} {answer:?}");
        closed.notified().await;
        assert_eq!((upstream.accepted(), seen.load(Ordering::SeqCst)), (number, number));
    }
}

#[tokio::test]
async fn an_unanswered_request_is_not_retried() {
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    let upstream = Scripted::start(move |_, mut stream| {
        let count = Arc::clone(&count);
        async move {
            read_request(&mut stream).await;
            count.fetch_add(1, Ordering::SeqCst);
            stream.write_all(OK).await.unwrap();
            if read_request(&mut stream).await.is_some() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    })
    .await;
    let (edge, client) = edge_before(upstream.url(), "");
    let mut connection = Client::with(&edge, &client).connect().await;
    assert_eq!(connection.token("billing").await.status, 200);
    upstream_error(&connection.token("billing").await, 502, "server_error");
    assert_eq!((upstream.accepted(), requests.load(Ordering::SeqCst)), (1, 2));
}

#[tokio::test]
async fn connections_to_the_upstream_are_pooled() {
    let upstream = Scripted::start(|_, stream| keep_answering(stream, OK)).await;
    let (edge, client) = edge_before(upstream.url(), "");
    let mut kept = Client::with(&edge, &client).connect().await;
    for _ in 0..10 {
        assert_eq!(kept.token("billing").await.status, 200);
    }
    assert_eq!(upstream.accepted(), 1, "one connection of the application's is one worker's");
    for _ in 0..20 {
        assert_eq!(Client::with(&edge, &client).token("billing").await.status, 200);
    }
    assert!(upstream.accepted() <= 2, "{} connections of two workers", upstream.accepted());
}
