//! Several origins of one upstream: how requests are distributed, which origins they avoid, and when they return.

use std::sync::{
    Arc,
    atomic::{AtomicU16, AtomicUsize, Ordering::SeqCst},
};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Semaphore,
};

use crate::support::{
    Ca, Client, Credentials, DOMAIN, Edge, EdgeBuilder, TlsUpstream, Upstream, admin,
    scripted::{Scripted, read_head, read_request, serve_http},
    with_client,
};

/// An origin that answers with the status that the test sets, once the test permits it.
struct Origin {
    scripted: Scripted,
    status: Arc<AtomicU16>,
    /// Permits to answer.
    permits: Arc<Semaphore>,
    /// Requests that arrived, without health checks.
    seen: Arc<AtomicUsize>,
}

impl Origin {
    async fn start() -> Self {
        let (status, seen) = (Arc::new(AtomicU16::new(200)), Arc::new(AtomicUsize::new(0)));
        let permits = Arc::new(Semaphore::new(1_000_000));
        let (answer, count, wait) = (Arc::clone(&status), Arc::clone(&seen), Arc::clone(&permits));
        let scripted = Scripted::start(move |_, stream| {
            let (answer, count, wait) = (Arc::clone(&answer), Arc::clone(&count), Arc::clone(&wait));
            serve_http(stream, false, move |request| {
                let (answer, count, wait) = (Arc::clone(&answer), Arc::clone(&count), Arc::clone(&wait));
                async move {
                    if request.uri().path() != "/health" {
                        count.fetch_add(1, SeqCst);
                        wait.acquire().await.unwrap().forget();
                    }
                    let mut response = Response::new(Full::new(Bytes::from_static(b"{}")));
                    *response.status_mut() = StatusCode::from_u16(answer.load(SeqCst)).unwrap();
                    response
                }
            })
        })
        .await;
        Self { scripted, status, permits, seen }
    }

    fn seen(&self) -> usize {
        self.seen.load(SeqCst)
    }

    fn metric(&self, name: &str) -> String {
        format!("mtls_edge_upstream_{name}{{upstream=\"as\",origin=\"{}\"}}", self.scripted.url())
    }
}

fn edge_before(origins: &[&Origin], workers: usize, settings: &str) -> (Edge, Credentials) {
    let mut edge = EdgeBuilder::new(origins[0].scripted.url()).workers(workers).upstream(settings);
    for origin in &origins[1..] {
        edge = edge.also_upstream(origin.scripted.url());
    }
    with_client(edge)
}

#[tokio::test]
async fn requests_go_to_the_origin_with_the_fewest() {
    let (busy, free) = (Origin::start().await, Origin::start().await);
    let (edge, client) = edge_before(&[&busy, &free], 2, "");
    let client = Client::with(&edge, &client).http2();
    busy.permits.forget_permits(1_000_000);
    // Over both workers, and whichever origin is first.
    let mut held = Vec::new();
    while busy.seen() == 0 {
        let connection = client.connect().await;
        held.push((connection.start_token("billing"), connection));
        admin::happens(async || busy.seen() > 0 || held.iter().all(|(answer, _)| answer.is_finished())).await;
    }
    for _ in 0..20 {
        assert_eq!(client.token("billing").await.status, 200);
    }
    assert_eq!(busy.seen(), 1);
    assert_eq!(admin::metric(&edge, &busy.metric("origin_requests_in_flight")).await, 1);
    busy.permits.add_permits(1_000_000);
    for (answer, _connection) in held {
        assert_eq!(answer.await.unwrap().status, 200);
    }
    assert_eq!(admin::metric(&edge, &busy.metric("origin_requests_in_flight")).await, 0);
    // Without load they take turns.
    let before = busy.seen();
    let mut connection = client.connect().await;
    for _ in 0..20 {
        assert_eq!(connection.token("billing").await.status, 200);
    }
    assert_eq!(busy.seen() - before, 10);
}

