//! Traces: whose trace a request belongs to, what its spans contain, and how they get to the collector.
//!
//! Tests that wait for the log or the end of the edge have two threads, since their collector must answer meanwhile.

mod collector;
mod context;
mod export;
mod hostile;

use http::Request;
use http_body_util::Full;
use serde_json::json;
use testkit::Refusing;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use self::collector::{Collector, SERVER, Span};
use crate::support::{
    Client, Credentials, DOMAIN, Edge, EdgeBuilder, Upstream, admin, self_signed, with_client,
};

/// An edge that exports every 100 ms at the latest. `settings` are further lines of `[traces]`.
fn tracing_to(builder: EdgeBuilder, endpoint: &str, settings: &str) -> (Edge, Credentials) {
    let table = format!("[traces]\nendpoint = \"{endpoint}\"\ninterval = \"100ms\"\n{settings}");
    with_client(builder.extra(&table))
}

/// The spans of a request, by its id: its own, and that of the exchange with the upstream.
async fn spans_of(collector: &Collector, request_id: &str) -> (Span, Option<Span>) {
    let spans = collector.spans_of(request_id).await;
    let server = spans.iter().find(|span| span.kind == SERVER).cloned().unwrap();
    let client = spans.into_iter().find(|span| span.kind != SERVER);
    (server, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_follow_the_conventions_for_http() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let settings = "sample = 1\nresource = { \"deployment.environment.name\" = \"test\" }";
    let (edge, credentials) = tracing_to(EdgeBuilder::new(upstream.url()), &collector.url(), settings);
    let client = Client::with(&edge, &credentials);
    let request = Request::post("/oauth/token?secret=hunter2")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-secret", "hunter2")
        .body(Full::from("client_id=billing&secret=hunter2"))
        .unwrap();
    let answer = client.connect().await.send(request).await;
    assert_eq!(answer.status, 200);
    let line = edge.log_of(&answer);
    let (server, exchange) = spans_of(&collector, line["request_id"].as_str().unwrap()).await;
    let expected = json!({
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.route": "/oauth/token",
        "url.path": "/oauth/token",
        "url.scheme": "https",
        "server.address": DOMAIN,
        "server.port": edge.https.port(),
        "client.address": "127.0.0.1",
        "network.protocol.version": "1.1",
        "tls.protocol.version": "1.3",
        "tls.resumed": false,
        "mtls_edge.request_id": line["request_id"],
        "mtls_edge.client_id": "billing",
        "mtls_edge.auth_method": "self_signed_tls_client_auth",
        "mtls_edge.credential": "c0",
    });
    assert_eq!(server.attributes, expected);
    assert_eq!((server.name.as_str(), server.is_error), ("POST /oauth/token", false));
    assert_eq!(server.parent, "");
    let exchange = exchange.unwrap();
    let expected = json!({
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "url.full": format!("{}/oauth/token", upstream.url()),
        "server.address": "127.0.0.1",
        "server.port": upstream.address.port(),
        "mtls_edge.upstream": "as",
    });
    assert_eq!(exchange.attributes, expected);
    assert_eq!((exchange.name.as_str(), exchange.is_error), ("POST", false));
    assert_eq!((&exchange.parent, &exchange.trace_id), (&server.id, &server.trace_id));
    assert!(server.start <= exchange.start && exchange.end <= server.end && server.start < server.end);
    let resource = collector.exports()[0].resource.clone();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        resource,
        json!({"service.name": "mtls-edge", "service.version": version, "deployment.environment.name": "test"})
    );
    for export in collector.raw() {
        assert!(!String::from_utf8_lossy(&export.body).contains("hunter2"));
        assert_eq!(export.header("content-type"), "application/x-protobuf");
        assert_eq!(export.uri.path(), "/v1/traces");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_during_the_body_names_the_upstream_after_it() {
    let (before, after, collector) =
        (Upstream::start().await, Upstream::start().await, Collector::start().await);
    let (edge, credentials) = tracing_to(EdgeBuilder::new(before.url()), &collector.url(), "sample = 1");
    let mut stream = Client::with(&edge, &credentials).tls().await.unwrap();
    let head = format!(
        "POST /oauth/token HTTP/1.1\r\nhost: {DOMAIN}\r\ncontent-type: application/x-www-form-urlencoded\r\nexpect: 100-continue\r\ncontent-length: 17\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The edge sends 100 (Continue): the request has been routed.
    stream.read_exact(&mut [0; 25]).await.unwrap();
    let config = std::fs::read_to_string(edge.folder.path().join("edge.toml")).unwrap();
    let config = config.replace(&before.url(), &after.url()).replace("name = \"as\"", "name = \"after\"");
    edge.reload("edge.toml", &config);
    stream.write_all(b"client_id=billing").await.unwrap();
    let line: serde_json::Value =
        serde_json::from_str(&edge.wait_for_log("\"path\":\"/oauth/token\"")).unwrap();
    assert_eq!((after.seen().len(), &line["status"]), (1, &json!(200)), "{line}");
    assert_eq!((&line["upstream"], &line["origin"]), (&json!("after"), &json!(after.url())), "{line}");
    let (_, exchange) = spans_of(&collector, line["request_id"].as_str().unwrap()).await;
    assert_eq!(exchange.unwrap().attributes["mtls_edge.upstream"], "after");
    let timed = "mtls_edge_upstream_duration_seconds_count{upstream=\"after\"}";
    assert_eq!(admin::metric(&edge, timed).await, 1);
}

#[tokio::test]
async fn a_refused_request_has_one_span_with_its_code() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let (edge, _) = tracing_to(EdgeBuilder::new(upstream.url()), &collector.url(), "sample = 1");
    let stranger = Client::with(&edge, &self_signed("billing")).http2();
    let answer = stranger.token("billing").await;
    assert_eq!(answer.status, 401);
    let (server, exchange) = spans_of(&collector, answer.headers["x-request-id"].to_str().unwrap()).await;
    assert!(exchange.is_none() && !server.is_error, "{server:?}");
    let attribute = |name: &str| server.attributes[name].clone();
    assert_eq!(attribute("http.response.status_code"), 401);
    assert_eq!(attribute("network.protocol.version"), "2");
    assert_eq!(attribute("mtls_edge.code"), "thumbprint_mismatch");
    assert_eq!(attribute("mtls_edge.client_id"), "billing");
    assert!(
        server.attributes.get("error.type").is_none()
            && server.attributes.get("mtls_edge.auth_method").is_none()
    );

    let unknown =
        Request::builder().method("PURGE").uri("/nowhere").body(Full::<bytes::Bytes>::default()).unwrap();
    let answer = stranger.connect().await.send(unknown).await;
    let (server, _) = spans_of(&collector, answer.headers["x-request-id"].to_str().unwrap()).await;
    assert_eq!(server.name, "HTTP");
    assert_eq!(server.attributes["http.request.method"], "_OTHER");
    assert_eq!(server.attributes["http.request.method_original"], "PURGE");
}

#[tokio::test]
async fn a_failed_upstream_is_an_error_of_both_spans() {
    let collector = Collector::start().await;
    let refusing = Refusing::bind();
    let (edge, credentials) = tracing_to(EdgeBuilder::new(refusing.url()), &collector.url(), "sample = 1");
    let answer = Client::with(&edge, &credentials).token("billing").await;
    assert_eq!(answer.status, 503);
    let (server, exchange) = spans_of(&collector, answer.headers["x-request-id"].to_str().unwrap()).await;
    let exchange = exchange.unwrap();
    assert!(server.is_error && exchange.is_error);
    for span in [&server, &exchange] {
        assert_eq!(span.attributes["error.type"], "upstream_unreachable");
    }
    assert!(exchange.attributes.get("http.response.status_code").is_none(), "the upstream sent none");
    assert_eq!(exchange.attributes["server.port"], refusing.address.port());
}

#[tokio::test]
async fn a_request_that_was_sent_again_says_so() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let refusing = Refusing::bind();
    let builder = EdgeBuilder::new(refusing.url()).also_upstream(upstream.url());
    let builder = builder.upstream("balance = \"round-robin\"").workers(1);
    let (edge, credentials) = tracing_to(builder, &collector.url(), "sample = 1");
    let mut connection = Client::with(&edge, &credentials).connect().await;
    let mut resends = Vec::new();
    for _ in 0..2 {
        let answer = connection.token("billing").await;
        assert_eq!(answer.status, 200);
        let (_, exchange) = spans_of(&collector, answer.headers["x-request-id"].to_str().unwrap()).await;
        let exchange = exchange.unwrap();
        assert_eq!(exchange.attributes["server.port"], upstream.address.port());
        resends.push(exchange.attributes.get("http.request.resend_count").cloned());
    }
    assert!(resends.contains(&Some(json!(1))) && resends.contains(&None), "{resends:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_line_leads_to_its_trace() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let (edge, credentials) = tracing_to(EdgeBuilder::new(upstream.url()), &collector.url(), "sample = 0.5");
    let mut connection = Client::with(&edge, &credentials).connect().await;
    let mut sampled = Vec::new();
    for _ in 0..32 {
        let line = edge.log_of(&connection.token("billing").await);
        if let Some(trace_id) = line.get("trace_id") {
            assert_eq!(*trace_id, line["request_id"], "a trace that begins here");
            sampled.push(trace_id.as_str().unwrap().to_owned());
        }
    }
    // Wrong once in 10^8 runs.
    assert!((1..32).contains(&sampled.len()), "{}", sampled.len());
    let wanted = 2 * sampled.len();
    admin::happens(async || collector.spans().len() == wanted).await;
    for span in collector.spans() {
        assert!(sampled.contains(&span.trace_id));
    }
    let exported = i64::try_from(wanted).unwrap();
    assert_eq!(admin::metric(&edge, "mtls_edge_spans_exported_total").await, exported);
}
