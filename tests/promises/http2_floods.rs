//! Floods of HTTP/2 frames: each ends its connection after a bounded number of frames, and other clients are served meanwhile.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::time::timeout;

use crate::support::{
    Client, Credentials, Edge, EdgeBuilder, Held, PATIENCE, Upstream, admin,
    frames::{
        CONTINUATION, DATA, END_HEADERS, ENHANCE_YOUR_CALM, Frames, HEADERS, PING, PRIORITY, REFUSED_STREAM,
        RESET, SETTINGS, WINDOW_UPDATE,
    },
    with_client,
};

/// Frames that a client may send without a request.
const BUDGET: usize = 1000;
const FLOOD: &str = "mtls_edge_connections_closed_total{reason=\"flood\"}";

/// Frames that carry neither a request nor a body.
const EMPTY: [(u8, &[u8]); 5] = [
    (PING, &[0; 8]),
    (SETTINGS, &[]),
    (PRIORITY, &[0, 0, 0, 0, 1]),
    (WINDOW_UPDATE, &[0, 0, 0, 1]),
    // Unknown, which must be ignored (RFC 9113 section 4.1).
    (200, &[0; 100]),
];

fn one_worker(upstream: &Upstream) -> (Edge, Credentials) {
    with_client(EdgeBuilder::new(upstream.url()).workers(1))
}

const fn stream_of(kind: u8) -> u32 {
    if kind == PRIORITY { 1 } else { 0 }
}

#[tokio::test]
async fn frames_that_carry_nothing_are_bounded() {
    let upstream = Upstream::start().await;
    let (edge, client) = one_worker(&upstream);
    let client = Client::with(&edge, &client);
    for (kind, payload) in EMPTY {
        let mut frames = Frames::connect(&client, &[]).await;
        let frame = (kind, 0, stream_of(kind), payload);
        if [PING, SETTINGS].contains(&kind) {
            // The answers earn a few frames. What is not read when the edge closes resets the connection.
            frames.send_many(frame, BUDGET + 50).await.unwrap();
            assert!([&[][..], &[ENHANCE_YOUR_CALM]].contains(&&*frames.until_closed().await));
        } else {
            // The client has sent its SETTINGS, and its acknowledgement of the edge's is the last frame.
            frames.send_many(frame, BUDGET - 1).await.unwrap();
            assert_eq!(frames.until_closed().await, [ENHANCE_YOUR_CALM], "{kind}");
        }
    }
    assert_eq!(admin::metric(&edge, FLOOD).await, 5);
}

#[tokio::test]
async fn requests_renew_the_budget_of_frames() {
    let upstream = Upstream::start().await;
    let (edge, client) = one_worker(&upstream);
    let mut frames = Frames::connect(&Client::with(&edge, &client), &[]).await;
    for (kind, payload) in EMPTY {
        for _ in 0..60 {
            frames.send_many((kind, 0, stream_of(kind), payload), 18).await.unwrap();
            let stream = frames.token("billing").await.unwrap();
            frames.until_answered(stream).await;
        }
    }
    assert_eq!(admin::metric(&edge, FLOOD).await, 0);
}

#[tokio::test]
async fn an_endless_header_block_is_refused() {
    let upstream = Upstream::start().await;
    let (edge, client) = one_worker(&upstream);
    let client = Client::with(&edge, &client);
    // Empty fragments, and fragments of a field without end.
    let field = [&[0, 1, b'x', 0x7f, 0xff, 0xff, 0xff, 0x7f][..], &[b'y'; 1000]].concat();
    for (first, fragment) in [(&[][..], &[][..]), (&field, &[b'y'; 4000])] {
        let mut frames = Frames::connect(&client, &[]).await;
        frames.send(HEADERS, 0, 1, first).await.unwrap();
        // The edge may have closed the connection already.
        let _ = frames.send_many((CONTINUATION, 0, 1, fragment), 40).await;
        frames.until_closed().await;
    }
    assert!(upstream.seen().is_empty());
    admin::happens(async || admin::metric(&edge, "mtls_edge_connections").await == 0).await;
    assert_eq!(admin::metric(&edge, FLOOD).await, 2);
}

