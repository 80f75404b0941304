//! How long connections to an upstream live, and which origin gets the next request: a failed origin is probed by one request at
//! a time, and a connection is used no longer than the origin permits.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::join_all;
use http::Response;
use http_body_util::Full;
use socket2::{Domain, Socket, Type};
use tokio::io::AsyncWriteExt;

use crate::support::{
    Ca, Client, Credentials, Edge, EdgeBuilder, TlsUpstream, Upstream,
    scripted::{Scripted, https, read_request},
    with_client,
};

fn ok() -> Response<Full<Bytes>> {
    Response::new("ok".into())
}

/// An origin that accepts connections and sends nothing, so that no TLS handshake completes.
async fn silent() -> Scripted {
    Scripted::start(|_, stream| async move {
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await
}

#[tokio::test]
async fn an_origin_that_failed_is_probed_by_one_request_at_a_time() {
    let ca = Ca::new("Upstream CA");
    let (failing, fine) =
        (silent().await, TlsUpstream::answering(&ca.server(&["localhost"]), &["http/1.1"], |_| ok()).await);
    let settings = "connect_timeout = \"500ms\"\nca = \"upstream-ca.pem\"";
    let edge = EdgeBuilder::new(https(&failing)).also_upstream(fine.url()).upstream(settings).workers(4);
    let edge = edge.file("upstream-ca.pem", ca.pem());
    let (edge, client) = with_client(edge);
    let clients: Vec<Client> = (0..12).map(|_| Client::with(&edge, &client)).collect();
    // The first request waits; then all workers know.
    while failing.accepted() == 0 {
        assert_eq!(clients[0].token("billing").await.status, 200);
    }
    let begun = Instant::now();
    for probed in 1..3 {
        while failing.accepted() == probed {
            for answer in join_all(clients.iter().map(|client| client.token("billing"))).await {
                assert_eq!(answer.status, 200);
            }
        }
        // More only if the machine is so slow that another probe was due.
        let due = usize::try_from(begun.elapsed().as_secs() / 2).unwrap();
        assert!(failing.accepted() <= due.max(probed) + 1, "{} probes, {due} due", failing.accepted());
    }
}

/// A host that drops SYNs, as a firewall does: its accept queue is full.
fn dropping_syns() -> (SocketAddr, Vec<Socket>) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = vec![listener];
    held.extend((0..4).map(|_| {
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        client.set_nonblocking(true).unwrap();
        let _ = client.connect(&address);
        client
    }));
    (address.as_socket().unwrap(), held)
}

#[tokio::test]
async fn requests_skip_an_origin_that_drops_syns() {
    let ((silent, _held), fine) = (dropping_syns(), Upstream::start().await);
    let edge = EdgeBuilder::new(format!("http://{silent}")).also_upstream(fine.url());
    let (edge, client) = with_client(edge.upstream("connect_timeout = \"500ms\"").workers(2));
    let clients: Vec<Client> = (0..8).map(|_| Client::with(&edge, &client)).collect();
    for _ in 0..3 {
        for answer in join_all(clients.iter().map(|client| client.token("billing"))).await {
            assert_eq!(answer.status, 200);
        }
    }
}

/// If all origins have failed, requests still try them.
#[tokio::test]
async fn origins_that_all_failed_are_still_tried() {
    let ca = Ca::new("Upstream CA");
    let (one, other) = (silent().await, silent().await);
    let settings = "connect_timeout = \"200ms\"\nca = \"upstream-ca.pem\"";
    let edge = EdgeBuilder::new(https(&one)).also_upstream(https(&other)).upstream(settings);
    let (edge, client) = with_client(edge.file("upstream-ca.pem", ca.pem()));
    let client = Client::with(&edge, &client);
    for tries in 1..4 {
        client.token("billing").await.oauth_error(503, "temporarily_unavailable");
        assert!(one.accepted() >= tries && other.accepted() >= tries);
    }
}

/// An edge with an HTTP/1.1 upstream that responds with these lines. Returns how many connections carried more than one request.
async fn answering_with(lines: &'static str) -> (Scripted, Arc<AtomicUsize>) {
    let reused = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&reused);
    let upstream = Scripted::start(move |_, mut stream| {
        let count = Arc::clone(&count);
        async move {
            let mut requests = 0;
            while read_request(&mut stream).await.is_some() {
                requests += 1;
                if requests == 2 {
                    count.fetch_add(1, Ordering::SeqCst);
                }
                let answer = format!("HTTP/1.1 200 OK\r\n{lines}content-length: 2\r\n\r\nok");
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    (upstream, reused)
}

async fn tokens(edge: &Edge, client: &Credentials, count: usize) {
    let client = Client::with(edge, client);
    for _ in 0..count {
        let answer = client.token("billing").await;
        assert_eq!(answer.status, 200);
        assert!(!answer.headers.contains_key("keep-alive"));
    }
}

#[tokio::test]
async fn a_connection_that_may_close_soon_is_not_reused() {
    for lines in [
        "keep-alive: timeout=1\r\n",
        "Keep-Alive: timeout=0\r\nConnection: keep-alive\r\n",
        "keep-alive: max=100, Timeout = 1\r\n",
        "keep-alive: max=100\r\nkeep-alive: timeout=1\r\n",
        "keep-alive: timeout=60, max=0\r\n",
    ] {
        let (upstream, reused) = answering_with(lines).await;
        let (edge, client) = with_client(EdgeBuilder::new(upstream.url()).workers(1));
        tokens(&edge, &client, 4).await;
        assert_eq!((upstream.accepted(), reused.load(Ordering::SeqCst)), (4, 0), "{lines}");
    }
}

#[tokio::test]
async fn a_malformed_keep_alive_is_ignored() {
    for lines in [
        "keep-alive: timeout=60, max=100\r\n",
        "keep-alive: timeout=-1, max=x\r\n",
        "keep-alive: timeout, =, max=\r\n",
        "keep-alive: 0\r\n",
    ] {
        let (upstream, reused) = answering_with(lines).await;
        let (edge, client) = with_client(EdgeBuilder::new(upstream.url()).workers(1));
        tokens(&edge, &client, 4).await;
        assert_eq!((upstream.accepted(), reused.load(Ordering::SeqCst)), (1, 1), "{lines}");
    }
}

/// The origin closes the connection during a request that arrives after its stated timeout.
#[tokio::test]
async fn a_connection_is_not_reused_later_than_its_origin_says() {
    let upstream = Scripted::start(|_, mut stream| async move {
        let mut answered: Option<Instant> = None;
        while read_request(&mut stream).await.is_some() {
            if answered.is_some_and(|at| at.elapsed() > Duration::from_secs(2)) {
                return;
            }
            answered = Some(Instant::now());
            let answer = b"HTTP/1.1 200 OK\r\nkeep-alive: timeout=2\r\ncontent-length: 2\r\n\r\nok";
            if stream.write_all(answer).await.is_err() {
                return;
            }
        }
    })
    .await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()).workers(1));
    tokens(&edge, &client, 2).await;
    assert_eq!(upstream.accepted(), 1);
    tokio::time::sleep(Duration::from_millis(2200)).await;
    tokens(&edge, &client, 1).await;
    assert_eq!(upstream.accepted(), 2);
}
