//! A collector that decodes what it gets by the publisher's own messages.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value as Any},
};
use prost::Message;
use serde_json::{Map, Value, json};

use crate::support::{Seen, Upstream, admin};

/// The kind of a span of a server.
pub const SERVER: i32 = 2;

/// A span as it was exported; ids are hexadecimal digits.
#[derive(Clone, Debug)]
pub struct Span {
    pub trace_id: String,
    pub id: String,
    pub parent: String,
    pub flags: u32,
    pub name: String,
    pub kind: i32,
    pub start: u64,
    pub end: u64,
    pub attributes: Value,
    pub is_error: bool,
}

/// One export.
#[derive(Clone, Debug)]
pub struct Export {
    pub resource: Value,
    pub spans: Vec<Span>,
}

/// A collector on a loopback port.
pub struct Collector {
    server: Upstream,
    response: Arc<Mutex<(u16, &'static str)>>,
}

impl Collector {
    /// Accepts everything.
    pub async fn start() -> Self {
        let response = Arc::new(Mutex::new((200, "0")));
        let answer = Arc::clone(&response);
        let server = Upstream::answering(move |_| {
            let (status, after) = *answer.lock().unwrap();
            let response = Response::builder().status(status).header("retry-after", after);
            response.body(Full::<Bytes>::default()).unwrap()
        });
        Self { server: server.await, response }
    }

    /// Responds with this status, and this `Retry-After`, from now on.
    pub fn respond(&self, status: u16, retry_after: &'static str) {
        *self.response.lock().unwrap() = (status, retry_after);
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The requests, whatever was answered.
    pub fn raw(&self) -> Vec<Seen> {
        self.server.seen()
    }

    pub fn exports(&self) -> Vec<Export> {
        self.raw().iter().map(|seen| decode(&seen.body)).collect()
    }

    pub fn spans(&self) -> Vec<Span> {
        self.exports().into_iter().flat_map(|export| export.spans).collect()
    }

    /// Waits for the spans of a request.
    pub async fn spans_of(&self, request_id: &str) -> Vec<Span> {
        let all = || {
            let spans = self.spans();
            let own =
                spans.iter().find(|span| span.attributes["mtls_edge.request_id"] == request_id).cloned();
            own.map(|own| {
                let is_near = |span: &Span| span.id == own.id || span.parent == own.id;
                spans.into_iter().filter(is_near).collect::<Vec<_>>()
            })
        };
        admin::happens(async || all().is_some()).await;
        all().unwrap()
    }
}

/// Decodes an export, which must have one resource and one scope.
pub fn decode(body: &[u8]) -> Export {
    let export = ExportTraceServiceRequest::decode(body).unwrap();
    let [of_resource] = <[_; 1]>::try_from(export.resource_spans).unwrap();
    let [of_scope] = <[_; 1]>::try_from(of_resource.scope_spans).unwrap();
    let scope = of_scope.scope.unwrap();
    assert_eq!((scope.name.as_str(), scope.version.as_str()), ("mtls-edge", env!("CARGO_PKG_VERSION")));
    let spans = of_scope.spans.into_iter().map(|span| {
        assert_eq!((span.trace_id.len(), span.span_id.len()), (16, 8));
        Span {
            trace_id: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            flags: span.flags,
            name: span.name,
            kind: span.kind,
            start: span.start_time_unix_nano,
            end: span.end_time_unix_nano,
            attributes: object(span.attributes),
            is_error: span.status.is_some_and(|status| status.code == 2),
        }
    });
    Export { resource: object(of_resource.resource.unwrap().attributes), spans: spans.collect() }
}

fn object(attributes: Vec<KeyValue>) -> Value {
    let values = attributes.into_iter().map(|attribute| {
        let value = match attribute.value.unwrap().value.unwrap() {
            Any::StringValue(text) => json!(text),
            Any::BoolValue(flag) => json!(flag),
            Any::IntValue(number) => json!(number),
            other => panic!("{}: {other:?}", attribute.key),
        };
        (attribute.key, value)
    });
    Value::Object(values.collect::<Map<_, _>>())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
