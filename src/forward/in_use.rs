//! The bound on requests in flight to one upstream.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Target;

/// Whose request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// An application that has proved who it is.
    Authenticated,
    /// Anybody: the route asks for no proof.
    Anonymous,
}

/// A request's share of its upstream, from before its connection is opened until the end of its response.
#[derive(Debug)]
pub(super) struct InUse {
    target: Arc<Target>,
    /// Of the requests of anybody.
    _stranger: Option<OwnedSemaphorePermit>,
}

/// How many requests of anybody may be in flight at once where so many connections to upstreams may be open: a quarter is left to
/// applications, to whichever upstreams strangers call.
#[must_use]
pub const fn anonymous_share(connections: usize) -> usize {
    connections - connections / 4
}

impl InUse {
    /// Takes a place; nothing if as many requests are in flight as may be. Those of anybody leave a quarter of the places to
    /// applications, so that strangers can't keep them from the upstream.
    pub(super) fn take(target: &Arc<Target>, caller: Caller, strangers: &Arc<Semaphore>) -> Option<Self> {
        let (bound, stranger) = match caller {
            Caller::Authenticated => (target.limits.connections, None),
            // The system may have fewer descriptors for connections than this upstream may have.
            Caller::Anonymous => (
                anonymous_share(target.limits.connections),
                Some(Arc::clone(strangers).try_acquire_owned().ok()?),
            ),
        };
        let place = Self { target: Arc::clone(target), _stranger: stranger };
        // Counted before it is compared: what is too many leaves again.
        (target.in_flight.0.fetch_add(1, Relaxed) < bound).then_some(place)
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.target.in_flight.0.fetch_sub(1, Relaxed);
    }
}