#[tokio::test]
async fn round_robin_ignores_what_is_in_flight() {
    let (busy, free) = (Origin::start().await, Origin::start().await);
    let (edge, client) = edge_before(&[&busy, &free], 1, "balance = \"round-robin\"");
    busy.permits.forget_permits(1_000_000);
    let client = Client::with(&edge, &client).http2();
    let connection = client.connect().await;
    let answers: Vec<_> = (0..20).map(|_| connection.start_token("billing")).collect();
    admin::happens(async || busy.seen() == 10 && free.seen() == 10).await;
    busy.permits.add_permits(1_000_000);
    for answer in answers {
        assert_eq!(answer.await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn an_origin_that_answers_503_is_ejected() {
    let (bad, good) = (Origin::start().await, Origin::start().await);
    bad.status.store(503, SeqCst);
    let (edge, client) = edge_before(&[&bad, &good], 2, "eject_after = 3");
    let client = Client::with(&edge, &client);
    let mut failed = 0;
    for _ in 0..30 {
        let answer = client.token("billing").await;
        failed += usize::from(answer.status == 503);
    }
    // The upstream's own answers are passed on.
    assert_eq!((bad.seen(), good.seen(), failed), (3, 27, 3));
    let line = edge.wait_for_log("\"origin ejected\"");
    assert!(line.contains(&bad.scripted.url()) && line.contains("\"error\":\"status 503\""), "{line}");
    assert_eq!(admin::metric(&edge, &bad.metric("origin_failing")).await, 1);
    let status = admin::status(&edge, "").await;
    let shown = status["upstreams"][0]["origins"][0].clone();
    assert_eq!((&shown["state"], &shown["reason"]), (&"failing".into(), &"ejected".into()), "{status}");
    assert!(status["health"].to_string().contains("(ejected: status 503)"), "{status}");
    assert_eq!(admin::metric(&edge, &bad.metric("ejections_total")).await, 1);
    assert_eq!(admin::metric(&edge, &good.metric("ejections_total")).await, 0);
    // The last one is never ejected, but shown as failing.
    good.status.store(503, SeqCst);
    for _ in 0..10 {
        assert_eq!(client.token("billing").await.status, 503);
    }
    assert_eq!(admin::metric(&edge, &good.metric("ejections_total")).await, 0);
    assert_eq!(admin::metric(&edge, &good.metric("origin_failing")).await, 1);
    let line = edge.wait_for_log("\"origin failing\"");
    assert!(line.contains(&good.scripted.url()), "{line}");
    let status = admin::status(&edge, "").await;
    let shown = &status["upstreams"][0]["origins"][1];
    assert_eq!((&shown["state"], &shown["reason"]), (&"failing".into(), &"failing".into()), "{status}");
    let problem = |code: &str| {
        let problems = status["health"]["problems"].as_array().unwrap();
        let found = problems.iter().find(|problem| problem["code"] == code);
        found.unwrap_or_else(|| panic!("{status}"))["what"].as_str().unwrap().to_owned()
    };
    assert!(problem("upstream_down").contains("(failing: status 503)"), "{status}");
    let failed = format!(
        "origins that failed in that time: {} (status 503), {} (status 503)",
        bad.scripted.url(),
        good.scripted.url()
    );
    assert!(problem("server_errors").ends_with(&failed), "{status}");
    good.status.store(200, SeqCst);
    assert_eq!(client.token("billing").await.status, 200);
    assert_eq!(admin::metric(&edge, &good.metric("origin_failing")).await, 0);
}

/// Answers each request with these bytes, and closes the connection.
async fn breaking_off(bytes: &'static [u8]) -> Scripted {
    Scripted::start(move |_, mut stream| async move {
        if read_request(&mut stream).await.is_some() {
            let _ = stream.write_all(bytes).await;
        }
    })
    .await
}

// The log is waited for on a thread of its own, while the origins answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_that_breaks_off_its_responses_is_ejected() {
    for bytes in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"access_token\":"[..],
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    ] {
        let (bad, good) = (breaking_off(bytes).await, Upstream::start().await);
        let edge = EdgeBuilder::new(bad.url()).upstream("eject_after = 3").also_upstream(good.url());
        let (edge, client) = with_client(edge);
        let clients = [Client::with(&edge, &client), Client::with(&edge, &client).http2()];
        for client in clients.iter().cycle().take(12) {
            let request = crate::support::client::token_request("billing");
            let _ = client.connect().await.try_send(request).await;
        }
        assert_eq!((bad.accepted(), good.seen().len()), (3, 9));
        edge.wait_for_log("\"origin ejected\"");
        let origin = &admin::status(&edge, "").await["upstreams"][0]["origins"][0];
        assert_eq!(origin["reason"], "ejected", "{origin}");
        assert!(origin["last_failure"]["why"].is_string(), "{origin}");
    }
}

#[tokio::test]
async fn a_failed_response_that_breaks_off_counts_once() {
    let bad = breaking_off(b"HTTP/1.1 503 Unavailable\r\ncontent-length: 100\r\n\r\nno").await;
    let (edge, client) = with_client(EdgeBuilder::new(bad.url()).upstream("eject_after = 3"));
    let failing = format!("mtls_edge_upstream_origin_failing{{upstream=\"as\",origin=\"{}\"}}", bad.url());
    for count in 1..=3 {
        let request = crate::support::client::token_request("billing");
        assert!(Client::with(&edge, &client).connect().await.try_send(request).await.is_err());
        assert_eq!(admin::metric(&edge, &failing).await, i64::from(count == 3), "{count}");
    }
}

#[tokio::test]
async fn what_a_client_breaks_off_does_not_count() {
    let upstream = Scripted::start(|_, mut stream| async move {
        let head = read_head(&mut stream).await;
        // Its end would reset a connection with unread bytes.
        stream.read_exact(&mut [0; 4]).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await.unwrap();
        if head.starts_with(b"POST /oauth/token") {
            std::future::pending::<()>().await;
        }
    })
    .await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()).upstream("eject_after = 1"));
    let client = Client::with(&edge, &client);
    for request in [
        // It reads a part of the response, and leaves.
        format!(
            "POST /oauth/token HTTP/1.1\r\nHost: {DOMAIN}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 17\r\n\r\nclient_id=billing"
        ),
        // The origin does not wait for the rest of the request.
        format!("POST /any/thing HTTP/1.1\r\nHost: {DOMAIN}\r\nContent-Length: 17\r\n\r\nhalf"),
    ] {
        let mut stream = client.tls().await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        read_head(&mut stream).await;
        if request.contains("/any/thing") {
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    }
    edge.wait_for_log("\"aborted\":\"client\"");
    edge.wait_for_log("\"aborted\":\"upstream\"");
    let shown = admin::status(&edge, "").await;
    assert_eq!(shown["upstreams"][0]["origins"][0]["last_failure"], serde_json::Value::Null, "{shown}");
    edge.stop();
}

