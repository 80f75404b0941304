//! The two limits on connections: on all that are open, and on those whose handshake is not complete.

use std::{future::pending, sync::Arc};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use super::addresses::{AddressPlace, Addresses};
use crate::{net::Network, observe::MemoryWatch};

/// The least number of handshakes in flight that is allowed by default.
const HANDSHAKES: usize = 8;

/// How many of these connections may be in their handshakes by default.
pub(super) fn handshakes_of(connections: usize) -> usize {
    connections.div_ceil(2).max(HANDSHAKES)
}

/// How many connections are admitted even if memory is short: so that those of operators and load balancers are.
const WITHOUT_MEMORY: usize = 16;

/// The connections that a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// All that are open.
    Open,
    /// Those whose handshake is not complete.
    Handshakes,
}

impl Counted {
    pub(super) const ALL: [Self; 2] = [Self::Open, Self::Handshakes];
}

/// One value for each limit.
#[derive(Debug, Default)]
pub(super) struct ByLimit<T> {
    pub(super) open: T,
    pub(super) handshakes: T,
}

impl<T> ByLimit<T> {
    pub(super) const fn get(&self, counted: Counted) -> &T {
        match counted {
            Counted::Open => &self.open,
            Counted::Handshakes => &self.handshakes,
        }
    }
}

/// A limit on connections over all workers: on their sum, and on those of each client network.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) limit: usize,
    free: Arc<Semaphore>,
    addresses: Arc<Addresses>,
    /// While this is short, no place is free.
    memory: Option<Arc<MemoryWatch>>,
}

impl Bound {
    pub(super) fn new(limit: usize) -> Self {
        let free = Arc::new(Semaphore::new(limit));
        Self { limit, free, addresses: Addresses::new(), memory: None }
    }

    /// The same limit, which is reached while memory is short, too.
    pub(super) fn with_memory(self, memory: Arc<MemoryWatch>) -> Self {
        Self { memory: Some(memory), ..self }
    }

    /// Whether no place is free because memory is short.
    pub(super) fn lacks_memory(&self) -> bool {
        self.memory.as_ref().is_some_and(|memory| memory.is_short()) && self.in_use() >= WITHOUT_MEMORY
    }

    /// How many connections it counts now.
    pub(super) fn in_use(&self) -> usize {
        self.limit.saturating_sub(self.free.available_permits())
    }

    /// A place within the sum, if one is free.
    pub(super) fn take(&self) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        if self.lacks_memory() {
            return Err(TryAcquireError::NoPermits);
        }
        Arc::clone(&self.free).try_acquire_owned()
    }

    /// Waits until a place within the sum is free; `None` if the edge ends. Without end if memory is short.
    pub(super) async fn wait(&self) -> Option<OwnedSemaphorePermit> {
        if self.lacks_memory() {
            return pending().await;
        }
        Arc::clone(&self.free).acquire_owned().await.ok()
    }

    /// A place among the connections of this network, unless it has reached its limit.
    pub(super) fn take_of(&self, network: Network, limit: usize) -> Option<AddressPlace> {
        self.addresses.take(network, limit)
    }
}

/// The place of a connection within a limit.
#[derive(Debug)]
pub(super) struct Place {
    /// Within the sum.
    pub(super) of_all: OwnedSemaphorePermit,
    /// Within the limit of its address, if that is known and limited.
    pub(super) of_address: Option<AddressPlace>,
}

/// The places of a connection within all limits.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) open: Place,
    /// Until its handshake is complete.
    pub(super) handshake: Option<Place>,
}

impl Places {
    /// The place within this limit, and the one within the other limit.
    pub(super) fn split(self, counted: Counted) -> (Option<Place>, Option<Place>) {
        let Self { open, handshake } = self;
        match counted {
            Counted::Open => (Some(open), handshake),
            Counted::Handshakes => (handshake, Some(open)),
        }
    }
}
