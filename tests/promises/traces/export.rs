//! The export: batches, retries, reloads, and the end of the edge.

use http::Response;
use http_body_util::Full;

use super::{Collector, collector::decode, tracing_to};
use crate::support::{
    Ca, Client, Connection, Credentials, Edge, EdgeBuilder, TlsUpstream, Upstream, admin, with_client,
};

async fn dropped(edge: &Edge, reason: &str) -> i64 {
    admin::metric(edge, &format!("mtls_edge_spans_dropped_total{{reason=\"{reason}\"}}")).await
}

async fn requests(connection: &mut Connection, count: usize) {
    for _ in 0..count {
        assert_eq!(connection.token("billing").await.status, 200);
    }
}

/// An edge whose spans wait for a minute, unless a batch is complete.
fn patient(builder: EdgeBuilder, collector: &Collector) -> (Edge, Credentials) {
    let url = collector.url();
    with_client(builder.extra(&format!("[traces]\nendpoint = \"{url}\"\ninterval = \"1m\"\nsample = 1")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_batch_does_not_wait_for_the_interval() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let (edge, credentials) = patient(EdgeBuilder::new(upstream.url()).quiet(), &collector);
    requests(&mut Client::with(&edge, &credentials).connect().await, 257).await;
    admin::happens(async || collector.spans().len() == 512).await;
    assert_eq!(collector.exports().len(), 1);
    // The rest, when the edge ends.
    edge.stop();
    assert_eq!(collector.exports().iter().map(|export| export.spans.len()).collect::<Vec<_>>(), [512, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_busy_gets_the_same_spans_again() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let (edge, credentials) = tracing_to(EdgeBuilder::new(upstream.url()), &collector.url(), "sample = 1");
    collector.respond(503, "0");
    requests(&mut Client::with(&edge, &credentials).connect().await, 1).await;
    let line = edge.wait_for_log("traces cannot be exported; they are sent again");
    assert!(line.contains("503 Service Unavailable") && line.contains(&collector.url()), "{line}");
    admin::happens(async || collector.raw().len() > 1).await;
    assert_eq!(admin::metric(&edge, "mtls_edge_spans_exported_total").await, 0);
    collector.respond(200, "0");
    edge.wait_for_log("traces are exported again");
    let all = collector.raw();
    assert!(all.iter().all(|export| export.body == all[0].body));
    assert_eq!(admin::metric(&edge, "mtls_edge_spans_exported_total").await, 2);
    let log = edge.stop();
    assert_eq!(log.matches("traces cannot be exported").count(), 1, "a change is logged once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_final_refusal_is_not_sent_again() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let (edge, credentials) = tracing_to(EdgeBuilder::new(upstream.url()), &collector.url(), "sample = 1");
    collector.respond(401, "0");
    let mut connection = Client::with(&edge, &credentials).connect().await;
    for times in 1..=2 {
        requests(&mut connection, 1).await;
        admin::happens(async || dropped(&edge, "rejected").await == 2 * times).await;
    }
    assert_eq!(collector.raw().len(), 2);
    assert_eq!(edge.stop().matches("the collector refuses traces").count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_that_do_not_fit_are_counted() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let builder = EdgeBuilder::new(upstream.url()).quiet();
    let (edge, credentials) = tracing_to(builder, &collector.url(), "sample = 1");
    collector.respond(503, "30");
    let client = Client::with(&edge, &credentials);
    let mut connection = client.connect().await;
    requests(&mut connection, 1).await;
    admin::happens(async || !collector.raw().is_empty()).await;
    // The queue is full with 1,024 requests; the export in flight is not in it.
    requests(&mut connection, 1030).await;
    admin::happens(async || dropped(&edge, "queue_full").await >= 12).await;
    let begun = std::time::Instant::now();
    edge.stop();
    assert!(begun.elapsed().as_secs() < 5, "a busy collector delays no shutdown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traces_follow_a_reload() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let (edge, credentials) = with_client(EdgeBuilder::new(upstream.url()));
    let mut connection = Client::with(&edge, &credentials).connect().await;
    requests(&mut connection, 1).await;
    assert!(!upstream.last().headers.contains_key("traceparent"));
    let off = std::fs::read_to_string(edge.folder.path().join("edge.toml")).unwrap();
    let traces = |sample| {
        let url = collector.url();
        format!("{off}[traces]\nendpoint = \"{url}\"\nsample = {sample}\ninterval = \"100ms\"\n")
    };
    edge.reload("edge.toml", &traces(1));
    assert!(edge.wait_for_log("\"reloaded\",\"generation\":2,").contains("traces"));
    requests(&mut connection, 1).await;
    assert!(upstream.last().header("traceparent").ends_with("-01"));
    admin::happens(async || collector.spans().len() == 2).await;
    edge.reload("edge.toml", &traces(0));
    requests(&mut connection, 1).await;
    assert!(upstream.last().header("traceparent").ends_with("-00"));
    edge.reload("edge.toml", &off);
    requests(&mut connection, 1).await;
    assert!(!upstream.last().headers.contains_key("traceparent"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_process_of_a_takeover_exports_its_own() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let builder = EdgeBuilder::new(upstream.url()).installed().limits("drain_timeout = \"300ms\"");
    let (edge, credentials) = patient(builder, &collector);
    requests(&mut Client::with(&edge, &credentials).connect().await, 1).await;
    edge.signal("USR2");
    edge.wait_for_log("\"replaced: ");
    // The old process, before it ends.
    admin::happens(async || collector.spans().len() == 2).await;
    requests(&mut Client::with(&edge, &credentials).connect().await, 1).await;
    edge.stop();
    assert_eq!(collector.spans().len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_header_reaches_only_the_collector() {
    let ca = Ca::new("Collector CA");
    let collector =
        TlsUpstream::answering(&ca.server(&["localhost"]), &["http/1.1"], |_| Response::new(Full::default()))
            .await;
    let upstream = Upstream::start().await;
    let settings = "sample = 1\nca = \"collector-ca.pem\"\nheaders = { authorization = { file = \"secrets/collector\" }, x-tenant = { env = \"TENANT\" } }";
    let builder = EdgeBuilder::new(upstream.url())
        .file("collector-ca.pem", ca.pem())
        .secret_file("secrets/collector", "Bearer hunter2\n")
        .environment("TENANT", "hunter3")
        .environment("RUST_LOG", "trace");
    let (edge, credentials) = tracing_to(builder, &format!("{}/otlp/", collector.url()), settings);
    requests(&mut Client::with(&edge, &credentials).connect().await, 1).await;
    admin::happens(async || !collector.seen().is_empty()).await;
    let (_, export) = collector.seen().remove(0);
    assert_eq!(
        (export.header("authorization").as_str(), export.header("x-tenant").as_str()),
        ("Bearer hunter2", "hunter3")
    );
    assert_eq!((export.uri.path(), decode(&export.body).spans.len()), ("/otlp/v1/traces", 2));
    assert!(!upstream.last().headers.contains_key("x-tenant"));
    let log = edge.stop();
    assert!(!log.contains("hunter"), "a secret in the log");
}