#[tokio::test]
async fn an_only_origin_and_errors_of_applications_eject_nobody() {
    let alone = Origin::start().await;
    alone.status.store(502, SeqCst);
    let (edge, client) = edge_before(&[&alone], 2, "eject_after = 1");
    for _ in 0..5 {
        assert_eq!(Client::with(&edge, &client).token("billing").await.status, 502);
    }
    assert_eq!((alone.seen(), admin::metric(&edge, &alone.metric("ejections_total")).await), (5, 0));
    let line = edge.wait_for_log("\"origin failing\"");
    assert!(line.contains(&alone.scripted.url()) && line.contains("\"error\":\"status 502\""), "{line}");
    assert_eq!(admin::metric(&edge, &alone.metric("origin_failing")).await, 1);
    let status = admin::status(&edge, "").await;
    let shown = &status["upstreams"][0]["origins"][0];
    assert_eq!((&shown["state"], &shown["reason"]), (&"failing".into(), &"failing".into()), "{status}");
    let problem = &status["health"]["problems"][0];
    assert_eq!((&problem["code"], &problem["level"]), (&"upstream_down".into(), &"degraded".into()));
    alone.status.store(200, SeqCst);
    assert_eq!(Client::with(&edge, &client).token("billing").await.status, 200);
    assert_eq!(admin::metric(&edge, &alone.metric("origin_failing")).await, 0);
    let problems = admin::status(&edge, "").await["health"]["problems"].clone();
    // What the upstream has answered in the last minute.
    assert!(
        problems.as_array().unwrap().iter().all(|problem| problem["code"] == "server_errors"),
        "{problems}"
    );

    let (one, other) = (Origin::start().await, Origin::start().await);
    for status in [400, 401, 429, 500] {
        one.status.store(status, SeqCst);
        let (edge, client) = edge_before(&[&one, &other], 1, "eject_after = 1");
        let mut connection = Client::with(&edge, &client).connect().await;
        for _ in 0..6 {
            connection.token("billing").await;
        }
        assert_eq!(admin::metric(&edge, &one.metric("ejections_total")).await, 0, "{status}");
    }
    assert_eq!(one.seen(), 12);
}

