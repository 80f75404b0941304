//! Limits: each wait and each size that a peer decides on is bounded.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{
    Client, Credentials, DOMAIN, Edge, EdgeBuilder, Held, PATIENCE, Upstream, admin, with_client,
};

fn limited(upstream: &Upstream, limits: &str) -> (Edge, Credentials) {
    with_client(EdgeBuilder::new(upstream.url()).limits(limits))
}

/// Waits until the edge closes the connection, and returns what it sent.
async fn until_closed(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it stays open");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sends the same byte repeatedly until the edge closes the connection, and returns what it sent.
async fn trickle(stream: impl AsyncRead + AsyncWrite, byte: &[u8]) -> String {
    let (mut read, mut write) = tokio::io::split(stream);
    tokio::select! {
        answer = until_closed(&mut read) => answer,
        () = async {
            let mut tick = tokio::time::interval(Duration::from_millis(20));
            loop {
                tick.tick().await;
                if write.write_all(byte).await.is_err() || write.flush().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        } => unreachable!(),
    }
}

#[tokio::test]
async fn a_handshake_that_does_not_begin_times_out() {
    let upstream = Upstream::start().await;
    let (edge, client) = limited(&upstream, "handshake_timeout = \"300ms\"");
    let mut silent = TcpStream::connect(edge.https).await.unwrap();
    assert_eq!(until_closed(&mut silent).await, "");
    // A ClientHello that announces 512 bytes, and sends them too slowly.
    let mut slow = TcpStream::connect(edge.https).await.unwrap();
    slow.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await.unwrap();
    trickle(slow, b"x").await;
    edge.wait_for_logs("the handshake took longer than 300ms", 2);
    assert_eq!(admin::metric(&edge, "mtls_edge_handshakes_failed_total").await, 2);
    assert_eq!(Client::with(&edge, &client).token("billing").await.status, 200);
}

#[tokio::test]
async fn an_incomplete_head_times_out() {
    let upstream = Upstream::start().await;
    let (edge, client) = limited(&upstream, "head_timeout = \"300ms\"");
    let client = Client::with(&edge, &client);
    client.raw(b"POST /oauth/token HTTP/1.1\r\nhost: ").await;
    // Sending more bytes does not prolong the time.
    let mut stream = client.tls().await.unwrap();
    stream.write_all(b"POST /oauth/token HTTP/1.1\r\nx: ").await.unwrap();
    trickle(stream, b"y").await;
    // An earlier good request does not either.
    let mut stream = client.tls().await.unwrap();
    let good = format!("GET /any/a HTTP/1.1\r\nhost: {DOMAIN}\r\n\r\nGET /");
    stream.write_all(good.as_bytes()).await.unwrap();
    let answer = trickle(stream, b"y").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn an_incomplete_http2_head_times_out() {
    let upstream = Upstream::start().await;
    let (edge, client) = limited(&upstream, "head_timeout = \"300ms\"\nidle_timeout = \"1h\"");
    let client = Client::with(&edge, &client).http2();
    let begin = |head: &[u8]| [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"[..], head].concat();
    for (head, rest) in [
        // HEADERS of 4096 bytes.
        (&b"\0\x10\0\x01\x05\0\0\0\x01"[..], &b"\0"[..]),
        // HEADERS without END_HEADERS, then the first bytes of CONTINUATION.
        (b"\0\0\x01\x01\x01\0\0\0\x01\0", b""),
        (b"\0\0\x01\x01\x01\0\0\0\x01\0\0\x10\0\x09\x04\0\0\0\x01", b"\0"),
    ] {
        let mut stream = client.tls().await.unwrap();
        stream.write_all(&begin(head)).await.unwrap();
        trickle(stream, rest).await;
    }
    assert!(upstream.seen().is_empty());
    assert_eq!(admin::metric(&edge, "mtls_edge_connections_closed_total{reason=\"stalled\"}").await, 3);
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_408() {
    let upstream = Upstream::start().await;
    let (edge, client) = limited(&upstream, "body_timeout = \"300ms\"");
    let client = Client::with(&edge, &client);
    for path in ["/oauth/token", "/any/thing"] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {DOMAIN}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 5000\r\n\r\nclient_id="
        );
        let answer = client.raw(head.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
        assert!(answer.contains("connection: close\r\n") && answer.contains("invalid_request"), "{answer}");
        // Sending more bytes does not prolong the time.
        let mut stream = client.tls().await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = trickle(stream, b"x").await;
        assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");

        let never = StreamBody::new(futures_util::stream::pending::<Result<http_body::Frame<Bytes>, _>>());
        let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        let mut connection = client.clone().http2().connect().await;
        connection.send(request.body(never).unwrap()).await.oauth_error(408, "invalid_request");
        // Only the stream has ended.
        let next = Request::get("/any/a").body(Full::<Bytes>::default()).unwrap();
        assert_eq!(connection.send(next).await.status, 200);
    }
    assert!(upstream.seen().iter().all(|seen| seen.body.is_empty()), "no request reached it whole");
    admin::assert_counted(&edge, "body_timeout").await;
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let upstream = Upstream::start().await;
    let (edge, client) = limited(&upstream, "idle_timeout = \"300ms\"");
    for client in [Client::with(&edge, &client), Client::with(&edge, &client).http2()] {
        let mut used = client.connect().await;
        assert_eq!(used.token("billing").await.status, 200);
        used.closed().await;
        let mut unused = client.connect().await;
        unused.closed().await;
        // Not even the first byte of a head is sent.
        assert!(!until_closed(&mut client.tls().await.unwrap()).await.contains("HTTP/1.1"));
    }
}

#[tokio::test]
async fn a_slow_response_outlives_the_idle_timeout() {
    let mut held = Held::start().await;
    let limits = "idle_timeout = \"200ms\"\nhead_timeout = \"200ms\"\nbody_timeout = \"200ms\"";
    let (edge, client) = with_client(EdgeBuilder::new(held.url()).limits(limits));
    for client in [Client::with(&edge, &client), Client::with(&edge, &client).http2()] {
        let caller = client.clone();
        let in_flight = tokio::spawn(async move { caller.token("billing").await });
        held.arrived().await;
        // Other connections are closed for lack of a request meanwhile.
        for _ in 0..3 {
            client.connect().await.closed().await;
        }
        assert!(!in_flight.is_finished());
        held.release(1);
        assert_eq!(in_flight.await.unwrap().body, "ok");
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed() {
    let upstream = Upstream::start().await;
    let (edge, client) = limited(&upstream, "connections = 2");
    let client = Client::with(&edge, &client);
    let (mut first, second) = (client.connect().await, client.tls().await.unwrap());
    for _ in 0..3 {
        assert!(client.tls().await.is_err());
    }
    assert_eq!(admin::metric(&edge, "mtls_edge_connections_over_bound_total").await, 3);
    assert_eq!(admin::metric(&edge, "mtls_edge_connections").await, 2);
    assert_eq!(first.token("billing").await.status, 200);
    drop(second);
    // Its place is free as soon as the edge has noticed the close.
    timeout(PATIENCE, async {
        while admin::metric(&edge, "mtls_edge_connections").await == 2 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the place of a closed connection stays taken");
    assert_eq!(client.token("billing").await.status, 200);
}

#[tokio::test]
async fn a_head_beyond_the_limits_is_431() {
    let upstream = Upstream::start().await;
    let (edge, client) = limited(&upstream, "header_bytes = 8192\nheaders = 16");
    let client = Client::with(&edge, &client);
    let large = format!("GET /any/a HTTP/1.1\r\nhost: {DOMAIN}\r\nx: {}\r\n\r\n", "y".repeat(9000));
    let many = (0..20).map(|n| format!("x-{n}: {n}\r\n")).collect::<Vec<_>>().concat();
    let many = format!("GET /any/a HTTP/1.1\r\nhost: {DOMAIN}\r\nconnection: close\r\n{many}\r\n");
    for (head, body) in [(large, ""), (many, "\"invalid_request\"")] {
        let answer = client.raw(head.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{answer}");
        assert!(answer.contains(body), "{answer}");
    }
    let http2 = client.clone().http2();
    let plain = || Request::get("/any/a");
    let empty = Full::new(Bytes::new());
    let large = plain().header("x", "y".repeat(9000)).body(empty.clone()).unwrap();
    // Some implementations reset the stream instead; it must not succeed.
    if let Ok(answer) = http2.connect().await.try_send(large).await {
        assert_eq!(answer.status, 431);
    }
    let many = (0..20).fold(plain(), |request, n| request.header(format!("x-{n}"), n));
    let answer = http2.connect().await.send(many.body(empty.clone()).unwrap()).await;
    answer.oauth_error(431, "invalid_request");
    assert!(upstream.seen().is_empty());
    // Up to the limit requests are served; repeated names count separately.
    let fit = (0..12).fold(plain(), |request, n| request.header("x-again", n));
    assert_eq!(http2.connect().await.send(fit.body(empty.clone()).unwrap()).await.status, 200);
    let again = (0..20).fold(plain(), |request, n| request.header("x-again", n));
    let answer = http2.connect().await.send(again.body(empty).unwrap()).await;
    answer.oauth_error(431, "invalid_request");
}

#[tokio::test]
async fn a_body_beyond_the_limits_is_413() {
    let upstream = Upstream::start().await;
    let (edge, client) = limited(&upstream, "body_bytes = 4096\nclient_id_body_bytes = 1024");
    let client = Client::with(&edge, &client);
    for client in [client.clone(), client.http2()] {
        for (path, fits) in [("/oauth/token", 1024), ("/any/thing", 4096)] {
            let start = "client_id=billing&x=";
            let body = |length: usize| Bytes::from(format!("{start}{}", "y".repeat(length - start.len())));
            let request = || Request::post(path).header("content-type", "application/x-www-form-urlencoded");
            let whole = client.connect().await.send(request().body(Full::new(body(fits))).unwrap()).await;
            assert_eq!(whole.status, 200, "{path}");
            assert_eq!(upstream.last().body.len(), fits);
            let before = upstream.seen().len();
            // By its Content-Length, and by the received bytes if there is none.
            let announced = Full::new(body(fits + 1)).boxed();
            let frame = Ok::<_, std::convert::Infallible>(http_body::Frame::data(body(fits + 1)));
            let streamed = StreamBody::new(futures_util::stream::iter([frame])).boxed();
            for body in [announced, streamed] {
                let answer = client.connect().await.send(request().body(body).unwrap()).await;
                let description = answer.oauth_error(413, "invalid_request");
                assert_eq!(description, format!("the request body is longer than {fits} bytes"));
            }
            let seen = upstream.seen();
            assert!(seen[before..].iter().all(|seen| seen.body.is_empty()), "no request reached it whole");
        }
    }
}
