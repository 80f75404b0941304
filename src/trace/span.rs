//! A finished span.

use std::time::SystemTime;

use super::{SpanId, TraceId};

/// A finished span.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Its trace.
    pub trace_id: TraceId,
    /// Its id.
    pub id: SpanId,
    /// Its parent.
    pub origin: Origin,
    /// What it is about, with few different values.
    pub name: String,
    /// Its side of the exchange.
    pub kind: Kind,
    /// When it began.
    pub start: SystemTime,
    /// When it ended.
    pub end: SystemTime,
    /// What is known about it.
    pub attributes: Vec<Attribute>,
    /// Whether it failed.
    pub is_error: bool,
}

/// Where a span comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The trace begins with it.
    Root,
    /// Its parent is a span of the same process.
    Local(SpanId),
    /// Its parent is a span of another one.
    Remote(SpanId),
}

/// The side of an exchange that a span describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// That of the server.
    Server,
    /// That of the client.
    Client,
}

/// A name, by OpenTelemetry's conventions or the edge's own, and its value.
pub type Attribute = (&'static str, Value);

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text, bounded.
    Text(String),
    /// A number.
    Number(i64),
    /// True or false.
    Flag(bool),
}
