//! Clients that give up their requests: each costs the upstream something and the client next to nothing, so that most of a
//! connection's requests must not end so.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::time::timeout;

use crate::{
    drain::Held,
    support::{
        Client, PATIENCE, admin,
        frames::{CANCEL, ENHANCE_YOUR_CALM, Frames, RESET, WINDOW_UPDATE},
        scripted::{OK, Scripted, keep_answering, read_request},
        self_signed,
    },
    upstream_failures::edge_before,
};

/// Sends requests that are broken in some way once they have reached the upstream; what the edge says at the end.
async fn give_up(held: &mut Held, frames: &mut Frames, kind: u8, payload: [u8; 4]) -> (usize, Vec<u32>) {
    let mut sent = 0;
    while sent < 1000 {
        let Ok(stream) = frames.token("billing").await else { break };
        sent += 1;
        // Either the request arrives, or the connection has ended.
        tokio::select! {
            () = held.arrived() => {}
            codes = frames.until_closed() => return (sent, codes),
        }
        if frames.send(kind, 0, stream, &payload).await.is_err() {
            break;
        }
    }
    (sent, frames.until_closed().await)
}

#[tokio::test]
async fn a_client_that_resets_its_requests_loses_its_connection() {
    let mut held = Held::start().await;
    let (edge, client) = edge_before(held.url(), "");
    let client = Client::with(&edge, &client);
    let mut frames = Frames::connect(&client, &[]).await;
    let (sent, codes) = give_up(&mut held, &mut frames, RESET, CANCEL.to_be_bytes()).await;
    assert!((101..=110).contains(&sent), "{sent}");
    assert_eq!(codes, [ENHANCE_YOUR_CALM]);
    assert_eq!(admin::metric(&edge, "mtls_edge_connections_closed_total{reason=\"abandoning\"}").await, 1);
    // Nothing is left of them at the upstream.
    none_left(&edge).await;
    let answered = tokio::spawn(async move { client.token("billing").await });
    held.arrived().await;
    // Also for those that were given up.
    held.release(sent + 1);
    assert_eq!(answered.await.unwrap().status, 200);
}

#[tokio::test]
async fn a_client_that_breaks_its_streams_loses_its_connection() {
    let mut held = Held::start().await;
    let (edge, client) = edge_before(held.url(), "");
    let client = Client::with(&edge, &client);
    let mut frames = Frames::connect(&client, &[]).await;
    // A window beyond 2^31-1 is an error of the stream (RFC 9113 section 6.9.1).
    let (sent, codes) = give_up(&mut held, &mut frames, WINDOW_UPDATE, 0x7fff_ffff_u32.to_be_bytes()).await;
    assert!((101..=110).contains(&sent), "{sent}");
    assert_eq!(codes, [ENHANCE_YOUR_CALM]);
    none_left(&edge).await;
}

#[tokio::test]
async fn streams_that_break_before_their_request_is_whole_count_as_well() {
    let upstream = Scripted::start(|_, stream| keep_answering(stream, OK)).await;
    let (edge, client) = edge_before(upstream.url(), "");
    let client = Client::with(&edge, &client);
    // In one write, so that the edge answers 400 to a stream that is gone.
    for kind in [RESET, WINDOW_UPDATE] {
        let mut frames = Frames::connect(&client, &[]).await;
        let payload = if kind == RESET { CANCEL } else { 0x7fff_ffff };
        let mut sent = 0;
        while sent < 2000 && frames.broken_token("billing", kind, payload).await.is_ok() {
            sent += 1;
            if sent % 50 == 0 {
                // Whatever it says of them, so that it can be heard at the end.
                tokio::task::yield_now().await;
            }
        }
        let codes = frames.until_closed().await;
        assert!(codes.contains(&ENHANCE_YOUR_CALM), "{kind} {sent} {codes:?}");
    }
    assert!(upstream.accepted() < 50, "{}", upstream.accepted());
}

#[tokio::test]
async fn a_client_that_ignores_goaway_is_not_served_for_ever() {
    let upstream = Scripted::start(|_, stream| keep_answering(stream, OK)).await;
    let (edge, client) = edge_before(upstream.url(), "");
    let stranger = self_signed("stranger");
    let _ = client;
    // A refused certificate closes the connection; this client acknowledges nothing, and goes on.
    let mut frames = Frames::connect(&Client::with(&edge, &stranger), &[]).await;
    let ended = timeout(PATIENCE, async {
        while frames.token("billing").await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    });
    ended.await.expect("it is served for ever");
}

/// Waits until no connection to the upstream is open.
async fn none_left(edge: &crate::support::Edge) {
    timeout(PATIENCE, async {
        while admin::metric(edge, "mtls_edge_upstream_connections").await > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("connections to the upstream stay open");
}

#[tokio::test]
async fn a_client_that_gives_up_now_and_then_is_served() {
    let upstream = Scripted::start(|_, stream| keep_answering(stream, OK)).await;
    let (edge, client) = edge_before(upstream.url(), "");
    let mut frames = Frames::connect(&Client::with(&edge, &client), &[]).await;
    for _ in 0..250 {
        // One that is never whole is given up, two are answered.
        let stream = frames.head("POST", "/oauth/token").await.unwrap();
        frames.send(RESET, 0, stream, &CANCEL.to_be_bytes()).await.unwrap();
        for _ in 0..2 {
            let stream = frames.token("billing").await.unwrap();
            frames.until_answered(stream).await;
        }
    }
}

#[tokio::test]
async fn requests_that_are_given_up_leave_no_connection_behind() {
    // It takes connections and requests, and says nothing.
    let open = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&open);
    let (sender, mut arrivals) = tokio::sync::mpsc::unbounded_channel();
    let upstream = Scripted::start(move |_, mut stream| {
        let (count, sender) = (Arc::clone(&count), sender.clone());
        async move {
            count.fetch_add(1, Ordering::SeqCst);
            while read_request(&mut stream).await.is_some() {
                let _ = sender.send(());
            }
            count.fetch_sub(1, Ordering::SeqCst);
        }
    })
    .await;
    let (edge, client) = edge_before(upstream.url(), "");
    let client = Client::with(&edge, &client);
    for _ in 0..4 {
        let mut frames = Frames::connect(&client, &[]).await;
        for _ in 0..90 {
            let stream = frames.token("billing").await.unwrap();
            // h2 ends a connection by itself whose streams are reset before they are looked at.
            arrivals.recv().await.unwrap();
            frames.send(RESET, 0, stream, &CANCEL.to_be_bytes()).await.unwrap();
        }
    }
    none_left(&edge).await;
    timeout(PATIENCE, async {
        while open.load(Ordering::SeqCst) > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the upstream still has connections");
}
