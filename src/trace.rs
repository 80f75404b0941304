//! Traces: the position of a request in a trace (W3C Trace Context), which requests are sampled, and the spans of those until they are
//! exported.

mod context;
mod queue;
mod sampler;
mod settings;
mod span;

pub use context::{Parent, SpanId, TraceId, TraceParent, span_ids};
pub use queue::{BATCH, Queue};
pub use sampler::Sampler;
pub use settings::{TraceSpec, Traces};
pub use span::{Attribute, Kind, Origin, Span, Value};
