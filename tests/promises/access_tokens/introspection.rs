//! Introspection (RFC 7662): opaque tokens, by asking their issuer.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::Notify};

use super::setup::{ISSUER, Setup, bearer, get, now, x5t};
use crate::support::{
    Ca, Client, Edge, TlsUpstream,
    admin::{happens, metric, status},
    scripted::{Scripted, read_request},
    self_signed,
};
use tokio::io::AsyncWriteExt;

/// An introspection endpoint whose answers wait while it is closed, but those about tokens that begin with `prompt`.
pub(super) struct Endpoint {
    server: Scripted,
    answer: Arc<Mutex<(u16, Value)>>,
    requests: Arc<Mutex<Vec<String>>>,
    closed: Arc<AtomicUsize>,
    opened: Arc<Notify>,
}

impl Endpoint {
    pub(super) async fn start(answer: Value) -> Self {
        let answer = Arc::new(Mutex::new((200, answer)));
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let (closed, opened) = (Arc::<AtomicUsize>::default(), Arc::<Notify>::default());
        let shared = (Arc::clone(&answer), Arc::clone(&requests), Arc::clone(&closed), Arc::clone(&opened));
        let server = Scripted::start(move |_, mut stream: TcpStream| {
            let (answer, requests, closed, opened) = shared.clone();
            async move {
                while let Some(request) = read_request(&mut stream).await {
                    let is_prompt = request.contains("token=prompt");
                    requests.lock().unwrap().push(request);
                    loop {
                        let wait = opened.notified();
                        if closed.load(SeqCst) == 0 || is_prompt {
                            break;
                        }
                        wait.await;
                    }
                    let (status, body) = answer.lock().unwrap().clone();
                    let body = body.to_string();
                    let text = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                    if stream.write_all(text.as_bytes()).await.is_err() {
                        return;
                    }
                }
            }
        })
        .await;
        Self { server, answer, requests, closed, opened }
    }

    fn answer(&self, status: u16, answer: Value) {
        *self.answer.lock().unwrap() = (status, answer);
    }

    pub(super) fn close(&self) {
        self.closed.store(1, SeqCst);
    }

    fn open(&self) {
        self.closed.store(0, SeqCst);
        self.opened.notify_waiters();
    }

