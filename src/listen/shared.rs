//! State that all workers share.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

use super::{
    bound::{Bound, ByLimit, Counted, handshakes_of},
    eviction::EvictionRequest,
    reached::ReachedLog,
    shares::Shares,
    stores::Stores,
};
use crate::{
    clock::Clock,
    observe::metrics::Registry,
    request::{BodyMemory, Rates},
    site::SiteHandle,
    trace::Queue,
};

/// State that all workers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) site: SiteHandle,
    /// The time by which certificates are judged.
    pub(super) clock: Clock,
    /// Makes each worker's recorder.
    pub(super) metrics: Arc<Registry>,
    /// The memory that bodies take.
    pub(super) bodies: Arc<BodyMemory>,
    /// The used `jti` values.
    pub(super) stores: Stores,
    /// The spans that wait for export.
    pub(super) spans: Arc<Queue>,
    /// The requests that addresses and applications have sent.
    pub(super) rates: Arc<Rates>,
    /// The limits on connections.
    pub(super) bounds: ByLimit<Bound>,
    /// Logs that they are reached.
    pub(super) reached: ReachedLog,
    /// Free places for connections to upstreams.
    pub(super) upstream_places: Arc<Semaphore>,
    /// Free places for unauthenticated requests in flight to upstreams.
    pub(super) stranger_places: Arc<Semaphore>,
    /// How the descriptors are divided.
    pub(super) shares: Shares,
    /// The eviction requests of each worker, in the order of their numbers.
    pub(super) evictors: Vec<mpsc::Sender<EvictionRequest>>,
}

/// The least number of connections that one address may have by default: a browser opens six, and a client with a pool some more.
const PER_ADDRESS: usize = 16;

impl Shared {
    /// How many of these connections one client network may have.
    pub(super) fn per_address(&self, counted: Counted) -> usize {
        let limits = &self.site.load().limits;
        let default = || (self.bounds.open.limit / 10).max(PER_ADDRESS);
        let open = limits.connections_per_address.unwrap_or_else(default);
        match counted {
            Counted::Open => open,
            Counted::Handshakes => limits.handshakes_per_address.unwrap_or_else(|| handshakes_of(open)),
        }
    }
}