#[tokio::test]
async fn requests_beyond_the_limit_of_streams_are_reset() {
    let mut held = Held::start().await;
    let limits = "http2_streams = 5";
    let (edge, client) = with_client(EdgeBuilder::new(held.url()).limits(limits).workers(1));
    let mut frames = Frames::connect(&Client::with(&edge, &client), &[]).await;
    frames.gets("/any/thing", 8).await.unwrap();
    let mut reset = Vec::new();
    for _ in 0..3 {
        let frame = frames.until(RESET).await;
        reset.push((frame.stream, u32::from_be_bytes(frame.payload[..4].try_into().unwrap())));
    }
    // The last three of the streams 1, 3, 5 and so on.
    assert_eq!(reset, [(11, REFUSED_STREAM), (13, REFUSED_STREAM), (15, REFUSED_STREAM)]);
    for _ in 0..5 {
        held.arrived().await;
    }
    held.release(6);
    for stream in [1, 3, 5, 7, 9] {
        frames.until_answered(stream).await;
    }
    // The connection goes on.
    let next = frames.get("/any/thing").await.unwrap();
    frames.until_answered(next).await;
    assert_eq!(admin::metric(&edge, FLOOD).await, 0);
}

#[tokio::test]
async fn a_header_list_that_expands_is_refused() {
    let upstream = Upstream::start().await;
    let (edge, client) = one_worker(&upstream);
    let client = Client::with(&edge, &client);
    let mut frames = Frames::connect(&client, &[]).await;
    // A field of 3,000 bytes is added to the dynamic table, and used 13,000 times with one byte each: 39 MB.
    let mut block = vec![0x40, 1, b'x', 0x7f, 0xb9, 0x16];
    block.extend([b'y'; 3000]);
    block.extend([0xbe; 13_000]);
    frames.send(HEADERS, END_HEADERS, 1, &block).await.unwrap();
    assert_eq!(frames.until_closed().await, [ENHANCE_YOUR_CALM]);
    admin::happens(async || admin::metric(&edge, FLOOD).await == 1).await;
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn empty_data_frames_are_bounded() {
    let upstream = Upstream::start().await;
    let (edge, client) = one_worker(&upstream);
    let client = Client::with(&edge, &client);
    let mut frames = Frames::connect(&client, &[]).await;
    let stream = frames.head("POST", "/any/thing").await.unwrap();
    frames.send_many((DATA, 0, stream, &[]), 101).await.unwrap();
    assert_eq!(frames.until_closed().await, [ENHANCE_YOUR_CALM]);
    admin::happens(async || admin::metric(&edge, FLOOD).await == 1).await;
}

#[tokio::test]
async fn a_flood_delays_no_client_of_the_same_worker() {
    let upstream = Upstream::start().await;
    let (edge, client) = one_worker(&upstream);
    let client = Client::with(&edge, &client);
    let is_over = Arc::new(AtomicBool::new(false));
    let floods: Vec<_> = EMPTY
        .into_iter()
        .map(|(kind, payload)| {
            let (client, is_over) = (client.clone(), Arc::clone(&is_over));
            tokio::spawn(async move {
                let mut connections = 0;
                while !is_over.load(Ordering::SeqCst) {
                    let mut frames = Frames::connect(&client, &[]).await;
                    while frames.send_many((kind, 0, stream_of(kind), payload), 500).await.is_ok() {}
                    connections += 1;
                }
                connections
            })
        })
        .collect();
    let mut kept = client.connect().await;
    for _ in 0..20 {
        let answer = timeout(PATIENCE, kept.token("billing")).await.expect("the flood blocks it");
        assert_eq!(answer.status, 200);
    }
    is_over.store(true, Ordering::SeqCst);
    for flood in floods {
        assert!(flood.await.unwrap() > 0);
    }
}
