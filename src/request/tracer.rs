//! Begins the trace of each request.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use super::{
    request_id,
    trace_context::{RequestTrace, parent},
};
use crate::{site::SiteHandle, trace::Queue};

/// Begins the traces of a worker's requests.
#[derive(Debug)]
pub struct Tracer {
    site: SiteHandle,
    queue: Arc<Queue>,
}

impl Tracer {
    /// Traces as the current site says, and exports through this queue.
    #[must_use]
    pub const fn new(site: SiteHandle, queue: Arc<Queue>) -> Self {
        Self { site, queue }
    }

    /// The id of a request with these headers, and its trace, if traces are on. Only a trusted proxy may choose either: a client could
    /// have all of its requests sampled, and could write into the traces of others.
    pub(super) fn begin(&self, headers: &HeaderMap, is_trusted: bool) -> (HeaderValue, Option<RequestTrace>) {
        let inbound = is_trusted.then(|| request_id::inbound(headers)).flatten();
        let site = self.site.load();
        let Some(traces) = &site.traces else {
            return (inbound.unwrap_or_else(|| request_id::next().text), None);
        };
        let own = request_id::next();
        let trace = match is_trusted.then(|| parent(headers)).flatten() {
            Some(parent) => RequestTrace::after(&parent, &own, &self.queue),
            None => RequestTrace::new(&own, traces.sampler.samples(&own.bytes), &self.queue),
        };
        (inbound.unwrap_or(own.text), Some(trace))
    }
}
