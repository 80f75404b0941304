//! The workers and their sockets: bind, start, drain.

use std::{io, net::SocketAddr, sync::Arc, thread::JoinHandle};

use tokio::sync::{Semaphore, watch};

use super::{
    addresses::Addresses,
    eviction::eviction_channel,
    gauges::gauges,
    shared::Shared,
    shares::Shares,
    socket,
    spec::ListenSpec,
    worker::{self, DrainTimes, Stage},
};
use crate::{
    clock::Clock,
    forward::{BufferedBytes, anonymous_share},
    observe::metrics::Registry,
    replay::ReplayStore,
    site::SiteHandle,
};

/// Why the edge cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// An address cannot be bound.
    #[error("cannot bind {address}: {error}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why it cannot be bound.
        error: io::Error,
    },
    /// A worker's thread cannot be started.
    #[error("cannot start a worker: {0}")]
    Start(io::Error),
    /// A worker's runtime cannot be built, or its sockets cannot be used.
    #[error("a worker failed: {0}")]
    Worker(io::Error),
    /// A defect of the edge.
    #[error("a worker panicked")]
    Panicked,
}

/// The least number of connections that one address may have: a browser opens six, and a client with a pool some more.
const PER_ADDRESS: usize = 16;

/// Addresses that are bound and not yet served.
#[derive(Debug)]
pub struct Listeners {
    by_worker: Vec<Vec<std::net::TcpListener>>,
    addresses: Vec<SocketAddr>,
    shares: Shares,
    times: DrainTimes,
}

impl Listeners {
    /// Binds every address once per worker.
    pub fn bind(spec: &ListenSpec, shares: Shares) -> Result<Self, ListenError> {
        let workers = spec.worker_count();
        let mut by_worker: Vec<Vec<std::net::TcpListener>> = (0..workers).map(|_| Vec::new()).collect();
        let mut addresses = Vec::new();
        for &address in &spec.https {
            let listeners =
                socket::bind(address, workers).map_err(|error| ListenError::Bind { address, error })?;
            addresses.extend(listeners.first().and_then(|listener| listener.local_addr().ok()));
            for (worker, listener) in by_worker.iter_mut().zip(listeners) {
                worker.push(listener);
            }
        }
        let times = DrainTimes { delay: spec.drain_delay, timeout: spec.drain_timeout };
        Ok(Self { by_worker, addresses, shares, times })
    }

    /// The bound addresses, with the actual ports.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Starts the workers.
    pub fn start(
        self,
        site: &SiteHandle,
        clock: &Clock,
        metrics: &Arc<Registry>,
        replay: &Arc<ReplayStore>,
    ) -> Result<Workers, ListenError> {
        let (evictors, requests): (Vec<_>, Vec<_>) =
            self.by_worker.iter().map(|_| eviction_channel()).unzip();
        let limit = self.shares.connections;
        let shared = Arc::new(Shared {
            site: Arc::clone(site),
            clock: clock.clone(),
            metrics: Arc::clone(metrics),
            buffered: Arc::new(BufferedBytes::default()),
            replay: Arc::clone(replay),
            proofs: Arc::new(ReplayStore::new(clock.now())),
            places: Arc::new(Semaphore::new(limit)),
            upstream_places: Arc::new(Semaphore::new(self.shares.upstream)),
            stranger_places: Arc::new(Semaphore::new(anonymous_share(self.shares.upstream))),
            shares: self.shares,
            addresses: Addresses::new(),
            per_address: (limit / 10).max(PER_ADDRESS),
            evictors,
        });
        metrics.add(gauges(&shared));
        let (stage, changes) = watch::channel(Stage::Serving);
        let times = self.times;
        let mut threads = Vec::new();
        for (number, (listeners, requests)) in self.by_worker.into_iter().zip(requests).enumerate() {
            let (shared, changes) = (Arc::clone(&shared), changes.clone());
            let thread = std::thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || worker::run(number, listeners, &shared, requests, changes, times));
            threads.push(thread.map_err(ListenError::Start)?);
        }
        Ok(Workers { stage, threads })
    }
}

/// The workers while they serve.
#[derive(Debug)]
pub struct Workers {
    stage: watch::Sender<Stage>,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

impl Workers {
    /// Lets each connection serve one more request within `drain_delay`, stops accepting, lets requests in flight finish within
    /// `drain_timeout`, and waits for all workers.
    pub fn stop(self) -> Result<(), ListenError> {
        self.stage.send_replace(Stage::Draining);
        let mut result = Ok(());
        for thread in self.threads {
            match thread.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => result = Err(ListenError::Worker(error)),
                Err(_) => result = Err(ListenError::Panicked),
            }
        }
        result
    }

    /// Whether every worker still runs. The edge must end if one has ended by itself, since the kernel still gives connections to its
    /// socket.
    #[must_use]
    pub fn are_running(&self) -> bool {
        !self.threads.iter().any(JoinHandle::is_finished)
    }
}
