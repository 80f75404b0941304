//! The limit of requests in flight to one upstream, and the share of it that anonymous requests may use.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Target, health::OriginHealth};

/// Whether a request comes from an authenticated application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The application has authenticated.
    Authenticated,
    /// The route requires no authentication.
    Anonymous,
}

/// Counts a request as in flight, from before its connection is opened until the end of its response.
#[derive(Debug)]
pub(super) struct InFlightGuard {
    target: Arc<Target>,
    /// The permit of an anonymous request, of those for all upstreams.
    _anonymous: Option<OwnedSemaphorePermit>,
    /// The origin that carries it, if the upstream has several.
    origin: Option<Arc<OriginHealth>>,
}

/// How many anonymous requests may be in flight at once, of this limit of connections. A quarter is left to authenticated ones.
#[must_use]
pub const fn anonymous_share(connections: usize) -> usize {
    connections - connections / 4
}

impl InFlightGuard {
    /// Counts a request; none if a limit is reached. Anonymous requests are limited to a share of the upstream's limit, so that they
    /// cannot keep applications from it, and to `anonymous` permits over all upstreams.
    pub(super) fn acquire(target: &Arc<Target>, caller: Caller, anonymous: &Arc<Semaphore>) -> Option<Self> {
        let (limit, permit) = match caller {
            Caller::Authenticated => (target.spec.limits.connections, None),
            // The limit over all upstreams may be lower than this one's: it follows the number of descriptors.
            Caller::Anonymous => (
                anonymous_share(target.spec.limits.connections),
                Some(Arc::clone(anonymous).try_acquire_owned().ok()?),
            ),
        };
        let guard = Self { target: Arc::clone(target), _anonymous: permit, origin: None };
        // Counted before the comparison; the drop of a rejected guard counts down again.
        (target.in_flight.0.fetch_add(1, Relaxed) < limit).then_some(guard)
    }

    /// Counts a request of the edge itself, which no limit refuses.
    pub(super) fn unlimited(target: &Arc<Target>) -> Self {
        target.in_flight.0.fetch_add(1, Relaxed);
        Self { target: Arc::clone(target), _anonymous: None, origin: None }
    }
}

impl InFlightGuard {
    /// Counts the request as in flight to this origin, and no longer to another one.
    pub(super) fn assign(&mut self, origin: &Arc<OriginHealth>) {
        origin.in_flight.fetch_add(1, Relaxed);
        self.leave(Some(Arc::clone(origin)));
    }

    fn leave(&mut self, next: Option<Arc<OriginHealth>>) {
        if let Some(origin) = std::mem::replace(&mut self.origin, next) {
            origin.in_flight.fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.leave(None);
        self.target.in_flight.0.fetch_sub(1, Relaxed);
    }
}
