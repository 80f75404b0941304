//! State that all workers share.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

use super::{addresses::Addresses, eviction::EvictionRequest, shares::Shares, stores::Stores};
use crate::{
    clock::Clock, forward::BufferedBytes, observe::metrics::Registry, request::Rates, site::SiteHandle,
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
    pub(super) buffered: Arc<BufferedBytes>,
    /// The used `jti` values.
    pub(super) stores: Stores,
    /// The requests that addresses and applications have sent.
    pub(super) rates: Arc<Rates>,
    /// Free places for connections.
    pub(super) places: Arc<Semaphore>,
    /// Free places for connections to upstreams.
    pub(super) upstream_places: Arc<Semaphore>,
    /// Free places for unauthenticated requests in flight to upstreams.
    pub(super) stranger_places: Arc<Semaphore>,
    /// How the descriptors are divided.
    pub(super) shares: Shares,
    /// Connections per address.
    pub(super) addresses: Arc<Addresses>,
    /// Connections that one address may have, unless the settings have another limit.
    pub(super) per_address: usize,
    /// The eviction requests of each worker, in the order of their numbers.
    pub(super) evictors: Vec<mpsc::Sender<EvictionRequest>>,
}
