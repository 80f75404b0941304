//! The connections of one kind of work that the edge does at origins by itself, and whose turn it is.

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::Pools;
use crate::net::WriteBatcher;

/// Connections that are apart from those of other work, so that its origins cannot delay it.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) pools: Pools,
    /// As many as connections. Those that wait get it in their order, and lose no time of their own meanwhile.
    turns: Semaphore,
}

impl Lane {
    /// For this many connections at once.
    pub(super) fn new(batcher: WriteBatcher, connections: usize) -> Self {
        let permits = Arc::new(Semaphore::new(connections));
        let pools = Pools::new(batcher, Arc::clone(&permits), permits);
        Self { pools, turns: Semaphore::new(connections) }
    }

    /// Waits until one more origin may be connected to.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.turns.acquire().await.ok()
    }
}
