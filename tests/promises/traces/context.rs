//! W3C Trace Context: what is believed from whom, and what the upstream gets.

use http::Request;
use http_body_util::Full;

use super::{Collector, spans_of, tracing_to};
use crate::support::{Answer, Client, Credentials, Edge, EdgeBuilder, Seen, Upstream, with_client};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
const STATE: &str = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE";

/// A request with these fields, and what the upstream saw of it.
async fn send(
    edge: &Edge,
    upstream: &Upstream,
    credentials: &Credentials,
    traceparent: &[&str],
) -> (Answer, Seen) {
    let mut request = Request::post("/oauth/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("tracestate", STATE);
    for value in traceparent {
        request = request.header("traceparent", *value);
    }
    let request = request.body(Full::from("client_id=billing")).unwrap();
    let answer = Client::with(edge, credentials).connect().await.send(request).await;
    assert_eq!(answer.status, 200);
    (answer, upstream.last())
}

/// The fields of a `traceparent`: trace id, parent id, flags.
fn fields(seen: &Seen) -> [String; 3] {
    let value = seen.header("traceparent");
    let fields: Vec<&str> = value.split('-').collect();
    assert_eq!((fields.len(), fields[0]), (4, "00"), "{value}");
    [fields[1], fields[2], fields[3]].map(str::to_owned)
}

fn parent(flags: &str) -> String {
    format!("00-{TRACE}-{PARENT}-{flags}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_traces_the_fields_pass_unchanged() {
    let upstream = Upstream::start().await;
    let (edge, credentials) = with_client(EdgeBuilder::new(upstream.url()));
    for value in [parent("01").as_str(), "anything"] {
        let (answer, seen) = send(&edge, &upstream, &credentials, &[value]).await;
        assert_eq!((seen.header("traceparent").as_str(), seen.header("tracestate").as_str()), (value, STATE));
        assert!(edge.log_of(&answer).get("trace_id").is_none());
    }
    let (_, seen) = send(&edge, &upstream, &credentials, &[]).await;
    assert!(!seen.headers.contains_key("traceparent"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outsider_neither_samples_nor_joins_a_trace() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    for (sample, flags) in [("0", "00"), ("1", "01")] {
        let (edge, credentials) =
            tracing_to(EdgeBuilder::new(upstream.url()), &collector.url(), &format!("sample = {sample}"));
        for sent in [parent("01"), parent("00")] {
            let (answer, seen) = send(&edge, &upstream, &credentials, &[&sent]).await;
            assert!(!seen.headers.contains_key("tracestate"));
            let [trace, span, sampled] = fields(&seen);
            assert_eq!((&*trace, &*sampled), (answer.headers["x-request-id"].to_str().unwrap(), flags));
            assert!(span != PARENT && span != "0000000000000000");
        }
        let log = edge.stop();
        assert_eq!(log.matches("\"trace_id\"").count(), if sample == "1" { 2 } else { 0 });
    }
    let spans = collector.spans();
    assert_eq!(spans.len(), 4, "{spans:?}");
    assert!(spans.iter().all(|span| span.trace_id != TRACE));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trusted_proxys_trace_goes_on() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let builder = EdgeBuilder::new(upstream.url()).listen("trusted_proxies = [\"127.0.0.1\"]");
    let (edge, credentials) = tracing_to(builder, &collector.url(), "sample = 0");
    let (answer, seen) = send(&edge, &upstream, &credentials, &[&parent("01")]).await;
    assert_eq!(seen.header("tracestate"), STATE);
    let request_id = answer.headers["x-request-id"].to_str().unwrap();
    let (server, exchange) = spans_of(&collector, request_id).await;
    let exchange = exchange.unwrap();
    assert_eq!((server.trace_id.as_str(), server.parent.as_str()), (TRACE, PARENT));
    assert_eq!(fields(&seen), [TRACE, &exchange.id, "01"].map(str::to_owned));
    assert_eq!((server.flags, exchange.flags), (0x301, 0x101), "the parent is another process, or this one");
    assert_eq!(edge.log_of(&answer)["trace_id"], TRACE);
    assert_ne!(request_id, TRACE);

    // Neither sampled nor changed, whatever else it says.
    for sent in [parent("00"), parent("02"), format!("cc-{TRACE}-{PARENT}-00-later")] {
        let (answer, seen) = send(&edge, &upstream, &credentials, &[&sent]).await;
        assert_eq!((seen.header("traceparent"), seen.header("tracestate").as_str()), (sent, STATE));
        assert!(edge.log_of(&answer).get("trace_id").is_none());
    }
    // The flag for random trace ids goes on.
    let (_, seen) = send(&edge, &upstream, &credentials, &[&parent("03")]).await;
    assert_eq!(fields(&seen)[2], "03");
    edge.stop();
    assert_eq!(collector.spans().len(), 4);
}

#[tokio::test]
async fn a_malformed_traceparent_begins_a_trace() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let builder = EdgeBuilder::new(upstream.url()).listen("trusted_proxies = [\"127.0.0.1\"]");
    let (edge, credentials) = tracing_to(builder, &collector.url(), "sample = 0");
    let good = parent("01");
    let bad =
        ["", "x", &good[1..], &good.to_uppercase(), &good.replace(TRACE, &"0".repeat(32))].map(str::to_owned);
    for sent in bad.iter().map(|bad| vec![bad.as_str()]).chain([vec![], vec![good.as_str(), good.as_str()]]) {
        let (answer, seen) = send(&edge, &upstream, &credentials, &sent).await;
        let [trace, _, flags] = fields(&seen);
        assert_eq!((&*trace, &*flags), (answer.headers["x-request-id"].to_str().unwrap(), "00"), "{sent:?}");
        assert!(!seen.headers.contains_key("tracestate"), "{sent:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxys_request_id_stays_beside_the_trace() {
    let (upstream, collector) = (Upstream::start().await, Collector::start().await);
    let builder = EdgeBuilder::new(upstream.url()).listen("trusted_proxies = [\"127.0.0.1\"]");
    let (edge, credentials) = tracing_to(builder, &collector.url(), "sample = 1");
    let request = Request::post("/oauth/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-request-id", "balancer-7")
        .body(Full::from("client_id=billing"))
        .unwrap();
    let answer = Client::with(&edge, &credentials).connect().await.send(request).await;
    assert_eq!(answer.headers["x-request-id"], "balancer-7");
    let (server, _) = spans_of(&collector, "balancer-7").await;
    assert_eq!(edge.log_of(&answer)["trace_id"], *server.trace_id);
    assert_eq!(fields(&upstream.last())[0], server.trace_id);
}
