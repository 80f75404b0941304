//! HTTP/2 upstreams that violate the protocol.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{
    Ca, Client, EdgeBuilder, admin,
    scripted::{Scripted, acceptor, https},
    with_client,
};

/// What a hostile HTTP/2 upstream does when it has received a request's head, on that stream.
type Script = fn(u32) -> Vec<(u8, u8, u32, Vec<u8>)>;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200` from HPACK's static table, and `:status: 103` as a literal.
const OK_200: u8 = 0x88;
const HINTS_103: [u8; 5] = [0x08, 3, b'1', b'0', b'3'];

/// GOAWAY payloads.
const NO_ERROR: &[u8] = &[0; 8];
const CALM: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 11];
/// A SETTINGS payload with MAX_CONCURRENT_STREAMS 0.
const NO_STREAMS: &[u8] = &[0, 3, 0, 0, 0, 0];

/// An HTTP/2 upstream that sends these frames first, then `script` for each request, and `again` repeatedly after the first request.
async fn hostile(
    ca: &Ca,
    first: &'static [(u8, u8, u32, &'static [u8])],
    script: Script,
    again: Script,
) -> Scripted {
    let acceptor = acceptor(&ca.server(&["localhost"]), &["h2"]);
    Scripted::start(move |_, stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let (mut read, mut write) = tokio::io::split(stream);
            let mut preface = [0; 24];
            if read.read_exact(&mut preface).await.is_err() {
                return;
            }
            let mut out = Vec::new();
            frame(&mut out, SETTINGS, 0, 0, &[]);
            for (kind, flags, stream, payload) in first {
                frame(&mut out, *kind, *flags, *stream, payload);
            }
            if write.write_all(&out).await.is_err() {
                return;
            }
            loop {
                let mut head = [0; 9];
                if read.read_exact(&mut head).await.is_err() {
                    return;
                }
                let [high, middle, low, kind, flags, id @ ..] = head;
                let mut payload =
                    vec![0; usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low)];
                if read.read_exact(&mut payload).await.is_err() {
                    return;
                }
                let (stream, mut out) = (u32::from_be_bytes(id), Vec::new());
                match kind {
                    SETTINGS if flags & 1 == 0 => frame(&mut out, SETTINGS, 1, 0, &[]),
                    HEADERS => {
                        for (kind, flags, stream, payload) in script(stream) {
                            frame(&mut out, kind, flags, stream, &payload);
                        }
                    }
                    _ => {}
                }
                if write.write_all(&out).await.is_err() || write.flush().await.is_err() {
                    return;
                }
                if kind == HEADERS {
                    let mut out = Vec::new();
                    for (kind, flags, stream, payload) in again(stream) {
                        frame(&mut out, kind, flags, stream, &payload);
                    }
                    let out = out.repeat(if out.len() < 1000 { 100 } else { 1 });
                    while !out.is_empty() {
                        if write.write_all(&out).await.is_err() || write.flush().await.is_err() {
                            return;
                        }
                    }
                }
            }
        }
    })
    .await
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.extend_from_slice(&u32::try_from(payload.len()).unwrap().to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

fn nothing(_: u32) -> Vec<(u8, u8, u32, Vec<u8>)> {
    Vec::new()
}

/// A response head in fragments of one literal field each, with this many bytes in total.
fn fields(bytes: usize) -> Vec<u8> {
    let field = [&[0x00, 1, b'x', 100][..], &[b'y'; 100]].concat();
    [vec![OK_200], field.repeat(bytes / field.len())].concat()
}

/// Asserts that requests to this upstream end with one of these statuses, in sequence and at once, that it is not
/// called endlessly, and that the edge still serves.
async fn assert_ends(ca: &Ca, upstream: &Scripted, statuses: &[u16], what: &str) {
    let edge = EdgeBuilder::new(https(upstream)).file("upstream-ca.pem", ca.pem());
    let edge = edge.upstream("ca = \"upstream-ca.pem\"\nresponse_timeout = \"1s\"").quiet();
    let (edge, client) = with_client(edge);
    let before = edge.memory();
    let clients = [Client::with(&edge, &client), Client::with(&edge, &client).http2()];
    for client in &clients {
        let answer = client.token("billing").await;
        assert!(statuses.contains(&answer.status.as_u16()), "{what}: {answer:?}");
    }
    let answers =
        futures_util::future::join_all(clients.iter().cycle().take(8).map(|client| client.token("billing")));
    for answer in answers.await {
        assert!(statuses.contains(&answer.status.as_u16()), "{what}: {answer:?}");
    }
    assert!(upstream.accepted() <= 10 * 4, "{what}: {} connections", upstream.accepted());
    assert!(edge.memory() < before + 64 * 1024 * 1024, "{what}: {} bytes, {before} before", edge.memory());
    assert_eq!(admin::get(&edge, "/readyz").await.0, 200);
}

#[tokio::test]
async fn http2_upstreams_that_close_are_an_error() {
    let ca = Ca::new("Upstream CA");
    // GOAWAY at once, with NO_ERROR and with ENHANCE_YOUR_CALM; and repeatedly.
    for first in [&[(GOAWAY, 0, 0, NO_ERROR)][..], &[(GOAWAY, 0, 0, CALM)], &[(GOAWAY, 0, 0, NO_ERROR); 50]] {
        let upstream = hostile(&ca, first, nothing, nothing).await;
        assert_ends(&ca, &upstream, &[502, 503], "GOAWAY at once").await;
    }
    let scripts: [(Script, &str); 5] = [
        (|stream| vec![(RESET, 0, stream, vec![0, 0, 0, 2])], "RST_STREAM with INTERNAL_ERROR"),
        (|stream| vec![(RESET, 0, stream, vec![0xde, 0xad, 0xbe, 0xef])], "RST_STREAM with an unknown code"),
        (|stream| vec![(RESET, 0, stream, vec![0, 0, 0, 0])], "RST_STREAM with NO_ERROR and no response"),
        (
            |stream| vec![(GOAWAY, 0, 0, [stream.to_be_bytes(), [0, 0, 0, 2]].concat())],
            "GOAWAY with INTERNAL_ERROR",
        ),
        (|_| vec![(GOAWAY, 0, 0, vec![0; 8]); 20], "GOAWAY over and over"),
    ];
    for (script, what) in scripts {
        let upstream = hostile(&ca, &[], script, nothing).await;
        assert_ends(&ca, &upstream, &[502, 503, 504], what).await;
    }
}

#[tokio::test]
async fn http2_upstreams_that_break_the_rules_are_an_error() {
    let ca = Ca::new("Upstream CA");
    let scripts: [(Script, &str); 9] = [
        (
            |stream| vec![(PUSH_PROMISE, END_HEADERS, stream, vec![0, 0, 0, 2, OK_200])],
            "PUSH_PROMISE, which the edge forbids",
        ),
        (|_| vec![(DATA, 0, 99, b"stray".to_vec())], "DATA on a stream that is idle"),
        (|_| vec![(HEADERS, END_HEADERS, 99, vec![OK_200])], "HEADERS on a stream that is idle"),
        (|stream| vec![(DATA, END_STREAM, stream, b"no head".to_vec())], "DATA before HEADERS"),
        (|stream| vec![(WINDOW_UPDATE, 0, stream, vec![0; 4])], "a WINDOW_UPDATE of 0"),
        (|_| vec![(WINDOW_UPDATE, 0, 0, vec![0x7f, 0xff, 0xff, 0xff])], "a window beyond 2^31-1"),
        (
            |_| vec![(SETTINGS, 0, 0, vec![0, 4, 0xff, 0xff, 0xff, 0xff])],
            "SETTINGS with a window beyond 2^31-1",
        ),
        (|stream| vec![(HEADERS, END_HEADERS | END_STREAM, stream, vec![0xff; 8])], "HPACK that is broken"),
        (
            |stream| vec![(HEADERS, END_HEADERS, stream, vec![OK_200]), (DATA, 8, stream, vec![200, 1])],
            "padding longer than its frame",
        ),
    ];
    for (script, what) in scripts {
        let upstream = hostile(&ca, &[], script, nothing).await;
        if what.starts_with("padding") {
            // The head is valid; the response is incomplete.
            let edge = EdgeBuilder::new(https(&upstream)).file("upstream-ca.pem", ca.pem());
            let (edge, client) = with_client(edge.upstream("ca = \"upstream-ca.pem\""));
            let request = crate::support::client::token_request("billing");
            assert!(Client::with(&edge, &client).connect().await.try_send(request).await.is_err());
        } else {
            assert_ends(&ca, &upstream, &[502, 504], what).await;
        }
    }
}

#[tokio::test]
async fn endless_http2_heads_fail_in_bounded_memory() {
    let ca = Ca::new("Upstream CA");
    // More than the limit of a header list.
    let large: Script = |stream| {
        let block = fields(4 * 1024 * 1024);
        let mut frames: Vec<_> =
            block.chunks(16_000).map(|piece| (CONTINUATION, 0, stream, piece.to_vec())).collect();
        let last = frames.len() - 1;
        frames[0].0 = HEADERS;
        frames[last].1 = END_HEADERS;
        frames
    };
    let upstream = hostile(&ca, &[], large, nothing).await;
    assert_ends(&ca, &upstream, &[502], "4 MiB of headers").await;
    let begin: Script = |stream| vec![(HEADERS, 0, stream, fields(1000))];
    for (again, what) in [
        ((|stream| vec![(CONTINUATION, 0, stream, fields(1000))]) as Script, "CONTINUATION without end"),
        (|stream| vec![(CONTINUATION, 0, stream, Vec::new())], "empty CONTINUATION without end"),
    ] {
        let upstream = hostile(&ca, &[], begin, again).await;
        assert_ends(&ca, &upstream, &[502], what).await;
    }
}

#[tokio::test]
async fn endless_http2_frames_are_bounded() {
    let ca = Ca::new("Upstream CA");
    for (again, what) in [
        ((|stream| vec![(HEADERS, END_HEADERS, stream, HINTS_103.to_vec())]) as Script, "103 without end"),
        (|_| vec![(SETTINGS, 0, 0, vec![0, 4, 0, 1, 0, 0])], "SETTINGS without end"),
        (|_| vec![(PING, 0, 0, vec![0; 8])], "PING without end"),
        (|stream| vec![(WINDOW_UPDATE, 0, stream, vec![0, 0, 0, 1])], "WINDOW_UPDATE without end"),
    ] {
        let upstream = hostile(&ca, &[], nothing, again).await;
        assert_ends(&ca, &upstream, &[502, 503, 504], what).await;
    }
}

#[tokio::test]
async fn an_http2_upstream_that_takes_no_streams_is_504() {
    let ca = Ca::new("Upstream CA");
    let upstream = hostile(&ca, &[(SETTINGS, 0, 0, NO_STREAMS)], nothing, nothing).await;
    assert_ends(&ca, &upstream, &[502, 503, 504], "MAX_CONCURRENT_STREAMS 0").await;
}
