//! Responses reach the application completely, except for hop-by-hop headers.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{
    Client, DOMAIN, EdgeBuilder, Upstream,
    bodies::chunked,
    client::token_request,
    edge_before,
    scripted::{OK, Scripted, keep_answering, read_head, read_request},
    with_client,
};

fn empty(method: Method) -> Request<Full<Bytes>> {
    Request::builder().method(method).uri("/any/thing?a=b").body(Full::new(Bytes::new())).unwrap()
}

#[tokio::test]
async fn the_upstream_gets_its_configured_host() {
    let upstream = Upstream::start().await;
    let (edge, client) = edge_before(upstream.url(), "host = \"tenant.edge.example\"");
    assert_eq!(Client::with(&edge, &client).http2().token("billing").await.status, 200);
    let seen = upstream.last();
    assert_eq!(seen.header("host"), "tenant.edge.example");
    assert_eq!(seen.header("x-forwarded-host"), DOMAIN);
    assert_eq!(seen.uri, "/oauth/token");

    let (edge, client) = edge_before(upstream.url(), "");
    assert_eq!(Client::with(&edge, &client).token("billing").await.status, 200);
    assert_eq!(upstream.last().header("host"), DOMAIN);
}

#[tokio::test]
async fn hop_by_hop_response_headers_are_removed() {
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nconnection: x-hop, keep-alive\r\nConnection: X-Other-Hop\r\nx-hop: 1\r\nx-other-hop: 2\r\n\
        keep-alive: timeout=5\r\nproxy-authenticate: Basic\r\nproxy-connection: keep-alive\r\nte: trailers\r\ntrailer: x-late\r\nupgrade: h2c\r\n\
        x-stays: 3\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 2\r\n\r\nok";
    let upstream = Scripted::start(|_, stream| keep_answering(stream, ANSWER)).await;
    let (edge, client) = edge_before(upstream.url(), "");
    for client in [Client::with(&edge, &client), Client::with(&edge, &client).http2()] {
        let answer = client.token("billing").await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"ok"[..]));
        for name in [
            "connection",
            "x-hop",
            "x-other-hop",
            "keep-alive",
            "proxy-authenticate",
            "proxy-connection",
            "te",
            "trailer",
            "upgrade",
            "transfer-encoding",
        ] {
            assert!(!answer.headers.contains_key(name), "{name}: {answer:?}");
        }
        assert_eq!(answer.headers["x-stays"], "3");
        assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 2);
        assert!(answer.headers.contains_key("x-request-id"));
    }
    assert!(upstream.accepted() <= 2, "such a connection is not pooled");
}

#[tokio::test]
async fn bodyless_responses_leave_both_connections_usable() {
    let upstream = Scripted::start(|_, mut stream| async move {
        while let Some(request) = read_request(&mut stream).await {
            let answer: &[u8] = match request.split_once(' ').unwrap().0 {
                "HEAD" => b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\netag: \"x\"\r\n\r\n",
                "GET" => b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\netag: \"x\"\r\n\r\n",
                // An early hint is dropped: the final response is forwarded.
                _ => b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\netag: \"x\"\r\n\r\n",
            };
            if stream.write_all(answer).await.is_err() {
                return;
            }
        }
    })
    .await;
    let (edge, client) = edge_before(upstream.url(), "");
    for client in [Client::with(&edge, &client), Client::with(&edge, &client).http2()] {
        let mut connection = client.connect().await;
        for _ in 0..2 {
            for (method, status) in [(Method::HEAD, 200), (Method::GET, 304), (Method::POST, 204)] {
                let answer = connection.send(empty(method)).await;
                assert_eq!(answer.status, status);
                assert_eq!(answer.headers["etag"], "\"x\"");
                assert!(answer.body.is_empty());
                if status == 200 {
                    // Of HEAD: the length that a GET would have.
                    assert_eq!(answer.headers["content-length"], "5");
                }
            }
        }
    }
    assert!(upstream.accepted() <= 2, "{}", upstream.accepted());
}

