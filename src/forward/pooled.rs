//! A pooled HTTP/1.1 connection to an origin.

use std::{net::SocketAddr, time::Duration};

use tokio::time::Sleep;

use super::{RequestBody, in_flight::InFlightGuard};
use crate::{h1, timer};

/// The HTTP/1.1 client connection.
pub(super) type Http1 = h1::Connection<RequestBody>;

/// A timer that is reused for each response. It is reset only when it fires, or if it would fire too late.
pub(super) type Timer = timer::Timer<Box<Sleep>>;

/// A timer that fires after this time.
pub(super) fn timer(after: Duration) -> Timer {
    Timer::new(Box::pin(tokio::time::sleep(after)))
}

/// An HTTP/1.1 connection with the timer of its responses. Boxed wherever it goes, since it is large.
pub(super) struct PooledHttp1 {
    pub(super) http1: Http1,
    pub(super) timer: Timer,
    /// Whether it has carried an earlier request.
    pub(super) is_used: bool,
    /// The guard of the request that it carries.
    pub(super) in_flight: Option<InFlightGuard>,
    /// The address of the origin; none of a Unix socket.
    pub(super) peer: Option<SocketAddr>,
}