// The log is waited for on a thread of its own, while the origins answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_health_check_takes_an_origin_out_and_back() {
    let (sick, well) = (Origin::start().await, Origin::start().await);
    sick.status.store(500, SeqCst);
    let check = "health_check = { path = \"/health\", interval = \"100ms\" }";
    let (edge, client) = edge_before(&[&sick, &well], 2, check);
    let line = edge.wait_for_log("\"origin failed its health checks\"");
    assert!(
        line.contains(&sick.scripted.url()) && line.contains("500 Internal Server Error, expected 200"),
        "{line}"
    );
    let client = Client::with(&edge, &client);
    for _ in 0..10 {
        assert_eq!(client.token("billing").await.status, 200);
    }
    assert_eq!((sick.seen(), well.seen()), (0, 10));
    assert_eq!(admin::metric(&edge, &sick.metric("origin_failing")).await, 1);

    // If all fail, all are used.
    well.status.store(500, SeqCst);
    edge.wait_for_logs("\"origin failed its health checks\"", 2);
    for _ in 0..10 {
        assert_eq!(client.token("billing").await.status, 500);
    }
    assert!(sick.seen() > 0);

    sick.status.store(200, SeqCst);
    edge.wait_for_log("\"origin recovered\"");
    let before = well.seen();
    for _ in 0..10 {
        assert_eq!(client.token("billing").await.status, 200);
    }
    assert_eq!(well.seen(), before);
}

#[tokio::test]
async fn a_health_check_is_a_request_like_others() {
    let ca = Ca::new("Upstream CA");
    for protocols in [&["h2"][..], &["http/1.1"]] {
        let upstream = TlsUpstream::answering(&ca.server(&["localhost"]), protocols, |_| {
            Response::builder().status(204).body(Full::default()).unwrap()
        })
        .await;
        let edge = EdgeBuilder::new(upstream.url()).file("upstream-ca.pem", ca.pem()).upstream(
            "ca = \"upstream-ca.pem\"\nhost = \"tenant.edge.example\"\nhealth_check = { path = \"/up?deep=1\", interval = \"100ms\", expect = 204 }",
        );
        let (edge, _client) = with_client(edge);
        admin::happens(async || upstream.seen().len() >= 3).await;
        let (_, seen) = upstream.seen().pop().unwrap();
        assert_eq!((seen.uri.path(), seen.uri.query()), ("/up", Some("deep=1")), "{protocols:?}");
        let host = seen.uri.authority().map_or_else(|| seen.header("host"), ToString::to_string);
        assert_eq!(host, "tenant.edge.example");
        assert!(seen.header("user-agent").starts_with("mtls-edge/"));
        assert_eq!(upstream.accepted(), 1, "checks share a connection");
        let log = edge.log();
        assert!(!log.contains("failed its health checks"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_health_check_follows_a_reload() {
    let upstream = Upstream::start().await;
    let (edge, _client) = with_client(EdgeBuilder::new(upstream.url()));
    let config = std::fs::read_to_string(edge.folder.path().join("edge.toml")).unwrap();
    let check = "\nhealth_check = { path = \"/health\", interval = \"100ms\" }\n";
    let line = format!("urls = [\"{}\"]", upstream.url());
    edge.reload("edge.toml", &config.replace(&line, &format!("{line}{check}")));
    admin::happens(async || !upstream.seen().is_empty()).await;
    edge.reload("edge.toml", &config);
}