#[tokio::test]
async fn a_response_with_trailers_is_whole() {
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-late\r\n\r\n5\r\nhello\r\n0\r\nx-late: yes\r\n\r\n";
    let upstream = Scripted::start(|_, stream| keep_answering(stream, ANSWER)).await;
    let (edge, client) = edge_before(upstream.url(), "");
    // Over HTTP/1.1 trailers may be dropped (RFC 9110 section 6.5.1), the body not.
    let mut connection = Client::with(&edge, &client).connect().await;
    for _ in 0..2 {
        assert_eq!(connection.token("billing").await.body, "hello");
    }
    let stream = Client::with(&edge, &client).http2().tls().await.unwrap();
    let (mut sender, driver) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let driver = tokio::spawn(driver);
    let mut request = token_request("billing");
    *request.uri_mut() = format!("https://{DOMAIN}/oauth/token").parse().unwrap();
    let body = sender.send_request(request).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["x-late"], "yes");
    assert_eq!(body.to_bytes(), "hello");
    driver.abort();
    assert!(upstream.accepted() <= 2, "{}", upstream.accepted());
}

#[tokio::test]
async fn a_large_body_streams_whole_both_ways() {
    let upstream = Upstream::answering(|seen| {
        http::Response::new(Full::from([b"echo:".as_slice(), &seen.body].concat()))
    })
    .await;
    let (edge, client) = edge_before(upstream.url(), "");
    let large: Vec<u8> = (0..900_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    for client in [Client::with(&edge, &client), Client::with(&edge, &client).http2()] {
        let request = Request::post("/any/thing").body(Full::from(large.clone())).unwrap();
        let answer = client.connect().await.send(request).await;
        assert_eq!(answer.status, 200);
        assert!(answer.body.starts_with(b"echo:") && answer.body[5..] == large);
    }
}

#[tokio::test]
async fn a_response_is_whole_however_it_comes() {
    let upstream = Scripted::start(|_, mut stream| async move {
        let answers: [&[u8]; 2] = [
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nx-one: 1\r\ncontent-length: 5\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nx-one: 1\r\ntransfer-encoding: chunked\r\n\r\n2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        ];
        for answer in answers.into_iter().cycle() {
            if read_request(&mut stream).await.is_none() {
                return;
            }
            for byte in answer {
                stream.write_all(&[*byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
    let (edge, client) = edge_before(upstream.url(), "");
    for client in [Client::with(&edge, &client), Client::with(&edge, &client).http2()] {
        let mut connection = client.connect().await;
        for _ in 0..4 {
            let answer = connection.token("billing").await;
            assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"hello"[..]));
            assert_eq!(answer.headers["x-one"], "1");
        }
    }
    assert!(upstream.accepted() <= 2, "{}", upstream.accepted());
}

#[tokio::test]
async fn an_unsolicited_response_is_discarded() {
    // It arrives with the requested response, or after it.
    for is_behind in [false, true] {
        let upstream = Scripted::start(move |_, mut stream| async move {
            let stray = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nstray";
            while read_request(&mut stream).await.is_some() {
                let answer = [OK, if is_behind { &[] } else { stray }].concat();
                if stream.write_all(&answer).await.is_err() {
                    return;
                }
                if is_behind {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    let _ = stream.write_all(stray).await;
                }
            }
        })
        .await;
        let (edge, client) = edge_before(upstream.url(), "");
        let mut connection = Client::with(&edge, &client).connect().await;
        for _ in 0..4 {
            let answer = connection.token("billing").await;
            assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"ok"[..]));
            // Wait until the unsolicited response has arrived, which closes the connection.
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
        assert_eq!(upstream.accepted(), 4);
    }
}

#[tokio::test]
async fn a_body_of_unknown_length_is_streamed() {
    let upstream = Upstream::start().await;
    let (edge, client) = edge_before(upstream.url(), "");
    let body: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    for client in [Client::with(&edge, &client), Client::with(&edge, &client).http2()] {
        let mut connection = client.connect().await;
        for size in [1_000, 70_000] {
            let request = Request::post("/any/thing").body(chunked(&body, size)).unwrap();
            assert_eq!(connection.send(request).await.status, 200);
            let seen = upstream.last();
            assert!(seen.body == body, "the body was changed");
            assert_eq!(seen.header("transfer-encoding"), "chunked");
            assert!(!seen.headers.contains_key("content-length"));
            assert_eq!(connection.token("billing").await.status, 200);
        }
    }
}

#[tokio::test]
async fn an_early_response_reaches_the_application() {
    let upstream = Scripted::start(|_, mut stream| async move {
        // Only the head is read, and the rest of the body is sent to a closing connection.
        read_head(&mut stream).await;
        stream
            .write_all(
                b"HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 7\r\n\r\ntoo big",
            )
            .await
            .unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = vec![0; 64 * 1024];
        while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
    })
    .await;
    let (edge, client) = edge_before(upstream.url(), "");
    for client in [Client::with(&edge, &client), Client::with(&edge, &client).http2()] {
        let request = Request::post("/any/thing").body(Full::from(vec![b'x'; 1_000_000])).unwrap();
        let answer = client.connect().await.send(request).await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (413, &b"too big"[..]));
    }
}

#[tokio::test]
async fn an_early_response_does_not_block_the_upload() {
    // More than the kernel buffers on each connection.
    const LENGTH: usize = 30_000_000;
    let upstream = Scripted::start(|_, mut stream| async move {
        read_head(&mut stream).await;
        let (mut read, mut write) = stream.split();
        let answer = async {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {LENGTH}\r\n\r\n");
            write.write_all(head.as_bytes()).await.unwrap();
            write.write_all(&vec![b'y'; LENGTH]).await.unwrap();
        };
        let drain = async {
            let mut body = vec![0; LENGTH];
            read.read_exact(&mut body).await.unwrap();
            assert!(body.iter().all(|byte| *byte == b'x'));
        };
        tokio::join!(answer, drain);
        keep_answering(stream, OK).await;
    })
    .await;
    let limits = format!("body_bytes = {LENGTH}");
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()).limits(&limits));
    let exchange = async {
        let mut stream = Client::with(&edge, &client).tls().await.unwrap();
        let head = format!("POST /any/thing HTTP/1.1\r\nhost: {DOMAIN}\r\ncontent-length: {LENGTH}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b'x'; LENGTH]).await.unwrap();
        stream.flush().await.unwrap();
        let answer = read_head(&mut stream).await;
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&answer));
        let mut body = vec![0; LENGTH];
        stream.read_exact(&mut body).await.unwrap();
        assert!(body.iter().all(|byte| *byte == b'y'));
    };
    tokio::time::timeout(Duration::from_secs(60), exchange).await.unwrap();
}