    pub(super) fn requests(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    pub(super) fn table(&self, more: &str) -> String {
        format!(
            "[[token_issuer]]\nname = \"as\"\nissuer = \"{ISSUER}\"\nintrospection = {{ url = \"{}/introspect\", client_id = \"edge+1\", secret = {{ file = \"secrets/edge\" }}{more} }}",
            self.server.url()
        )
    }
}

pub(super) fn active(setup: &Setup) -> Value {
    json!({ "active": true, "client_id": "billing", "exp": now() + 300, "cnf": { "x5t#S256": x5t(&setup.client) } })
}

pub(super) fn edge(setup: &Setup, endpoint: &Endpoint, more: &str) -> Edge {
    // Each worker has a cache of its own.
    setup.builder_of(&endpoint.table(more), "").secret_file("secrets/edge", "s:e/cret").workers(1).start()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_active_bound_token_is_forwarded() {
    let setup = Setup::start().await;
    let endpoint = Endpoint::start(active(&setup)).await;
    let edge = edge(&setup, &endpoint, "");
    let client = Client::with(&edge, &setup.client);
    for _ in 0..5 {
        let answer = get(&client, "/api/x", &bearer("opaque-token+1/2==")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(edge.log_of(&answer)["client_id"], "billing");
    }
    assert!(setup.resources.last().headers.contains_key("client-cert"));
    assert_eq!(endpoint.requests(), 1, "the answer is cached by the token's hash");
    let request = endpoint.requests.lock().unwrap()[0].clone();
    let lower = request.to_ascii_lowercase();
    assert!(request.starts_with("POST /introspect HTTP/1.1\r\n"), "{request}");
    // `edge%2B1:s%3Ae%2Fcret`, RFC 6749 section 2.3.1.
    let basic = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, "edge%2B1:s%3Ae%2Fcret");
    assert!(request.contains(&format!("Basic {basic}")), "{request}");
    assert!(lower.contains("content-type: application/x-www-form-urlencoded"), "{request}");
    assert!(request.ends_with("token=opaque-token%2B1%2F2%3D%3D&token_type_hint=access_token"), "{request}");
    assert_eq!(metric(&edge, "mtls_edge_introspections_total{outcome=\"valid\"}").await, 1);
    // Another client does not profit from the cache.
    let other = Client::with(&edge, &self_signed("other"));
    get(&other, "/api/x", &bearer("opaque-token+1/2==")).await.oauth_error(401, "invalid_token");
    let log = edge.stop();
    assert!(
        !log.contains("opaque-token") && !log.contains("cret") && !log.contains(&basic),
        "no secret is logged"
    );
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_a_failure_of_the_endpoint() {
    let setup = Setup::start().await;
    let mut endpoint = Endpoint::start(active(&setup)).await;
    endpoint.server = Scripted::start(|_, mut stream: TcpStream| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{").await;
    })
    .await;
    let edge = edge(&setup, &endpoint, "");
    let client = Client::with(&edge, &setup.client);
    get(&client, "/api/x", &bearer("opaque")).await.oauth_error(503, "temporarily_unavailable");
    let shown = status(&edge, "").await;
    let upstreams = shown["upstreams"].as_array().unwrap();
    let asked = upstreams.iter().find(|one| one["name"].as_str().unwrap().starts_with("introspection at "));
    let why = asked.unwrap()["origins"][0]["last_failure"]["why"].as_str();
    assert!(why.is_some_and(|why| why.contains("ended early")), "{shown}");
}

#[tokio::test]
async fn connections_to_the_endpoint_are_counted() {
    let setup = Setup::start().await;
    let endpoint = Endpoint::start(json!({ "active": false })).await;
    let edge = edge(&setup, &endpoint, "");
    let open = async || metric(&edge, "mtls_edge_upstream_connections").await;
    assert_eq!(open().await, 0);
    let answer = get(&Client::with(&edge, &setup.client), "/api/x", &bearer("opaque")).await;
    assert_eq!((answer.status.as_u16(), endpoint.requests()), (401, 1));
    // It is pooled, as those to upstreams.
    assert_eq!(open().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_answer_that_does_not_vouch_is_refused() {
    let setup = Setup::start().await;
    let endpoint = Endpoint::start(active(&setup)).await;
    let edge = edge(&setup, &endpoint, "");
    let client = Client::with(&edge, &setup.client);
    let with = |member: &str, value: Value| {
        let mut answer = active(&setup);
        answer[member] = value;
        answer
    };
    let unbound = {
        let mut answer = active(&setup);
        answer.as_object_mut().unwrap().remove("cnf");
        answer
    };
    let cases = vec![
        (200, json!({ "active": false }), 401, "not active, says its issuer"),
        (200, with("exp", json!(now() - 1)), 401, "expired"),
        (200, with("nbf", json!(now() + 60)), 401, "nbf is "),
        (200, with("iss", json!("https://other.example/")), 401, "iss is not the issuer"),
        (200, with("token_type", json!("refresh_token")), 401, "another kind of token"),
        (
            200,
            with("cnf", json!({ "x5t#S256": setup.client.thumbprint() })),
            401,
            "not base64url of 32 bytes",
        ),
        (200, with("cnf", json!({ "x5t#S256": x5t(&self_signed("other")) })), 401, "another certificate"),
        (200, unbound, 401, "not bound"),
        (200, with("active", json!("true")), 503, "no boolean active"),
        (200, json!([]), 503, "not usable"),
        (401, json!({ "error": "invalid_client" }), 503, "responded with 401"),
        (500, json!({}), 503, "responded with 500"),
        (302, json!({}), 503, "responded with 302"),
        (200, with("x", json!("x".repeat(70_000))), 503, "the response cannot be read"),
    ];
    for (number, (status, answer, expected, reason)) in cases.into_iter().enumerate() {
        endpoint.answer(status, answer);
        let token = format!("t{number}");
        let answer = get(&client, "/api/x", &bearer(&token)).await;
        let code = if expected == 401 { "invalid_token" } else { "temporarily_unavailable" };
        answer.oauth_error(expected, code);
        let logged = edge.log_of(&answer)["reason"].to_string();
        assert!(logged.contains(reason), "{reason}: {logged}");
    }
    assert!(setup.resources.seen().is_empty(), "a failure is never taken for consent");
    let [valid, invalid, failed] = ["valid", "invalid", "failed"]
        .map(|of| format!("mtls_edge_introspections_total{{outcome=\"{of}\"}}"));
    assert_eq!(
        [metric(&edge, &valid).await, metric(&edge, &invalid).await, metric(&edge, &failed).await],
        [2, 6, 6],
        "a token that is valid for another certificate, or unbound, is valid"
    );

    // Negative answers are cached, failures are not.
    let before = endpoint.requests();
    endpoint.answer(200, active(&setup));
    get(&client, "/api/x", &bearer("t0")).await.oauth_error(401, "invalid_token");
    assert_eq!(endpoint.requests(), before);
    assert_eq!(get(&client, "/api/x", &bearer("t11")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_asks_for_many_that_wait() {
    let setup = Setup::start().await;
    let endpoint = Endpoint::start(active(&setup)).await;
    let edge = edge(&setup, &endpoint, "");
    let client = Client::with(&edge, &setup.client);
    endpoint.close();
    let waiting: Vec<_> = (0..10)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { get(&client, "/api/x", &bearer("one")).await.status })
        })
        .collect();
    // The first asker may go away.
    waiting[0].abort();
    happens(async || endpoint.requests() == 1).await;
    happens(async || metric(&edge, "mtls_edge_handshakes_total").await >= 9).await;
    endpoint.open();
    for answer in waiting.into_iter().skip(1) {
        assert_eq!(answer.await.unwrap(), 200);
    }
    assert!(endpoint.requests() <= 1, "{}", endpoint.requests());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_or_dead_issuer_is_a_bounded_503() {
    let setup = Setup::start().await;
    let endpoint = Endpoint::start(active(&setup)).await;
    let edge = edge(&setup, &endpoint, ", timeout = \"200ms\"");
    let client = Client::with(&edge, &setup.client);
    endpoint.close();
    let answer = get(&client, "/api/x", &bearer("slow")).await;
    answer.oauth_error(503, "temporarily_unavailable");
    assert!(edge.log_of(&answer)["reason"].to_string().contains("200ms"), "{:?}", edge.log_of(&answer));
    endpoint.open();
    happens(async || get(&client, "/api/x", &bearer("slow")).await.status == 200).await;

    drop(endpoint);
    let answer = get(&client, "/api/x", &bearer("another")).await;
    answer.oauth_error(503, "temporarily_unavailable");
    assert!(metric(&edge, "mtls_edge_introspections_total{outcome=\"failed\"}").await >= 2);
    assert_eq!(
        get(&client, "/api/x", &bearer("slow")).await.status,
        200,
        "what is cached stays valid for its time"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cache_forgets_after_30_s_and_at_the_expiry() {
    let setup = Setup::start().await;
    let start = time::OffsetDateTime::now_utc();
    let endpoint = Endpoint::start(active(&setup)).await;
    let mut edge = setup
        .builder_of(&endpoint.table(""), "")
        .secret_file("secrets/edge", "secret")
        .workers(1)
        .clock(start)
        .start();
    let client = Client::with(&edge, &setup.client);
    let mut short = active(&setup);
    short["exp"] = json!(start.unix_timestamp() + 10);
    assert_eq!(get(&client, "/api/x", &bearer("long")).await.status, 200);
    endpoint.answer(200, short);
    assert_eq!(get(&client, "/api/x", &bearer("short")).await.status, 200);
    assert_eq!(endpoint.requests(), 2);
    endpoint.answer(200, json!({ "active": false }));
    edge.set_clock(start + Duration::from_secs(9));
    for token in ["long", "short"] {
        assert_eq!(get(&client, "/api/x", &bearer(token)).await.status, 200, "{token}");
    }
    edge.set_clock(start + Duration::from_secs(10));
    assert_eq!(get(&client, "/api/x", &bearer("short")).await.status, 401, "never past exp");
    assert_eq!(get(&client, "/api/x", &bearer("long")).await.status, 200);
    edge.set_clock(start + Duration::from_secs(30));
    assert_eq!(get(&client, "/api/x", &bearer("long")).await.status, 401, "at most 30 s");
    assert_eq!(endpoint.requests(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_over_https_must_prove_its_name() {
    let setup = Setup::start().await;
    let (web, other) = (Ca::new("Web CA"), Ca::new("Other Web CA"));
    let said = active(&setup).to_string();
    let endpoint = TlsUpstream::answering(&web.server(&["localhost"]), &["h2", "http/1.1"], move |seen| {
        assert_eq!(seen.body, "token=opaque&token_type_hint=access_token");
        http::Response::new(http_body_util::Full::from(said.clone()))
    })
    .await;
    for (ca, status) in [(&web, 200), (&other, 503)] {
        let table = format!(
            "[[token_issuer]]\nname = \"as\"\nissuer = \"{ISSUER}\"\nintrospection = {{ url = \"{}/introspect\", client_id = \"edge\", secret = {{ file = \"secrets/edge\" }}, ca = \"web.pem\" }}",
            endpoint.url()
        );
        let builder =
            setup.builder_of(&table, "").secret_file("secrets/edge", "secret").file("web.pem", ca.pem());
        let edge = builder.start();
        let answer = get(&Client::with(&edge, &setup.client), "/api/x", &bearer("opaque")).await;
        assert_eq!(answer.status, status, "{:?}", edge.log_of(&answer));
    }
    assert_eq!(endpoint.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_without_a_key_makes_the_edge_ask() {
    let setup = Setup::start().await;
    let endpoint = Endpoint::start(active(&setup)).await;
    let edge = edge(&setup, &endpoint, "");
    let answer = get(&Client::new(&edge), "/api/x", &bearer("guess")).await;
    answer.oauth_error(401, "invalid_token");
    assert_eq!(endpoint.requests(), 0, "no token can be bound to a client without certificate and proof");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_while_the_issuer_is_asked_voids_the_verdict() {
    let setup = Setup::start().await;
    let endpoint = Endpoint::start(active(&setup)).await;
    let edge = edge(&setup, &endpoint, ", timeout = \"20s\"");
    let client = Client::with(&edge, &setup.client);
    endpoint.close();
    let held = tokio::spawn({
        let client = client.clone();
        async move { get(&client, "/api/x", &bearer("held")).await }
    });
    happens(async || endpoint.requests() == 1).await;
    edge.reload("secrets/edge", "another");
    endpoint.open();
    let answer = held.await.unwrap();
    answer.oauth_error(503, "temporarily_unavailable");
    assert!(edge.log_of(&answer)["reason"].to_string().contains("the configuration changed"));
    assert!(setup.resources.seen().is_empty());
    assert_eq!(get(&client, "/api/x", &bearer("held")).await.status, 200);
}
