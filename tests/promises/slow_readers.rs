//! Clients that do not read their responses: memory and time that they cost the edge and the upstream are bounded.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::support::{
    Client, Credentials, DOMAIN, Edge, EdgeBuilder, PATIENCE, admin,
    frames::{Frames, HEADERS, WINDOW_UPDATE},
    scripted::{Scripted, read_request},
    with_client,
};

/// The most bytes that the kernel buffers for a request's two connections.
const BUFFERS: usize = 32 * 1024 * 1024;

/// An upstream with endless responses; returns how many bytes it has sent.
async fn endless() -> (Scripted, Arc<AtomicUsize>) {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let upstream = Scripted::start(move |_, mut stream| {
        let count = Arc::clone(&count);
        async move {
            while let Some(request) = read_request(&mut stream).await {
                if request.contains("/any/short") {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
                    continue;
                }
                let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n";
                let _ = stream.write_all(head).await;
                while let Ok(()) = stream.write_all(&[b'x'; 16 * 1024]).await {
                    count.fetch_add(16 * 1024, Ordering::SeqCst);
                }
                return;
            }
        }
    })
    .await;
    (upstream, sent)
}

/// An edge that waits some eleven seconds for a response that stalls.
fn edge_with_short_timeout(upstream: &Scripted) -> (Edge, Credentials) {
    let edge = EdgeBuilder::new(upstream.url())
        .limits("body_timeout = \"100ms\"")
        .upstream("response_timeout = \"100ms\"\nconnect_timeout = \"100ms\"");
    with_client(edge)
}

/// Waits until at most this many connections to the upstream are left, after there were more.
async fn wait_until_left(edge: &Edge, count: i64) {
    let open = || admin::metric(edge, "mtls_edge_upstream_connections");
    timeout(PATIENCE, async {
        while open().await <= count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        while open().await > count {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .expect("connections to the upstream stay open");
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_disconnected() {
    let (upstream, sent) = endless().await;
    let (edge, client) = edge_with_short_timeout(&upstream);
    let mut stream = Client::with(&edge, &client).tls().await.unwrap();
    let before = edge.memory();
    let request = format!("GET /any/long HTTP/1.1\r\nhost: {DOMAIN}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    wait_until_left(&edge, 0).await;
    assert!(sent.load(Ordering::SeqCst) < BUFFERS, "{sent:?}");
    assert!(edge.memory() < before + BUFFERS, "{} and {before} before", edge.memory());
    let stalled = "mtls_edge_connections_closed_total{reason=\"stalled\"}";
    assert_eq!(admin::metric(&edge, stalled).await, 1);
    let line = edge.wait_for_log("\"aborted\"");
    assert!(line.contains("\"aborted\":\"stalled\""), "{line}");
    // The client sees an incomplete response.
    let mut read = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut read)).await.expect("the connection stays open");
}

#[tokio::test]
async fn streams_without_a_window_time_out_one_by_one() {
    const INITIAL_WINDOW_SIZE: u16 = 4;
    let (upstream, sent) = endless().await;
    let (edge, client) = edge_with_short_timeout(&upstream);
    let mut frames = Frames::connect(&Client::with(&edge, &client), &[(INITIAL_WINDOW_SIZE, 0)]).await;
    let before = edge.memory();
    for _ in 0..50 {
        frames.get("/any/long").await.unwrap();
    }
    // Successful requests do not keep them open.
    let went_well = timeout(PATIENCE, async {
        let mut went_well = 0;
        loop {
            let Ok(stream) = frames.get("/any/short").await else { return went_well };
            let window = 1000_u32.to_be_bytes();
            if frames.send(WINDOW_UPDATE, 0, stream, &window).await.is_err() {
                return went_well;
            }
            loop {
                let Some(frame) = frames.read().await else { return went_well };
                if frame.kind == HEADERS && frame.stream == stream {
                    went_well += 1;
                    break;
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .expect("streams that are not read stay open");
    assert!(went_well > 10, "{went_well}");
    let stalled = "mtls_edge_connections_closed_total{reason=\"stalled\"}";
    assert_eq!(admin::metric(&edge, stalled).await, 1);
    timeout(PATIENCE, async {
        // The one that carried the short responses stays pooled.
        while admin::metric(&edge, "mtls_edge_upstream_connections").await > 1 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .expect("connections to the upstream stay open");
    assert!(sent.load(Ordering::SeqCst) < 50 * BUFFERS, "{sent:?}");
    assert!(edge.memory() < before + 2 * BUFFERS, "{} and {before} before", edge.memory());
}
