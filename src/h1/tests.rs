//! The connection against a scripted origin, and compared with hyper's client on the same bytes.

mod hyper;

use std::{future::poll_fn, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    task::LocalSet,
};

use super::Error;

type Connection = super::Connection<Full<Bytes>>;

/// A connection whose stream buffers this many bytes, and its other end.
fn connected(bytes: usize) -> (Connection, DuplexStream) {
    let (near, far) = tokio::io::duplex(bytes);
    (Connection::new(Box::new(near)), far)
}

fn get() -> Request<Full<Bytes>> {
    Request::get("/").body(Full::default()).unwrap()
}

fn post(body: &[u8]) -> Request<Full<Bytes>> {
    Request::post("/token").body(Full::new(Bytes::copy_from_slice(body))).unwrap()
}

/// Reads a response's body and trailers to their end.
async fn body(h1: &mut Connection) -> Result<(Vec<u8>, HeaderMap), Error> {
    let (mut data, mut trailers) = (Vec::new(), HeaderMap::new());
    while let Some(frame) = poll_fn(|cx| h1.poll_frame(cx)).await {
        match frame?.into_data() {
            Ok(more) => data.extend_from_slice(&more),
            Err(frame) => trailers = frame.into_trailers().unwrap(),
        }
    }
    Ok((data, trailers))
}

async fn exchange(h1: &mut Connection, request: Request<Full<Bytes>>) -> Result<Response<Vec<u8>>, Error> {
    h1.start(request);
    let head = poll_fn(|cx| h1.poll_head(cx)).await?;
    Ok(Response::from_parts(head, body(h1).await?.0))
}

async fn read_until(far: &mut DuplexStream, end: &[u8]) -> Vec<u8> {
    let mut read = Vec::new();
    while !read.ends_with(end) {
        read.push(far.read_u8().await.unwrap());
    }
    read
}

#[tokio::test]
async fn one_connection_carries_requests_in_sequence() {
    // Seven bytes at a time: nothing arrives complete.
    for bytes in [7, 4096] {
        let (mut h1, mut far) = connected(bytes);
        let origin = async {
            for coded in [
                &b"content-length: 5\r\n\r\nhello"[..],
                b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            ] {
                let seen = read_until(&mut far, b"a=b").await;
                assert_eq!(seen, b"POST /token HTTP/1.1\r\ncontent-length: 3\r\n\r\na=b");
                far.write_all(&[b"HTTP/1.1 200 OK\r\n", coded].concat()).await.unwrap();
            }
            far
        };
        let client = async {
            for _ in 0..2 {
                let response = exchange(&mut h1, post(b"a=b")).await.unwrap();
                assert_eq!(response.body(), b"hello");
                assert!(h1.reset_for_reuse() && h1.is_open());
            }
        };
        let (_far, ()) = tokio::join!(origin, client);
    }
}

#[tokio::test]
async fn bytes_after_a_response_prevent_reuse() {
    // With the response, and after it.
    let stray = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nstray";
    let (mut h1, mut far) = connected(4096);
    far.write_all(&[b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".as_slice(), stray].concat())
        .await
        .unwrap();
    assert_eq!(exchange(&mut h1, get()).await.unwrap().body(), b"ok");
    assert!(!h1.reset_for_reuse());

    let (mut h1, mut far) = connected(4096);
    far.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    assert_eq!(exchange(&mut h1, get()).await.unwrap().body(), b"ok");
    assert!(h1.reset_for_reuse() && h1.is_open());
    far.write_all(stray).await.unwrap();
    assert!(!h1.is_open());
}

#[tokio::test]
async fn a_connection_that_its_origin_closes_is_not_reused() {
    for response in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"[..],
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\n\r\nok",
    ] {
        let (mut h1, mut far) = connected(4096);
        far.write_all(response).await.unwrap();
        far.shutdown().await.unwrap();
        assert_eq!(exchange(&mut h1, get()).await.unwrap().body(), b"ok");
        assert!(!h1.reset_for_reuse(), "{}", String::from_utf8_lossy(response));
    }
    let (mut h1, mut far) = connected(4096);
    far.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    exchange(&mut h1, get()).await.unwrap();
    assert!(h1.reset_for_reuse() && h1.is_open());
    drop(far);
    assert!(!h1.is_open());
}

#[tokio::test]
async fn every_closed_connection_is_found_closed() {
    // More than tokio's budget for one poll of a task.
    for _ in 0..500 {
        let (mut h1, far) = connected(64);
        drop(far);
        assert!(!h1.is_open());
    }
}

#[tokio::test]
async fn a_response_before_the_request_is_sent_is_read() {
    // The origin reads the head only; the stream holds 64 bytes of the body.
    let (mut h1, mut far) = connected(64);
    let origin = async {
        read_until(&mut far, b"\r\n\r\n").await;
        far.write_all(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 7\r\n\r\ntoo big").await.unwrap();
        far
    };
    let client = async {
        let response = exchange(&mut h1, post(&vec![b'x'; 100_000])).await.unwrap();
        assert_eq!((response.status().as_u16(), &response.body()[..]), (413, &b"too big"[..]));
        assert!(!h1.reset_for_reuse(), "the rest of the request would be read as the next one");
    };
    let (far, ()) = tokio::join!(origin, client);
    drop(far);

    // The same after the origin is gone, so that the rest of the request cannot be sent.
    let (mut h1, mut far) = connected(64);
    far.write_all(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 7\r\n\r\ntoo big").await.unwrap();
    drop(far);
    let response = exchange(&mut h1, post(&vec![b'x'; 100_000])).await.unwrap();
    assert_eq!(response.body(), b"too big");
    assert!(!h1.reset_for_reuse());
}

#[tokio::test]
async fn a_connection_that_ends_early_is_an_error() {
    for response in [
        &b""[..],
        b"HTTP/1.1 200 OK\r\nconte",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        let (mut h1, mut far) = connected(4096);
        far.write_all(response).await.unwrap();
        far.shutdown().await.unwrap();
        let outcome = exchange(&mut h1, get()).await;
        assert!(matches!(outcome, Err(Error::Incomplete)), "{outcome:?}");
    }
}

#[tokio::test]
async fn close_ends_the_stream() {
    LocalSet::new()
        .run_until(async {
            let (h1, mut far) = connected(64);
            h1.close();
            let end = tokio::time::timeout(Duration::from_secs(10), far.read(&mut [0])).await;
            assert_eq!(end.unwrap().unwrap(), 0);
        })
        .await;
}

/// Reads what the other side still sends, so that it does not block.
async fn drain(far: &mut DuplexStream) {
    let mut bytes = [0; 256];
    while far.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
}
