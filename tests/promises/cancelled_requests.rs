//! Clients that cancel their requests. A cancelled request costs the upstream something and the client almost nothing, so the edge
//! closes connections on which most requests are cancelled.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::AsyncWriteExt,
    sync::{
        Semaphore,
        mpsc::{UnboundedReceiver, unbounded_channel},
    },
    time::timeout,
};

use crate::support::{
    Ca, Client, DOMAIN, EdgeBuilder, Held, PATIENCE, admin, edge_before,
    frames::{CANCEL, ENHANCE_YOUR_CALM, Frames, RESET, WINDOW_UPDATE},
    scripted::{OK, Scripted, acceptor, https, keep_answering, read_request},
    self_signed, with_client,
};

/// Sends requests that are broken in some way once they have reached the upstream. Returns the edge's last frames.
async fn send_broken(held: &mut Held, frames: &mut Frames, kind: u8, payload: [u8; 4]) -> (usize, Vec<u32>) {
    let mut sent = 0;
    while sent < 1000 {
        let Ok(stream) = frames.token("billing").await else { break };
        sent += 1;
        // Either the request arrives, or the edge has closed the connection.
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
    let (edge, client) = edge_before(held.url(), "idle_timeout = \"1s\"");
    let client = Client::with(&edge, &client);
    let mut frames = Frames::connect(&client, &[]).await;
    let (sent, codes) = send_broken(&mut held, &mut frames, RESET, CANCEL.to_be_bytes()).await;
    assert!((101..=110).contains(&sent), "{sent}");
    assert_eq!(codes, [ENHANCE_YOUR_CALM]);
    assert_eq!(admin::metric(&edge, "mtls_edge_connections_closed_total{reason=\"abandoning\"}").await, 1);
    // No connection to the upstream is left open.
    wait_until_none_is_open(&edge).await;
    let answered = tokio::spawn(async move { client.token("billing").await });
    held.arrived().await;
    // Also to the cancelled requests.
    held.release(sent + 1);
    assert_eq!(answered.await.unwrap().status, 200);
}

#[tokio::test]
async fn a_client_that_breaks_its_streams_loses_its_connection() {
    let mut held = Held::start().await;
    let (edge, client) = edge_before(held.url(), "idle_timeout = \"1s\"");
    let client = Client::with(&edge, &client);
    let mut frames = Frames::connect(&client, &[]).await;
    // A window beyond 2^31-1 is an error of the stream (RFC 9113 section 6.9.1).
    let (sent, codes) =
        send_broken(&mut held, &mut frames, WINDOW_UPDATE, 0x7fff_ffff_u32.to_be_bytes()).await;
    assert!((101..=110).contains(&sent), "{sent}");
    assert_eq!(codes, [ENHANCE_YOUR_CALM]);
    wait_until_none_is_open(&edge).await;
}

#[tokio::test]
async fn the_log_says_which_request_an_abandoning_client_lost() {
    let mut held = Held::start().await;
    let (edge, client) = edge_before(held.url(), "");
    let mut frames = Frames::connect(&Client::with(&edge, &client), &[]).await;
    // The client waits for this one, and breaks the others.
    frames.token("billing").await.unwrap();
    held.arrived().await;
    send_broken(&mut held, &mut frames, RESET, CANCEL.to_be_bytes()).await;
    let line: serde_json::Value =
        serde_json::from_str(&edge.wait_for_log("\"aborted\":\"abandoning\"")).unwrap();
    assert_eq!((line.get("status"), &line["level"]), (None, &"INFO".into()), "{line}");
    assert!(edge.log().contains("\"aborted\":\"client\""));
    edge.wait_for_log("\"reason\":\"the client abandons most of its requests\"");
}

#[tokio::test]
async fn invalid_streams_count_as_cancelled() {
    let upstream = Scripted::start(|_, stream| keep_answering(stream, OK)).await;
    let (edge, client) = edge_before(upstream.url(), "");
    let client = Client::with(&edge, &client);
    // In one write, so that the edge responds with 400 on a stream that was reset.
    for kind in [RESET, WINDOW_UPDATE] {
        let mut frames = Frames::connect(&client, &[]).await;
        let payload = if kind == RESET { CANCEL } else { 0x7fff_ffff };
        let mut sent = 0;
        while sent < 2000 && frames.broken_token("billing", kind, payload).await.is_ok() {
            sent += 1;
            if sent % 50 == 0 {
                // Its frames are read, so that it can send the last one.
                tokio::task::yield_now().await;
            }
        }
        let codes = frames.until_closed().await;
        assert!(codes.contains(&ENHANCE_YOUR_CALM), "{kind} {sent} {codes:?}");
    }
    assert!(upstream.accepted() < 50, "{}", upstream.accepted());
}

#[tokio::test]
async fn a_client_that_ignores_goaway_is_disconnected() {
    let upstream = Scripted::start(|_, stream| keep_answering(stream, OK)).await;
    let (edge, client) = edge_before(upstream.url(), "");
    let stranger = self_signed("stranger");
    let _ = client;
    // A refused certificate closes the connection; this client ignores that, and continues.
    let mut frames = Frames::connect(&Client::with(&edge, &stranger), &[]).await;
    let ended = timeout(PATIENCE, async {
        while frames.token("billing").await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    });
    ended.await.expect("it is served without end");
}

/// Waits until no connection to the upstream is open.
async fn wait_until_none_is_open(edge: &crate::support::Edge) {
    timeout(PATIENCE, async {
        while admin::metric(edge, "mtls_edge_upstream_connections").await > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("connections to the upstream stay open");
}

#[tokio::test]
async fn a_client_that_cancels_some_requests_is_served() {
    let upstream = Scripted::start(|_, stream| keep_answering(stream, OK)).await;
    let (edge, client) = edge_before(upstream.url(), "");
    let mut frames = Frames::connect(&Client::with(&edge, &client), &[]).await;
    for _ in 0..250 {
        // One request that is never complete is cancelled, two get a response.
        let stream = frames.head("POST", "/oauth/token").await.unwrap();
        frames.send(RESET, 0, stream, &CANCEL.to_be_bytes()).await.unwrap();
        for _ in 0..2 {
            let stream = frames.token("billing").await.unwrap();
            frames.until_answered(stream).await;
        }
    }
}

#[tokio::test]
async fn cancelled_requests_leave_no_connection_open() {
    // It accepts connections and requests, and sends nothing.
    let open = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&open);
    let (sender, mut arrivals) = unbounded_channel();
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
            // h2 itself closes a connection whose streams are reset before they are accepted.
            arrivals.recv().await.unwrap();
            frames.send(RESET, 0, stream, &CANCEL.to_be_bytes()).await.unwrap();
        }
    }
    wait_until_none_is_open(&edge).await;
    timeout(PATIENCE, async {
        while open.load(Ordering::SeqCst) > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the upstream still has connections");
}

#[tokio::test]
async fn cancelled_requests_share_connections() {
    for (kind, payload) in [(RESET, CANCEL), (WINDOW_UPDATE, 0x7fff_ffff)] {
        let mut held = Held::start().await;
        let (edge, client) = edge_before(held.url(), "");
        let client = Client::with(&edge, &client);
        for _ in 0..3 {
            let mut frames = Frames::connect(&client, &[]).await;
            for _ in 0..90 {
                let stream = frames.token("billing").await.unwrap();
                held.arrived().await;
                frames.send(kind, 0, stream, &payload.to_be_bytes()).await.unwrap();
                frames.ping().await;
                held.release(1);
            }
        }
        // Another connection is opened only if the next request arrives before a response was read.
        assert!(held.accepted() < 30, "{kind}: {} connections for 270 requests", held.accepted());
    }
}

#[tokio::test]
async fn a_cancelled_response_leaves_a_clean_connection() {
    let rest = Arc::new(Semaphore::new(0));
    let sent = Arc::new(Semaphore::new(0));
    let (permits, written) = (Arc::clone(&rest), Arc::clone(&sent));
    let upstream = Scripted::start(move |_, mut stream| {
        let (permits, written) = (Arc::clone(&permits), Arc::clone(&written));
        async move {
            while read_request(&mut stream).await.is_some() {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nha").await.unwrap();
                permits.acquire().await.unwrap().forget();
                let result = stream.write_all(b"lf").await;
                written.add_permits(1);
                if result.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    let (edge, client) = edge_before(upstream.url(), "");
    let client = Client::with(&edge, &client);
    let mut frames = Frames::connect(&client, &[]).await;
    for _ in 0..90 {
        let stream = frames.token("billing").await.unwrap();
        frames.until_answered(stream).await;
        frames.send(RESET, 0, stream, &CANCEL.to_be_bytes()).await.unwrap();
        frames.ping().await;
        rest.add_permits(1);
        sent.acquire().await.unwrap().forget();
        // The edge reads what has arrived before it responds to a later ping.
        frames.ping().await;
    }
    assert!(upstream.accepted() < 30, "{} connections for 90 requests", upstream.accepted());
    // The rest of a response is not read as that of another request.
    rest.add_permits(1);
    let answer = client.token("billing").await;
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"half"[..]));
}

/// An https upstream that begins each handshake when it gets a permit, and then responds. Returns what it receives.
async fn tls_upstream_by_permit(ca: &Ca, permits: Arc<Semaphore>) -> (Scripted, UnboundedReceiver<String>) {
    let acceptor = acceptor(&ca.server(&["localhost"]), &["http/1.1"]);
    let (sender, requests) = unbounded_channel();
    let upstream = Scripted::start(move |_, stream| {
        let (acceptor, permits, sender) = (acceptor.clone(), Arc::clone(&permits), sender.clone());
        async move {
            permits.acquire().await.unwrap().forget();
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            while let Some(request) = read_request(&mut stream).await {
                let _ = sender.send(request);
                if stream.write_all(OK).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    (upstream, requests)
}

/// Waits until this many connections were opened.
async fn wait_until_opened(upstream: &Scripted, connections: usize) {
    timeout(PATIENCE, async {
        while upstream.accepted() < connections {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("no further connection is opened");
}

#[tokio::test]
async fn an_abandoned_connection_serves_the_next_request() {
    let (ca, permits) = (Ca::new("Upstream CA"), Arc::new(Semaphore::new(0)));
    let (upstream, _requests) = tls_upstream_by_permit(&ca, Arc::clone(&permits)).await;
    let edge = EdgeBuilder::new(https(&upstream)).file("upstream-ca.pem", ca.pem());
    let (edge, client) = with_client(edge.upstream("ca = \"upstream-ca.pem\"\nconnect_timeout = \"60s\""));
    let client = Client::with(&edge, &client);
    let mut frames = Frames::connect(&client, &[]).await;
    for _ in 0..90 {
        let stream = frames.token("billing").await.unwrap();
        wait_until_opened(&upstream, 1).await;
        frames.ping().await;
        frames.send(RESET, 0, stream, &CANCEL.to_be_bytes()).await.unwrap();
    }
    let last = frames.token("billing").await.unwrap();
    frames.ping().await;
    assert_eq!(upstream.accepted(), 1);
    permits.add_permits(1);
    frames.until_answered(last).await;
    assert_eq!(upstream.accepted(), 1);
}

#[tokio::test]
async fn a_waiting_request_takes_the_first_free_connection() {
    // Only the first connection completes its handshake, as if the SYNs of the others were dropped by a full accept queue.
    let (arrived, mut arrivals) = unbounded_channel();
    let permits = Arc::new(Semaphore::new(0));
    let (ca, release) = (Ca::new("Upstream CA"), Arc::clone(&permits));
    let acceptor = acceptor(&ca.server(&["localhost"]), &["http/1.1"]);
    let upstream = Scripted::start(move |number, stream| {
        let (acceptor, arrived, permits) = (acceptor.clone(), arrived.clone(), Arc::clone(&permits));
        async move {
            if number > 0 {
                return std::future::pending().await;
            }
            let mut stream = acceptor.accept(stream).await.unwrap();
            while read_request(&mut stream).await.is_some() {
                arrived.send(()).unwrap();
                permits.acquire().await.unwrap().forget();
                stream.write_all(OK).await.unwrap();
            }
        }
    })
    .await;
    let edge = EdgeBuilder::new(https(&upstream)).file("upstream-ca.pem", ca.pem());
    let (edge, client) = with_client(edge.upstream("ca = \"upstream-ca.pem\"\nconnect_timeout = \"60s\""));
    let client = Client::with(&edge, &client);
    // Over one connection, so that it is one worker.
    let mut frames = Frames::connect(&client, &[]).await;
    let first = frames.token("billing").await.unwrap();
    arrivals.recv().await.unwrap();
    let second = frames.token("billing").await.unwrap();
    wait_until_opened(&upstream, 2).await;
    release.add_permits(2);
    frames.until_answered(first).await;
    frames.until_answered(second).await;
}

#[tokio::test]
async fn an_application_gets_a_connection_opened_for_others() {
    // Only the first connection completes its handshake, as in a flood of anonymous requests.
    let (ca, permits) = (Ca::new("Upstream CA"), Arc::new(Semaphore::new(0)));
    let (upstream, mut requests) = tls_upstream_by_permit(&ca, Arc::clone(&permits)).await;
    let routes = "client_auth = \"optional\"\n[[domain.route]]\n[[domain.route]]\npath = \"/open\"\nmethods = [\"GET\"]\nauthenticate = \"none\"";
    let client = self_signed("billing");
    let edge = EdgeBuilder::new(https(&upstream))
        .workers(1)
        .file("upstream-ca.pem", ca.pem())
        .upstream("ca = \"upstream-ca.pem\"\nconnect_timeout = \"60s\"")
        .domain(DOMAIN, routes)
        .self_signed_application("billing", &[client.thumbprint()])
        .start();
    let mut stranger = Frames::connect(&Client::new(&edge), &[]).await;
    let waiting = stranger.get("/open").await.unwrap();
    wait_until_opened(&upstream, 1).await;
    let client = Client::with(&edge, &client);
    let answered = tokio::spawn(async move { client.token("billing").await });
    wait_until_opened(&upstream, 2).await;
    permits.add_permits(1);
    let first = timeout(PATIENCE, requests.recv()).await.unwrap().unwrap();
    assert!(first.starts_with("POST /oauth/token "), "{first}");
    assert_eq!(timeout(PATIENCE, answered).await.unwrap().unwrap().status, 200);
    stranger.until_answered(waiting).await;
}
