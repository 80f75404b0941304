//! Compares the responses that this client and hyper's read from the same bytes.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Request, response::Parts};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use super::{HeaderMap, body, connected, get, poll_fn};

/// The result of reading a response.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// It is invalid or incomplete.
    Broken,
    Whole {
        status: u16,
        headers: BTreeMap<String, Vec<Vec<u8>>>,
        body: Vec<u8>,
        trailers: BTreeMap<String, Vec<Vec<u8>>>,
    },
}

fn sorted(map: &HeaderMap) -> BTreeMap<String, Vec<Vec<u8>>> {
    let values = |name| map.get_all(name).iter().map(|value| value.as_bytes().to_vec()).collect();
    let mut sorted: BTreeMap<_, Vec<_>> =
        map.keys().map(|name| (name.as_str().to_owned(), values(name))).collect();
    // Equal lengths are merged into one.
    if let Some(lengths) = sorted.get_mut("content-length") {
        lengths.truncate(1);
        let text = String::from_utf8_lossy(&lengths[0]).into_owned();
        let first = text.split(',').next().unwrap_or_default().trim();
        lengths[0] = first.parse::<u64>().map_or(text.clone(), |length| length.to_string()).into_bytes();
    }
    sorted
}

fn whole(head: &Parts, body: Vec<u8>, trailers: &HeaderMap) -> Outcome {
    Outcome::Whole {
        status: head.status.as_u16(),
        headers: sorted(&head.headers),
        body,
        trailers: sorted(trailers),
    }
}

async fn ours(text: &[u8], piece: usize) -> Outcome {
    let (mut h1, mut far) = connected(piece);
    let client = async {
        h1.start(get());
        let Ok(head) = poll_fn(|cx| h1.poll_head(cx)).await else { return Outcome::Broken };
        match body(&mut h1).await {
            Ok((data, trailers)) => whole(&head, data, &trailers),
            Err(_) => Outcome::Broken,
        }
    };
    let origin = async {
        let _ = far.write_all(text).await;
        let _ = far.shutdown().await;
        super::drain(&mut far).await;
    };
    tokio::select! {
        outcome = client => outcome,
        () = async { origin.await; std::future::pending().await } => unreachable!(),
    }
}

async fn hypers(text: &[u8], piece: usize) -> Outcome {
    let (near, mut far) = tokio::io::duplex(piece);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, Full<Bytes>>(TokioIo::new(near)).await.unwrap();
    let connection = tokio::spawn(connection);
    let client = async {
        let Ok(response) = sender.send_request(Request::get("/").body(Full::default()).unwrap()).await else {
            return Outcome::Broken;
        };
        let (head, body) = response.into_parts();
        match body.collect().await {
            Ok(body) => {
                let trailers = body.trailers().cloned().unwrap_or_default();
                whole(&head, body.to_bytes().to_vec(), &trailers)
            }
            Err(_) => Outcome::Broken,
        }
    };
    let origin = async {
        // hyper treats bytes that arrive before its request as an unsolicited response.
        super::read_until(&mut far, b"\r\n\r\n").await;
        let _ = far.write_all(text).await;
        let _ = far.shutdown().await;
        super::drain(&mut far).await;
    };
    let outcome = tokio::select! {
        outcome = client => outcome,
        () = async { origin.await; std::future::pending().await } => unreachable!(),
    };
    connection.abort();
    outcome
}

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(texts)
}

prop_compose! {
    /// A response, valid or nearly so, in which one byte may be changed or the end be cut off.
    fn response()(
        interim in one_of(&["", "", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"]),
        line in one_of(&["HTTP/1.1 200 OK\r\n", "HTTP/1.1 400 Bad Request\r\n", "HTTP/1.0 200 OK\r\n", "HTTP/1.1 204 \r\n", "HTTP/1.1 304 Not Modified\r\n"]),
        length in one_of(&["", "", "content-length: 5\r\n", "Content-Length: 5\r\ncontent-length:5\r\n", "content-length: 3\r\n", "content-length: 9\r\n", "content-length: x\r\n", "content-length: 5, 5\r\n"]),
        coding in one_of(&["", "", "transfer-encoding: chunked\r\n", "Transfer-Encoding: CHUNKED\r\n", "transfer-encoding: gzip, chunked\r\n", "transfer-encoding: gzip\r\n"]),
        other in one_of(&["", "connection: close\r\n", "set-cookie: a=1\r\nSet-Cookie: b=2\r\n", "x-odd:\t \u{e9} \r\nx-empty:\r\n"]),
        body in one_of(&["hello", "", "5\r\nhello\r\n0\r\n\r\n", "3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nx-late: 1\r\n\r\n", "5\r\nhello\r\n"]),
        after in one_of(&["", "", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"]),
        change in prop::option::of((any::<prop::sample::Index>(), prop::option::of(any::<u8>()))),
    ) -> Vec<u8> {
        let mut text = [interim, line, length, coding, other, "\r\n", body, after].concat().into_bytes();
        if let Some((at, byte)) = change {
            let at = at.index(text.len());
            match byte {
                Some(byte) => text[at] = byte,
                None => text.truncate(at),
            }
        }
        text
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// hyper reads each response that the edge accepts as the same one. A response that only the edge refuses has a transfer coding, a
    /// Content-Length that is contradictory or has a leading zero, or a line without CR.
    #[test]
    fn the_edge_reads_what_hyper_reads_or_refuses(text in response(), piece in 1..200_usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (ours, hypers) = runtime.block_on(async { (ours(&text, piece).await, hypers(&text, piece).await) });
        let shown = String::from_utf8_lossy(&text);
        if ours == Outcome::Broken && hypers != Outcome::Broken {
            let lower = shown.to_ascii_lowercase();
            // hyper ignores both headers in a response that has no body.
            let is_bodyless = [" 101 ", " 204 ", " 304 "].iter().any(|status| lower.contains(status));
            let has_bare_lf = text.split(|byte| *byte == b'\n').rev().skip(1).any(|line| !line.ends_with(b"\r"));
            let has_leading_zero = lower.contains("content-length:0");
            let is_strict = lower.contains("transfer-encoding")
                || (is_bodyless && lower.contains("content-length"))
                || has_bare_lf
                || has_leading_zero;
            prop_assert!(is_strict, "refused without a reason: {:?}, {:?}", shown, hypers);
        } else {
            prop_assert_eq!(ours, hypers, "{:?}", shown);
        }
    }
}
