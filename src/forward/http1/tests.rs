//! A connection from its two ends; and held against hyper's client, which reads the same octets.

mod hyper;

use std::{future::poll_fn, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    task::LocalSet,
};

use super::{Fault, Http1};
use crate::forward::RequestBody;

/// A connection whose stream takes so many bytes at a time, and its other end.
fn connected(bytes: usize) -> (Http1, DuplexStream) {
    let (near, far) = tokio::io::duplex(bytes);
    (Http1::new(Box::new(near)), far)
}

fn get() -> Request<RequestBody> {
    Request::get("/").body(RequestBody::buffered(Bytes::new())).unwrap()
}

fn post(body: &[u8]) -> Request<RequestBody> {
    Request::post("/token").body(RequestBody::buffered(Bytes::copy_from_slice(body))).unwrap()
}

/// A response's body and trailers to their end.
async fn body(http1: &mut Http1) -> Result<(Vec<u8>, HeaderMap), Fault> {
    let (mut data, mut trailers) = (Vec::new(), HeaderMap::new());
    while let Some(frame) = poll_fn(|cx| http1.poll_frame(cx)).await {
        match frame?.into_data() {
            Ok(more) => data.extend_from_slice(&more),
            Err(frame) => trailers = frame.into_trailers().unwrap(),
        }
    }
    Ok((data, trailers))
}

async fn exchange(http1: &mut Http1, request: Request<RequestBody>) -> Result<Response<Vec<u8>>, Fault> {
    http1.begin(request);
    let head = poll_fn(|cx| http1.poll_head(cx)).await?;
    Ok(Response::from_parts(head, body(http1).await?.0))
}

async fn read_until(far: &mut DuplexStream, end: &[u8]) -> Vec<u8> {
    let mut read = Vec::new();
    while !read.ends_with(end) {
        read.push(far.read_u8().await.unwrap());
    }
    read
}

#[tokio::test]
async fn one_request_after_the_other_goes_over_one_connection() {
    // Seven bytes at a time: nothing is whole at once.
    for bytes in [7, 4096] {
        let (mut http1, mut far) = connected(bytes);
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
                let answer = exchange(&mut http1, post(b"a=b")).await.unwrap();
                assert_eq!(answer.body(), b"hello");
                assert!(http1.rest() && http1.is_open());
            }
        };
        let (_far, ()) = tokio::join!(origin, client);
    }
}

#[tokio::test]
async fn what_comes_behind_a_response_is_nobodys_answer() {
    // With the response, and a moment later.
    let stray = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nstray";
    let (mut http1, mut far) = connected(4096);
    far.write_all(&[b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".as_slice(), stray].concat())
        .await
        .unwrap();
    assert_eq!(exchange(&mut http1, get()).await.unwrap().body(), b"ok");
    assert!(!http1.rest());

    let (mut http1, mut far) = connected(4096);
    far.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    assert_eq!(exchange(&mut http1, get()).await.unwrap().body(), b"ok");
    assert!(http1.rest() && http1.is_open());
    far.write_all(stray).await.unwrap();
    assert!(!http1.is_open());
}

#[tokio::test]
async fn a_connection_that_its_origin_closes_is_not_used_again() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"[..],
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\n\r\nok",
    ] {
        let (mut http1, mut far) = connected(4096);
        far.write_all(answer).await.unwrap();
        far.shutdown().await.unwrap();
        assert_eq!(exchange(&mut http1, get()).await.unwrap().body(), b"ok");
        assert!(!http1.rest(), "{}", String::from_utf8_lossy(answer));
    }
    let (mut http1, mut far) = connected(4096);
    far.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    exchange(&mut http1, get()).await.unwrap();
    assert!(http1.rest() && http1.is_open());
    drop(far);
    assert!(!http1.is_open());
}

#[tokio::test]
async fn of_many_connections_that_their_origin_closed_none_is_taken_for_open() {
    // More than tokio lets one task do in one turn.
    for _ in 0..500 {
        let (mut http1, far) = connected(64);
        drop(far);
        assert!(!http1.is_open());
    }
}

#[tokio::test]
async fn an_answer_that_comes_before_the_request_is_out_counts() {
    // The origin reads the head alone; 64 bytes of the body fit between the two.
    let (mut http1, mut far) = connected(64);
    let origin = async {
        read_until(&mut far, b"\r\n\r\n").await;
        far.write_all(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 7\r\n\r\ntoo big").await.unwrap();
        far
    };
    let client = async {
        let answer = exchange(&mut http1, post(&vec![b'x'; 100_000])).await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.body()[..]), (413, &b"too big"[..]));
        assert!(!http1.rest(), "the rest of the request would be read as the next one");
    };
    let (far, ()) = tokio::join!(origin, client);
    drop(far);

    // And where the origin is gone by then, so that the rest can't be sent at all.
    let (mut http1, mut far) = connected(64);
    far.write_all(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 7\r\n\r\ntoo big").await.unwrap();
    drop(far);
    let answer = exchange(&mut http1, post(&vec![b'x'; 100_000])).await.unwrap();
    assert_eq!(answer.body(), b"too big");
    assert!(!http1.rest());
}

#[tokio::test]
async fn a_connection_that_ends_too_early_is_an_error() {
    for answer in [
        &b""[..],
        b"HTTP/1.1 200 OK\r\nconte",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        let (mut http1, mut far) = connected(4096);
        far.write_all(answer).await.unwrap();
        far.shutdown().await.unwrap();
        let outcome = exchange(&mut http1, get()).await;
        assert!(matches!(outcome, Err(Fault::Incomplete)), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_connection_that_is_retired_ends_politely() {
    LocalSet::new()
        .run_until(async {
            let (http1, mut far) = connected(64);
            http1.retire();
            let end = tokio::time::timeout(Duration::from_secs(10), far.read(&mut [0])).await;
            assert_eq!(end.unwrap().unwrap(), 0);
        })
        .await;
}

/// Reads what the other side still sends, so that it is not held up.
async fn drain(far: &mut DuplexStream) {
    let mut bytes = [0; 256];
    while far.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
}
