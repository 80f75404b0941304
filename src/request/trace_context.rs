//! The trace of a request: what its upstream learns of it, and what its spans need if it is sampled.

use std::{sync::Arc, time::SystemTime};

use http::{HeaderMap, HeaderName};

use super::request_id::Id;
use crate::{
    h1::Field,
    trace::{Origin, Parent, Queue, SpanId, TraceId, TraceParent, span_ids},
};

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The trace of one request.
#[derive(Debug)]
pub(super) struct RequestTrace {
    /// For the upstream. `None`: what a trusted proxy has sent goes on unchanged.
    traceparent: Option<TraceParent>,
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
    let mut all = headers.get_all(&TRACEPARENT).iter();
    let parent = Parent::parse(all.next()?.as_bytes())?;
    all.next().is_none().then_some(parent)
}

impl RequestTrace {
    /// A trace that begins here, under the id of the request.
    pub(super) fn new(id: &Id, is_sampled: bool, queue: &Arc<Queue>) -> Self {
        let sampled =
            is_sampled.then(|| Box::new(Sampled::begin(id.bytes, Origin::Root, span_ids(id.bytes), queue)));
        let traceparent = TraceParent::of_root(id.text.as_bytes(), is_sampled);
        Self { traceparent, is_continued: false, sampled }
    }

    /// A trace that goes on. The caller has decided whether it is sampled. The id of the request gives the ids of its spans.
    pub(super) fn after(parent: &Parent, id: &Id, queue: &Arc<Queue>) -> Self {
        if !parent.is_sampled() {
            return Self { traceparent: None, is_continued: true, sampled: None };
        }
        let ids = span_ids(id.bytes);
        let sampled = Sampled::begin(parent.trace_id, Origin::Remote(parent.span_id), ids, queue);
        let [_, exchange] = ids;
        let traceparent = Some(TraceParent::after(parent, exchange));
        Self { traceparent, is_continued: true, sampled: Some(Box::new(sampled)) }
    }

    /// The field for the upstream, which replaces the one that arrived.
    pub(super) fn field(&self) -> Option<Field<'_>> {
        Field::new(&TRACEPARENT, self.traceparent.as_ref()?.line())
    }

    /// Removes the fields of the trace that this one replaces.
    pub(super) fn remove_replaced(&self, headers: &mut HeaderMap) {
        // Most requests have neither: to look at the first letter of their few names costs less than to look both up.
        if !headers.keys().any(|name| name.as_str().as_bytes().first() == Some(&b't')) {
            return;
        }
        // An outsider's never goes on, whatever becomes of the edge's own.
        if self.traceparent.is_some() || !self.is_continued {
            headers.remove(&TRACEPARENT);
        }
        if !self.is_continued {
            headers.remove(&TRACESTATE);
        }
    }

    /// What its spans need, if it is sampled.
    pub(super) fn sampled(&self) -> Option<&Sampled> {
        self.sampled.as_deref()
    }

    /// The trace id in hexadecimal digits, if it is sampled.
    pub(super) fn sampled_id(&self) -> Option<&str> {
        self.sampled.as_ref()?;
        self.traceparent.as_ref()?.trace_id()
    }
}

impl Sampled {
    fn begin(trace_id: TraceId, origin: Origin, ids: [SpanId; 2], queue: &Arc<Queue>) -> Self {
        Self { trace_id, origin, ids, started: SystemTime::now(), queue: Arc::clone(queue) }
    }
}
