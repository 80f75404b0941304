//! What all workers share.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::{observe::Counters, site::SiteHandle};

/// What all workers see.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) site: SiteHandle,
    pub(super) counters: Arc<Counters>,
    /// Free places for connections, all workers together.
    pub(super) places: Arc<Semaphore>,
}
