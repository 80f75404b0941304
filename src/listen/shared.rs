//! What all workers share.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

use super::{addresses::Addresses, eviction::Ask, shares::Shares};
use crate::{clock::Clock, forward::BufferedBytes, observe::metrics::Registry, site::SiteHandle};

/// What all workers see.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) site: SiteHandle,
    /// By which certificates are judged.
    pub(super) clock: Clock,
    /// Where each worker gets its recorder.
    pub(super) metrics: Arc<Registry>,
    /// What bodies take of memory, all workers together.
    pub(super) buffered: Arc<BufferedBytes>,
    /// Free places for connections, all workers together.
    pub(super) places: Arc<Semaphore>,
    /// Free places for connections to upstreams.
    pub(super) upstream_places: Arc<Semaphore>,
    /// Requests that nobody was proved to have sent may be in flight to upstreams, so many at once.
    pub(super) stranger_places: Arc<Semaphore>,
    /// Who may take how many descriptors.
    pub(super) shares: Shares,
    /// Connections by address.
    pub(super) addresses: Arc<Addresses>,
    /// Connections that one address may have, where the settings do not say.
    pub(super) per_address: usize,
    /// By which each worker is asked to close connections, in the order of their numbers.
    pub(super) doors: Vec<mpsc::Sender<Ask>>,
}
