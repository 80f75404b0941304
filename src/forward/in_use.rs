//! The bound on requests in flight to one upstream.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use super::Target;

/// Whose request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// An application that has proved who it is.
    Proved,
    /// Anybody: the route asks for no proof.
    Anybody,
}

/// A request's share of its upstream, from before its connection is opened until the end of its response.
#[derive(Debug)]
pub(super) struct InUse(Arc<Target>);

impl InUse {
    /// Takes a place; nothing if as many requests are in flight as may be. Those of anybody leave a quarter of the places to
    /// applications, so that strangers can't keep them from the upstream.
    pub(super) fn take(target: &Arc<Target>, caller: Caller) -> Option<Self> {
        let bound = match caller {
            Caller::Proved => target.connections,
            Caller::Anybody => target.connections - target.connections / 4,
        };
        let place = Self(Arc::clone(target));
        // Counted before it is compared: what is too many leaves again.
        (target.in_flight.0.fetch_add(1, Relaxed) < bound).then_some(place)
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.in_flight.0.fetch_sub(1, Relaxed);
    }
}
