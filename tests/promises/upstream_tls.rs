//! An https upstream: HTTP/2 or HTTP/1.1 by ALPN, its certificate is verified, and refused streams are retried.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Response, Version};
use http_body_util::Full;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{
    Ca, Client, Credentials, DOMAIN, Edge, EdgeBuilder, TlsUpstream, admin,
    scripted::{Scripted, Step, acceptor, https, read_request, serve_frames},
    with_client,
};

const RETRIES: &str = "mtls_edge_upstream_retries_total{upstream=\"as\"}";

fn edge_before_tls(url: String, ca: &Ca, upstream: &str) -> (Edge, Credentials) {
    let edge = EdgeBuilder::new(url).file("upstream-ca.pem", ca.pem());
    with_client(edge.upstream("ca = \"upstream-ca.pem\"").upstream(upstream))
}

fn answer() -> Response<Full<Bytes>> {
    Response::new(Full::from("{\"ok\":true}"))
}

#[tokio::test]
async fn the_upstream_selects_the_http_version() {
    let ca = Ca::new("Upstream CA");
    let server = ca.server(&["localhost"]);
    let both: &[&str] = &["h2", "http/1.1"];
    for (protocols, version) in
        [(both, Version::HTTP_2), (&["http/1.1"], Version::HTTP_11), (&[], Version::HTTP_11)]
    {
        let upstream = TlsUpstream::answering(&server, protocols, |_| answer()).await;
        let (edge, client) = edge_before_tls(upstream.url(), &ca, "host = \"tenant.edge.example\"");
        for client in [Client::with(&edge, &client), Client::with(&edge, &client).http2()] {
            let mut connection = client.connect().await;
            for _ in 0..3 {
                let answer = connection.token("billing").await;
                assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"{\"ok\":true}"[..]));
            }
        }
        let seen = upstream.seen();
        assert_eq!(seen.len(), 6);
        for (found, seen) in &seen {
            assert_eq!(*found, version, "{protocols:?}");
            let host = match version {
                Version::HTTP_2 => seen.uri.authority().unwrap().to_string(),
                _ => seen.header("host"),
            };
            assert_eq!(host, "tenant.edge.example");
            assert_eq!(seen.uri.path(), "/oauth/token");
            assert_eq!(seen.header("x-forwarded-host"), DOMAIN);
            assert_eq!(seen.header("client-certificate-ca-verified"), "FAILED:self signed certificate");
            assert_eq!(seen.body, "grant_type=client_credentials&client_id=billing");
        }
        assert!(upstream.accepted() <= 2, "{protocols:?}: {} connections", upstream.accepted());
    }
}

