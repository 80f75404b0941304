//! An upstream that violates HTTP, by mistake or on purpose: its bytes are the response to one request or to none, and
//! cost the edge a bounded time.

mod http2;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use tokio::io::AsyncWriteExt;

use crate::support::{
    Client, edge_before,
    scripted::{OK, Scripted, keep_answering, read_request},
};

fn empty(method: Method) -> Request<Full<Bytes>> {
    Request::builder().method(method).uri("/any/thing").body(Full::new(Bytes::new())).unwrap()
}

#[tokio::test]
async fn an_ambiguously_framed_response_is_502() {
    let heads: [&'static [u8]; 8] = [
        b"HTTP/1.1 200 OK\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\nok",
        b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok",
        b"HTTP/1.1 103 Early Hints\nlink: </a>\n\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: 02\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2, 02\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: 010\r\n\r\n0123456789",
    ];
    for head in heads {
        let upstream = Scripted::start(move |_, stream| keep_answering(stream, head)).await;
        let (edge, client) = edge_before(upstream.url(), "");
        for client in [Client::with(&edge, &client), Client::with(&edge, &client).http2()] {
            let answer = client.token("billing").await;
            assert_eq!(answer.status, 502, "{}", String::from_utf8_lossy(head));
        }
        assert_eq!(upstream.accepted(), 2, "such a connection is not used again");
    }
}

#[tokio::test]
async fn a_control_in_a_chunk_extension_aborts_the_response() {
    let bodies: [&'static [u8]; 6] = [
        b"2;a=\0\r\nok\r\n0\r\n\r\n",
        b"2;a\nb\r\nok\r\n0\r\n\r\n",
        b"2;a=\"\x1b\"\r\nok\r\n0\r\n\r\n",
        b"2;\x7f\r\nok\r\n0\r\n\r\n",
        b"2\nok\r\n0\r\n\r\n",
        b"2\r\nok\r\n0;\x01\r\n\r\n",
    ];
    for body in bodies {
        let upstream = Scripted::start(move |_, mut stream| async move {
            let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            keep_answering_in_two(&mut stream, head, body).await;
        })
        .await;
        let (edge, client) = edge_before(upstream.url(), "");
        for client in [Client::with(&edge, &client), Client::with(&edge, &client).http2()] {
            let request = crate::support::client::token_request("billing");
            let answer = client.connect().await.try_send(request).await;
            assert!(answer.is_err(), "{:?}: {answer:?}", String::from_utf8_lossy(body));
        }
        assert_eq!(upstream.accepted(), 2);
    }
}

async fn keep_answering_in_two(stream: &mut tokio::net::TcpStream, head: &[u8], body: &[u8]) {
    while read_request(stream).await.is_some() {
        for part in [head, body] {
            if stream.write_all(part).await.is_err() {
                return;
            }
        }
    }
}

#[tokio::test]
async fn a_bodyless_response_with_a_length_is_not_reused() {
    let answers: [&'static [u8]; 4] = [
        b"HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n\r\n",
    ];
    for text in answers {
        let upstream = Scripted::start(move |_, stream| keep_answering(stream, text)).await;
        let (edge, client) = edge_before(upstream.url(), "");
        let mut connection = Client::with(&edge, &client).connect().await;
        for number in 1..=3 {
            let answer = connection.send(empty(Method::GET)).await;
            assert!(matches!(answer.status.as_u16(), 204 | 304) && answer.body.is_empty(), "{answer:?}");
            assert_eq!(upstream.accepted(), number, "{}", String::from_utf8_lossy(text));
        }
    }
}

#[tokio::test]
async fn a_body_in_response_to_head_is_discarded() {
    // With the head, as bytes that look like a response, or a moment later.
    let bodies: [&'static [u8]; 2] = [b"stray", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nstray"];
    for body in bodies {
        for framing in ["content-length: 5", "transfer-encoding: chunked", "x-none: 1"] {
            let upstream = Scripted::start(move |_, mut stream| async move {
                while let Some(request) = read_request(&mut stream).await {
                    let answer = if request.starts_with("HEAD ") {
                        [format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n").as_bytes(), body].concat()
                    } else {
                        OK.to_vec()
                    };
                    if stream.write_all(&answer).await.is_err() {
                        return;
                    }
                }
            })
            .await;
            let (edge, client) = edge_before(upstream.url(), "");
            for client in [Client::with(&edge, &client), Client::with(&edge, &client).http2()] {
                let mut connection = client.connect().await;
                for _ in 0..3 {
                    let head = connection.send(empty(Method::HEAD)).await;
                    assert_eq!((head.status.as_u16(), &head.body[..]), (200, &b""[..]));
                    let get = connection.send(empty(Method::GET)).await;
                    assert_eq!((get.status.as_u16(), &get.body[..]), (200, &b"ok"[..]));
                }
            }
        }
    }
}

#[tokio::test]
async fn endless_interim_responses_fail_in_bounded_time() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let upstream = Scripted::start(move |_, mut stream| {
        let count = Arc::clone(&count);
        async move {
            if read_request(&mut stream).await.is_some() {
                let burst = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(1000);
                while stream.write_all(&burst).await.is_ok() {
                    count.fetch_add(1000, Ordering::SeqCst);
                }
            }
        }
    })
    .await;
    let (edge, client) = edge_before(upstream.url(), "response_timeout = \"20s\"");
    for client in [Client::with(&edge, &client), Client::with(&edge, &client).http2()] {
        let answer = client.token("billing").await;
        // Long before the timeout, which a busy worker would not notice.
        assert_eq!(answer.status, 502, "{answer:?}");
    }
    edge.wait_for_log("more than 100 interim responses");
    assert_eq!(upstream.accepted(), 2);
}

#[tokio::test]
async fn slow_interim_responses_do_not_extend_the_timeout() {
    let upstream = Scripted::start(|_, mut stream| async move {
        if read_request(&mut stream).await.is_some() {
            while stream.write_all(b"HTTP/1.1 102 Processing\r\n\r\n").await.is_ok() {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    })
    .await;
    let (edge, client) = edge_before(upstream.url(), "response_timeout = \"300ms\"");
    for client in [Client::with(&edge, &client), Client::with(&edge, &client).http2()] {
        assert_eq!(client.token("billing").await.status, 504);
    }
}
