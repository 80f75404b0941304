//! The workers and their sockets: bind, start, drain.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
    thread::JoinHandle,
};

use tokio::sync::{Semaphore, watch};

use super::{
    bound::{Bound, ByLimit, handshakes_of},
    eviction::eviction_channel,
    gauges::Gauges,
    inherited::Group,
    reached::ReachedLog,
    shared::Shared,
    shares::Shares,
    socket,
    spec::ListenSpec,
    stores::Stores,
    worker::{self, DrainTimes, End, Stage},
};
use crate::{
    clock::Clock,
    confine::{Confinement, confine_thread},
    forward::anonymous_share,
    observe::{MemoryWatch, metrics::Registry},
    site::SiteHandle,
    trace::Queue,
};

/// What records the work of all workers.
#[derive(Debug)]
pub struct Observers {
    /// Makes each worker's recorder.
    pub metrics: Arc<Registry>,
    /// The spans that wait for export.
    pub spans: Arc<Queue>,
    /// Whether memory is short.
    pub memory: Arc<MemoryWatch>,
}

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

/// Addresses that are bound and not yet served.
#[derive(Debug)]
pub struct Listeners {
    by_worker: Vec<Vec<TcpListener>>,
    sockets: Vec<Group>,
    addresses: Vec<SocketAddr>,
    shares: Shares,
    /// Handshakes that may be in flight.
    handshakes: usize,
    times: DrainTimes,
}

impl Listeners {
    /// Binds every address that has no socket once per worker, and distributes all sockets to the workers.
    pub fn bind(spec: &ListenSpec, shares: Shares, mut sockets: Vec<Group>) -> Result<Self, ListenError> {
        let workers = spec.worker_count();
        let mut by_worker: Vec<Vec<TcpListener>> = (0..workers).map(|_| Vec::new()).collect();
        let mut addresses = Vec::new();
        for Group { address, sockets } in &mut sockets {
            let local = |sockets: &[TcpListener]| sockets.first().and_then(|socket| socket.local_addr().ok());
            let address =
                address.or_else(|| local(sockets)).unwrap_or_else(|| (Ipv4Addr::UNSPECIFIED, 0).into());
            let failed = |error| ListenError::Bind { address, error };
            if sockets.is_empty() {
                *sockets = socket::bind(address, workers).map_err(failed)?;
            } else {
                sockets.iter().try_for_each(socket::prepare).map_err(failed)?;
            }
            addresses.extend(local(sockets));
            for (worker, listeners) in
                by_worker.iter_mut().zip(socket::distribute(sockets, workers).map_err(failed)?)
            {
                worker.extend(listeners);
            }
        }
        let times = DrainTimes { delay: spec.drain_delay, timeout: spec.drain_timeout };
        let handshakes = spec.handshakes.unwrap_or_else(|| handshakes_of(shares.connections));
        Ok(Self { by_worker, sockets, addresses, shares, handshakes, times })
    }

    /// The bound addresses, with the actual ports.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Starts the workers. They accept from [`Workers::serve`] on.
    pub fn start(
        self,
        site: &SiteHandle,
        clock: &Clock,
        stores: &Stores,
        observers: &Observers,
    ) -> Result<Workers, ListenError> {
        let Observers { metrics, spans, memory } = observers;
        let (evictors, requests): (Vec<_>, Vec<_>) =
            self.by_worker.iter().map(|_| eviction_channel()).unzip();
        let (limit, handshakes) = (self.shares.connections, self.handshakes);
        let shared = Arc::new(Shared {
            site: Arc::clone(site),
            clock: clock.clone(),
            metrics: Arc::clone(metrics),
            bodies: Arc::default(),
            stores: stores.clone(),
            spans: Arc::clone(spans),
            rates: Arc::default(),
            bounds: ByLimit {
                open: Bound::new(limit).with_memory(Arc::clone(memory)),
                handshakes: Bound::new(handshakes),
            },
            reached: ReachedLog::new(),
            upstream_places: Arc::new(Semaphore::new(self.shares.upstream)),
            stranger_places: Arc::new(Semaphore::new(anonymous_share(self.shares.upstream))),
            shares: self.shares,
            evictors,
        });
        metrics.add(Gauges(Arc::clone(&shared)));
        let (stage, changes) = watch::channel(Stage::Waiting);
        let times = self.times;
        let mut threads = Vec::new();
        for (number, (listeners, requests)) in self.by_worker.into_iter().zip(requests).enumerate() {
            let (shared, changes) = (Arc::clone(&shared), changes.clone());
            let thread = std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
                confine(number);
                worker::run(number, listeners, &shared, requests, changes, times)
            });
            threads.push(thread.map_err(ListenError::Start)?);
        }
        Ok(Workers { stage, threads, sockets: self.sockets })
    }
}

/// Takes from a worker's thread what it never needs, as far as the kernel can. The first one logs it.
fn confine(number: usize) {
    let confined = confine_thread();
    if number > 0 {
        return;
    }
    match confined {
        Ok(Confinement::None) => tracing::info!("workers are not confined: this kernel has no Landlock"),
        Ok(confinement) => tracing::debug!(?confinement, "workers confined by Landlock"),
        Err(error) => tracing::warn!(%error, "workers are not confined"),
    }
}

/// The running workers.
#[derive(Debug)]
pub struct Workers {
    stage: watch::Sender<Stage>,
    threads: Vec<JoinHandle<io::Result<()>>>,
    /// Second handles of their sockets, to be passed to a process that replaces this one.
    sockets: Vec<Group>,
}

impl Workers {
    /// Accepts connections from now on.
    pub fn serve(&self) {
        self.stage.send_replace(Stage::Serving);
    }

    /// Their sockets.
    #[must_use]
    pub fn sockets(&self) -> &[Group] {
        &self.sockets
    }

    /// Stops the workers, and waits for them. Each connection may serve one more request.
    pub fn stop(self, end: End) -> Result<(), ListenError> {
        // The workers' own handles keep the sockets open while they accept.
        drop(self.sockets);
        self.stage.send_replace(Stage::Ending(end));
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
