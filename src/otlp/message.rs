//! The messages of OTLP that the edge writes and reads: parts of `opentelemetry/proto/trace/v1/trace.proto` and its imports, with their field
//! numbers. Fields that the edge does not write are left out.

use std::time::{SystemTime, UNIX_EPOCH};

use prost::{Enumeration, Message, Oneof};

use crate::trace::{self, Attribute, Origin};

#[derive(Clone, PartialEq, Message)]
struct ExportTraceServiceRequest {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    scope: Option<InstrumentationScope>,
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Span>,
}

#[derive(Clone, PartialEq, Message)]
struct InstrumentationScope {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    version: String,
}

#[derive(Clone, PartialEq, Message)]
struct Span {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    parent_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(enumeration = "SpanKind", tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
    #[prost(fixed32, tag = "16")]
    flags: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
enum SpanKind {
    Unspecified = 0,
    Server = 2,
    Client = 3,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(enumeration = "StatusCode", tag = "3")]
    code: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
enum StatusCode {
    Unset = 0,
    Error = 2,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "Value", tags = "1, 2, 3")]
    value: Option<Value>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Value {
    #[prost(string, tag = "1")]
    String(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(int64, tag = "3")]
    Int(i64),
}

/// The response to an export that the collector has accepted.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ExportTraceServiceResponse {
    /// What it has not accepted.
    #[prost(message, optional, tag = "1")]
    pub(super) partial_success: Option<PartialSuccess>,
}

/// What a collector has not accepted.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PartialSuccess {
    /// The number of spans.
    #[prost(int64, tag = "1")]
    pub(super) rejected_spans: i64,
    /// Why, or a warning.
    #[prost(string, tag = "2")]
    pub(super) error_message: String,
}

/// The response to an export that the collector has not accepted (`google.rpc.Status`).
#[derive(Clone, PartialEq, Message)]
pub(super) struct Failure {
    /// Why.
    #[prost(string, tag = "2")]
    pub(super) message: String,
}

/// Bits 8 and 9 of a span's flags: whether the parent is remote is known, and that it is.
const IS_REMOTE: [u32; 2] = [1 << 8, 1 << 9];
/// The sampled flag of W3C Trace Context.
const SAMPLED: u32 = 1;

/// Encodes one export.
pub(super) fn encode(spec: &trace::TraceSpec, spans: Vec<trace::Span>) -> Vec<u8> {
    let own = [("service.name", &*spec.service), ("service.version", env!("CARGO_PKG_VERSION"))];
    let own = own.into_iter().chain(spec.resource.iter().map(|(name, value)| (&**name, &**value)));
    let attributes = own.map(|(name, value)| key_value(name, Value::String(value.to_owned())));
    let scope =
        InstrumentationScope { name: "mtls-edge".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    let spans = spans.into_iter().map(Span::from).collect();
    let export = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource { attributes: attributes.collect() }),
            scope_spans: vec![ScopeSpans { scope: Some(scope), spans }],
        }],
    };
    export.encode_to_vec()
}

fn key_value(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }) }
}

impl From<trace::Span> for Span {
    fn from(span: trace::Span) -> Self {
        let [is_known, is_remote] = IS_REMOTE;
        let (parent, flags) = match span.origin {
            Origin::Root => (Vec::new(), is_known),
            Origin::Local(parent) => (parent.to_vec(), is_known),
            Origin::Remote(parent) => (parent.to_vec(), is_known | is_remote),
        };
        let kind = match span.kind {
            trace::Kind::Server => SpanKind::Server,
            trace::Kind::Client => SpanKind::Client,
        };
        let attribute = |(name, value): Attribute| {
            let value = match value {
                trace::Value::Text(text) => Value::String(text),
                trace::Value::Number(number) => Value::Int(number),
                trace::Value::Flag(flag) => Value::Bool(flag),
            };
            key_value(name, value)
        };
        Self {
            trace_id: span.trace_id.to_vec(),
            id: span.id.to_vec(),
            parent_id: parent,
            name: span.name,
            kind: kind.into(),
            start_time_unix_nano: nanoseconds(span.start),
            end_time_unix_nano: nanoseconds(span.end),
            attributes: span.attributes.into_iter().map(attribute).collect(),
            status: span.is_error.then(|| Status { code: StatusCode::Error.into() }),
            flags: SAMPLED | flags,
        }
    }
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
