//! The trace of a request: what its upstream learns of it, and what its spans need if it is sampled.

use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::trace::{Origin, Parent, Queue, SpanId, TraceId, TraceParent, span_ids};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The trace of one request.
#[derive(Debug)]
pub(super) struct RequestTrace {
    /// For the upstream. `None`: what a trusted proxy has sent goes on unchanged.
    traceparent: Option<HeaderValue>,
    /// Whether the trace began before the edge, so that `tracestate` goes on.
    is_continued: bool,
    sampled: Option<Box<Sampled>>,
}

/// A trace that is exported.
#[derive(Debug)]
pub(super) struct Sampled {
    pub(super) trace_id: TraceId,
    pub(super) origin: Origin,
    /// The ids of the spans of the request and of its upstream.
    pub(super) ids: [SpanId; 2],
    pub(super) started: SystemTime,
    /// Where its spans go.
    pub(super) queue: Arc<Queue>,
}

/// The caller's span, if exactly one well-formed field names it.
pub(super) fn parent(headers: &HeaderMap) -> Option<Parent> {
    let mut all = headers.get_all(TRACEPARENT).iter();
    let parent = Parent::parse(all.next()?.as_bytes())?;
    all.next().is_none().then_some(parent)
}

impl RequestTrace {
    /// A trace that begins here, with this field, and a request id that shares its memory: the trace id.
    pub(super) fn new(field: Bytes, queue: &Arc<Queue>) -> (Option<HeaderValue>, Self) {
        let is_sampled = field.ends_with(b"1");
        let own = if is_sampled { Parent::parse(&field) } else { None };
        let sampled = own.map(|own| Box::new(Sampled::begin(own.trace_id, Origin::Root, &own, queue)));
        let request_id = HeaderValue::from_maybe_shared(field.slice(TraceParent::TRACE_ID)).ok();
        let traceparent = HeaderValue::from_maybe_shared(field).ok();
        (request_id, Self { traceparent, is_continued: false, sampled })
    }

    /// A trace that goes on. The caller has decided whether it is sampled. The field of a new trace gives the ids of its spans.
    pub(super) fn after(parent: &Parent, queue: &Arc<Queue>, field: impl FnOnce() -> Bytes) -> Self {
        let own = if parent.is_sampled() { Parent::parse(&field()) } else { None };
        let Some(own) = own else { return Self { traceparent: None, is_continued: true, sampled: None } };
        let traceparent = HeaderValue::from_bytes(TraceParent::after(parent, own.span_id).as_bytes()).ok();
        let sampled = Sampled::begin(parent.trace_id, Origin::Remote(parent.span_id), &own, queue);
        Self { traceparent, is_continued: true, sampled: Some(Box::new(sampled)) }
    }

    /// Writes the fields for the upstream, in place of those that arrived.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        if let Some(traceparent) = &self.traceparent {
            headers.insert(TRACEPARENT, traceparent.clone());
        }
        if !self.is_continued {
            headers.remove(TRACESTATE);
        }
    }

    /// What its spans need, if it is sampled.
    pub(super) fn sampled(&self) -> Option<&Sampled> {
        self.sampled.as_deref()
    }

    /// The trace id in hexadecimal digits, if it is sampled.
    pub(super) fn sampled_id(&self) -> Option<&str> {
        self.sampled.as_ref()?;
        self.traceparent.as_ref()?.to_str().ok()?.get(TraceParent::TRACE_ID)
    }
}

impl Sampled {
    fn begin(trace_id: TraceId, origin: Origin, own: &Parent, queue: &Arc<Queue>) -> Self {
        let ids = span_ids(own.trace_id);
        Self { trace_id, origin, ids, started: SystemTime::now(), queue: Arc::clone(queue) }
    }
}
