//! The hop to the upstream: a pool a worker, balanced, with timeouts, and retries only where nothing can have been processed.

mod absolute;
mod body;
mod buffered;
mod connect;
mod dial;
mod early;
mod hop;
mod http2;
mod idle;
mod in_use;
mod lease;
mod mark;
mod origin;
mod pool;
mod pooled;
mod pools;
mod received;
mod response;
mod spec;
mod target;

use std::time::Duration;

pub use body::{BodyFault, RequestBody};
pub use buffered::{BufferedBytes, Share};
pub(crate) use connect::LocalExecutor;
pub use hop::{ForwardedClient, forwarding_headers, join_cookies};
pub use in_use::{Caller, anonymous_share};
pub use pools::Pools;
pub use received::{IncomingBody, Rest};
pub use response::ResponseBody;
pub use spec::{ForwardedFor, Origin, UpstreamLimits};
pub use target::{ClientTls, Target, TargetSpec};

/// Why the upstream gave no response.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// No origin took a connection: 503.
    #[error("upstream \"{upstream}\" unreachable; last origin tried: {origin}: {reason}")]
    Unreachable {
        /// The upstream's name.
        upstream: String,
        /// The origin that was tried last.
        origin: String,
        /// Why that failed.
        reason: String,
    },
    /// It has as many requests in flight as it may have, or no descriptor is left for another connection: 503.
    #[error("upstream \"{upstream}\" not contacted: {reason}")]
    Busy {
        /// The upstream's name.
        upstream: String,
        /// Which bound is reached.
        reason: String,
    },
    /// It took the request, or a part of it, and broke off or answered with something that is not HTTP: 502.
    #[error("upstream \"{upstream}\" failed: {reason}")]
    Broken {
        /// The upstream's name.
        upstream: String,
        /// What happened.
        reason: String,
    },
    /// It gave no response in time: 504.
    #[error("upstream \"{upstream}\" did not respond within {limit:?}")]
    Slow {
        /// The upstream's name.
        upstream: String,
        /// `response_timeout`.
        limit: Duration,
    },
    /// The request's own body failed: the client's doing.
    #[error("{0}")]
    Body(BodyFault),
}