#[tokio::test]
async fn concurrent_requests_share_one_http2_connection() {
    let ca = Ca::new("Upstream CA");
    let upstream = TlsUpstream::answering(&ca.server(&["localhost"]), &["h2"], |_| answer()).await;
    let (edge, client) = edge_before_tls(upstream.url(), &ca, "");
    // One request per worker first, so that both have a connection; then many at once.
    let clients: Vec<Client> = (0..16).map(|_| Client::with(&edge, &client)).collect();
    assert_eq!(clients[0].token("billing").await.status, 200);
    let answers = futures_util::future::join_all(clients.iter().map(|client| client.token("billing"))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    for client in &clients {
        assert_eq!(client.token("billing").await.status, 200);
    }
    assert_eq!(upstream.seen().len(), 33);
}

#[tokio::test]
async fn an_upstream_that_does_not_prove_its_name_is_503() {
    let (ca, other) = (Ca::new("Upstream CA"), Ca::new("Upstream CA"));
    for (server, why) in [
        (other.server(&["localhost"]), "its issuer has another key than the trusted CA of that name"),
        (
            ca.server(&["elsewhere.example"]),
            "for elsewhere.example, not localhost: write server_name = \\\"elsewhere.example\\\"",
        ),
    ] {
        let upstream = TlsUpstream::answering(&server, &["h2", "http/1.1"], |_| answer()).await;
        let (edge, client) = edge_before_tls(upstream.url(), &ca, "");
        let answer = Client::with(&edge, &client).token("billing").await;
        let description = answer.oauth_error(503, "temporarily_unavailable");
        assert!(!description.contains("certificate"), "{description}");
        edge.wait_for_log(why);
        assert!(upstream.seen().is_empty(), "nothing must be sent to an unverified server");
    }
    // The same if it does not speak TLS at all.
    let upstream = Scripted::start(|_, mut stream| async move {
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await;
    let (edge, client) = edge_before_tls(https(&upstream), &ca, "");
    let answer = Client::with(&edge, &client).token("billing").await;
    answer.oauth_error(503, "temporarily_unavailable");
}

#[tokio::test]
async fn an_upstream_proves_the_server_name_that_is_configured() {
    let ca = Ca::new("Upstream CA");
    for (name, setting, status) in [
        ("auth.internal.example", "server_name = \"AUTH.internal.example\"", 200),
        ("auth.internal.example", "server_name = \"other.internal.example\"", 503),
        ("auth.internal.example", "", 503),
        ("localhost", "server_name = \"auth.internal.example\"", 503),
    ] {
        let upstream = TlsUpstream::answering(&ca.server(&[name]), &["h2", "http/1.1"], |_| answer()).await;
        let (edge, client) = edge_before_tls(upstream.url(), &ca, setting);
        let answer = Client::with(&edge, &client).token("billing").await;
        assert_eq!(answer.status, status, "{name} {setting}");
    }
}

#[tokio::test]
async fn an_upstream_that_never_finishes_its_handshake_is_503_in_time() {
    let ca = Ca::new("Upstream CA");
    let upstream = Scripted::start(|_, stream| async move {
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let (edge, client) = edge_before_tls(https(&upstream), &ca, "connect_timeout = \"300ms\"");
    let answer = Client::with(&edge, &client).token("billing").await;
    answer.oauth_error(503, "temporarily_unavailable");
    edge.wait_for_log("no connection within 300ms");
}

/// An HTTP/2 upstream that executes `steps`, one per request, and responds to all later requests.
async fn by_steps(ca: &Ca, steps: &'static [Step]) -> (Scripted, Arc<AtomicUsize>) {
    let acceptor = acceptor(&ca.server(&["localhost"]), &["h2"]);
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    let upstream = Scripted::start(move |_, stream| {
        let (acceptor, count) = (acceptor.clone(), Arc::clone(&count));
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let step = || {
                let number = count.fetch_add(1, Ordering::SeqCst);
                steps.get(number).copied().unwrap_or(Step::Answer)
            };
            let _ = serve_frames(stream, step).await;
        }
    })
    .await;
    (upstream, requests)
}

#[tokio::test]
async fn an_unprocessed_stream_is_retried() {
    const REFUSED_STREAM: u32 = 7;
    let ca = Ca::new("Upstream CA");
    for (steps, connections) in [(&[Step::Reset(REFUSED_STREAM)], 1), (&[Step::GoAway(0)], 2)] {
        let (upstream, requests) = by_steps(&ca, steps).await;
        let (edge, client) = edge_before_tls(https(&upstream), &ca, "");
        let mut connection = Client::with(&edge, &client).connect().await;
        assert_eq!(connection.token("billing").await.status, 200, "{steps:?}");
        assert_eq!(requests.load(Ordering::SeqCst), 2, "{steps:?}");
        assert_eq!(upstream.accepted(), connections, "{steps:?}");
        assert_eq!(connection.token("billing").await.status, 200);
        assert_eq!(upstream.accepted(), connections, "{steps:?}");
        assert_eq!(admin::metric(&edge, RETRIES).await, 1, "{steps:?}");
    }
}

/// Over HTTP/2 the field is among the request's others, over HTTP/1.1 beside them.
#[tokio::test]
async fn a_retry_over_http1_has_one_traceparent() {
    let ca = Ca::new("Upstream CA");
    let server = ca.server(&["localhost"]);
    let [http2, http1] = ["h2", "http/1.1"].map(|protocol| acceptor(&server, &[protocol]));
    let (sender, mut requests) = tokio::sync::mpsc::unbounded_channel();
    let upstream = Scripted::start(move |number, stream| {
        let (http2, http1, sender) = (http2.clone(), http1.clone(), sender.clone());
        async move {
            if number == 0 {
                let _ = serve_frames(http2.accept(stream).await.unwrap(), || Step::GoAway(0)).await;
                return;
            }
            let mut stream = http1.accept(stream).await.unwrap();
            sender.send(read_request(&mut stream).await.unwrap()).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    })
    .await;
    let edge = EdgeBuilder::new(https(&upstream)).file("upstream-ca.pem", ca.pem());
    let traces = "[traces]\nendpoint = \"http://127.0.0.1:9\"";
    let (edge, client) = with_client(edge.upstream("ca = \"upstream-ca.pem\"").extra(traces));
    assert_eq!(Client::with(&edge, &client).token("billing").await.status, 200);
    let request = requests.recv().await.unwrap();
    assert_eq!(request.matches("\r\ntraceparent: 00-").count(), 1, "{request}");
    assert_eq!(admin::metric(&edge, RETRIES).await, 1);
}

#[tokio::test]
async fn a_possibly_processed_stream_is_not_retried() {
    const INTERNAL_ERROR: u32 = 2;
    const CANCEL: u32 = 8;
    let ca = Ca::new("Upstream CA");
    // The first stream of a connection is number 1: a GOAWAY that names it states that it may have been processed.
    for step in [&[Step::Reset(INTERNAL_ERROR)], &[Step::Reset(CANCEL)], &[Step::GoAway(1)]] {
        let (upstream, requests) = by_steps(&ca, step).await;
        let (edge, client) = edge_before_tls(https(&upstream), &ca, "");
        let mut connection = Client::with(&edge, &client).connect().await;
        connection.token("billing").await.oauth_error(502, "server_error");
        assert_eq!(requests.load(Ordering::SeqCst), 1, "{step:?}");
        // The next request gets a working connection.
        assert_eq!(connection.token("billing").await.status, 200, "{step:?}");
        assert_eq!(admin::metric(&edge, RETRIES).await, 0, "{step:?}");
    }
}

#[tokio::test]
async fn an_upstream_that_refuses_streams_is_502() {
    const REFUSALS: [Step; 64] = [Step::Reset(7); 64];
    let ca = Ca::new("Upstream CA");
    let (upstream, requests) = by_steps(&ca, &REFUSALS).await;
    let (edge, client) = edge_before_tls(https(&upstream), &ca, "");
    Client::with(&edge, &client).token("billing").await.oauth_error(502, "server_error");
    let sent = requests.load(Ordering::SeqCst);
    assert!((2..=4).contains(&sent), "{sent}");
    assert_eq!(admin::metric(&edge, RETRIES).await, i64::try_from(sent).unwrap() - 1);
}

#[tokio::test]
async fn an_answered_bodys_remainder_is_not_a_request() {
    let ca = Ca::new("Upstream CA");
    let acceptor = acceptor(&ca.server(&["localhost"]), &["h2"]);
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    let upstream = Scripted::start(move |_, stream| {
        let (acceptor, count) = (acceptor.clone(), Arc::clone(&count));
        async move {
            let mut connection = h2::server::handshake(acceptor.accept(stream).await.unwrap()).await.unwrap();
            let mut bodies = Vec::new();
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                respond.send_response(Response::new(()), true).unwrap();
                // It would still accept the rest.
                bodies.push((request, respond));
            }
        }
    })
    .await;
    let (edge, client) = edge_before_tls(https(&upstream), &ca, "");
    let mut stream = Client::with(&edge, &client).tls().await.unwrap();
    let head = format!("POST /any/thing HTTP/1.1\r\nhost: {DOMAIN}\r\ncontent-length: 10000\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 200");
    // Longer than a connection is used without a pause.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let body = format!("GET /any/a HTTP/1.1\r\nhost: {DOMAIN}\r\n\r\n");
    let _ = stream.write_all(body.as_bytes()).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(requests.load(Ordering::SeqCst), 1);
}