#[tokio::test]
async fn an_upstream_of_http_1_0_is_served_connection_by_connection() {
    let upstream = Scripted::start(|_, mut stream| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nuntil the end").await;
    })
    .await;
    let (edge, client) = edge_before(upstream.url(), "");
    let mut connection = Client::with(&edge, &client).connect().await;
    for _ in 0..2 {
        assert_eq!(connection.token("billing").await.body, "until the end");
    }
    assert_eq!(upstream.accepted(), 2);
}

#[tokio::test]
async fn an_early_response_is_readable_after_the_upload() {
    let upstream = Scripted::start(|_, mut stream| async move {
        read_head(&mut stream).await;
        // The client would continue to read, and the connection would stay open.
        stream.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nno").await.unwrap();
        let mut rest = vec![0; 64 * 1024];
        while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
    })
    .await;
    let (edge, client) = edge_before(upstream.url(), "");
    let mut stream = Client::with(&edge, &client).tls().await.unwrap();
    let head = format!("POST /any/thing HTTP/1.1\r\nhost: {DOMAIN}\r\ncontent-length: 1000000\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let piece = vec![b'x'; 20_000];
    for _ in 0..50 {
        stream.write_all(&piece).await.expect("the connection is reset");
        stream.flush().await.expect("the connection is reset");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 401") && answer.ends_with(b"\r\n\r\nno"));
}

#[tokio::test]
async fn a_response_right_before_a_reset_is_delivered() {
    let upstream = Scripted::start(|_, mut stream| async move {
        read_head(&mut stream).await;
        // Closed with unread bytes, it is reset.
        stream
            .write_all(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 7\r\n\r\ntoo big")
            .await
            .unwrap();
    })
    .await;
    let (edge, client) = edge_before(upstream.url(), "");
    let client = Client::with(&edge, &client);
    for round in 0..50 {
        let request = Request::post("/any/thing").body(Full::from(vec![b'x'; 400_000])).unwrap();
        assert_eq!(client.connect().await.send(request).await.status, 413, "{round}");
    }
}
