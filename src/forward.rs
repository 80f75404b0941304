//! Forwards requests to upstreams: one connection pool per worker and upstream, balancing, timeouts, and retries of requests that
//! cannot have been processed.

mod absolute_form;
mod balance;
mod body;
mod buffered;
mod check;
mod connect;
mod dial;
mod early_response;
mod failure;
mod fault;
mod health;
mod hop;
mod http2;
mod idle;
mod in_flight;
mod incoming;
mod lane;
mod lease;
mod lookup;
mod origin;
mod pool;
mod pooled;
mod pools;
mod probe;
mod recheck;
mod resolved;
mod response;
mod spec;
mod target;
mod tried;
mod unix;
mod unverified;
mod upkeep;

use std::time::Duration;

pub use body::{BodyFault, RequestBody};
pub use buffered::{BufferedBytes, Share};
pub(crate) use check::jittered;
pub use failure::{Failure, FailureKind};
pub use hop::{ForwardedClient, forwarding_headers, join_cookies};
pub use in_flight::{Caller, anonymous_share};
pub use incoming::{IncomingBody, ReceivedBytes, UnreadBody};
pub use pools::Pools;
pub use probe::{ProbeError, probe};
pub use response::{ResponseBody, ResponseError};
pub use spec::{Address, Balance, ForwardedFor, HealthCheck, Origin, OriginPolicy, UpstreamLimits};
pub use target::{ClientIdentity, ClientTls, OriginState, Target, TargetSpec};
pub use tried::Tried;
pub use unverified::{ServerTrust, unverified};
pub use upkeep::{Upkeep, UpkeepLimits};

/// Why the upstream gave no response.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// No origin accepted a connection: 503.
    #[error("upstream \"{upstream}\" unreachable; last origin tried: {origin}: {reason}")]
    Unreachable {
        /// The upstream's name.
        upstream: String,
        /// The origin that was tried last.
        origin: String,
        /// Why it failed.
        reason: String,
    },
    /// Its limit of requests in flight is reached, or no file descriptor is left for another connection: 503.
    #[error("upstream \"{upstream}\" not contacted: {reason}")]
    Busy {
        /// The upstream's name.
        upstream: String,
        /// Which limit is reached.
        reason: String,
        /// Whose: clients that have not authenticated have a limit of their own.
        caller: Caller,
    },
    /// It closed the connection before the response, or its response is not valid HTTP: 502.
    #[error("upstream \"{upstream}\" failed: {reason}")]
    Broken {
        /// The upstream's name.
        upstream: String,
        /// What happened.
        reason: String,
    },
    /// It did not respond in time: 504.
    #[error("upstream \"{upstream}\" did not respond within {limit:?}")]
    Slow {
        /// The upstream's name.
        upstream: String,
        /// `response_timeout`.
        limit: Duration,
    },
    /// The request's body failed; the client caused it.
    #[error("{0}")]
    Body(BodyFault),
}
