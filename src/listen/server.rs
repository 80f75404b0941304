//! The workers and their sockets: bind, start, drain.

use std::{io, net::SocketAddr, sync::Arc, thread::JoinHandle};

use tokio::sync::{Semaphore, watch};

use super::{
    addresses::Addresses,
    cannot_bind::cannot_bind,
    door::asks,
    shared::Shared,
    shares::{Shares, TooFew},
    socket, worker,
};
use crate::{
    clock::Clock,
    config::{Problem, settings::Settings},
    forward::{BufferedBytes, for_strangers},
    net::descriptors,
    observe::metrics::{self, Families, Registry},
    site::SiteHandle,
};

/// Why the edge can't listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// An address can't be bound.
    #[error("{0}")]
    Bind(Box<Problem>),
    /// The limit of open files is too low.
    #[error("{0}")]
    Descriptors(#[from] TooFew),
    /// A worker's thread can't be started.
    #[error("cannot start a worker: {0}")]
    Start(io::Error),
    /// A worker's runtime can't be built, or its sockets can't be used.
    #[error("a worker failed: {0}")]
    Worker(io::Error),
    /// A defect of the edge.
    #[error("a worker panicked")]
    Panicked,
}

/// What one address may have at least: a browser opens six connections, and a client with a pool some more.
const PER_ADDRESS: usize = 16;

/// How many workers there are: `[listen] workers`, by default one for each core that the process may use (affinity and cgroup
/// limits respected).
#[must_use]
pub fn workers(settings: &Settings) -> usize {
    settings.listen.workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Raises the limit of open files and shares it out; with what is lacking.
fn share(settings: &Settings, workers: usize) -> Result<(Shares, Option<Problem>), ListenError> {
    let mut division = Shares::of(settings, workers, descriptors::raise())?;
    division.upstream = division.upstream.min(Semaphore::MAX_PERMITS);
    descriptors::reserve(division.most(settings));
    let shortage = division.shortage(settings);
    if let Some(shortage) = &shortage {
        tracing::warn!("{shortage}");
    }
    tracing::info!(
        descriptors = division.descriptors,
        reserve = division.reserve,
        connections = division.connections,
        upstream_connections = division.upstream,
        "open files"
    );
    Ok((division, shortage))
}

/// Addresses that are bound and not served yet.
#[derive(Debug)]
pub struct Listeners {
    by_worker: Vec<Vec<std::net::TcpListener>>,
    addresses: Vec<SocketAddr>,
    shares: Shares,
    shortage: Option<Problem>,
}

impl Listeners {
    /// Raises the limit of open files, shares it out, and binds every address of `[listen] https` for so many workers.
    pub fn bind(settings: &Settings, workers: usize) -> Result<Self, ListenError> {
        let (shares, shortage) = share(settings, workers)?;
        let mut by_worker: Vec<Vec<std::net::TcpListener>> = (0..workers).map(|_| Vec::new()).collect();
        let mut addresses = Vec::new();
        for address in &settings.listen.https {
            let listeners = socket::bind(address.value, workers)
                .map_err(|error| ListenError::Bind(Box::new(cannot_bind("listen.https", address, &error))))?;
            addresses.extend(listeners.first().and_then(|listener| listener.local_addr().ok()));
            for (worker, listener) in by_worker.iter_mut().zip(listeners) {
                worker.push(listener);
            }
        }
        Ok(Self { by_worker, addresses, shares, shortage })
    }

    /// The addresses, with the ports that were taken.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// How the limit of open files is shared out.
    #[must_use]
    pub fn shares(&self) -> Shares {
        self.shares
    }

    /// What the limit of open files lacks for what is configured.
    #[must_use]
    pub fn shortage(&self) -> Option<&Problem> {
        self.shortage.as_ref()
    }

    /// Starts the workers.
    pub fn start(
        self,
        settings: &Settings,
        site: &SiteHandle,
        clock: &Clock,
        metrics: &Arc<Registry>,
    ) -> Result<Workers, ListenError> {
        let (doors, asked): (Vec<_>, Vec<_>) = self.by_worker.iter().map(|_| asks()).unzip();
        let bound = self.shares.connections;
        let shared = Arc::new(Shared {
            site: Arc::clone(site),
            clock: clock.clone(),
            metrics: Arc::clone(metrics),
            buffered: Arc::new(BufferedBytes::default()),
            places: Arc::new(Semaphore::new(bound)),
            upstream_places: Arc::new(Semaphore::new(self.shares.upstream)),
            stranger_places: Arc::new(Semaphore::new(for_strangers(self.shares.upstream))),
            shares: self.shares,
            addresses: Addresses::new(),
            per_address: (bound / 10).max(PER_ADDRESS),
            doors,
        });
        metrics.add(gauges(&shared));
        let (drain, drained) = watch::channel(false);
        let drain_timeout = settings.limits.drain_timeout;
        let mut threads = Vec::new();
        for (number, (listeners, asked)) in self.by_worker.into_iter().zip(asked).enumerate() {
            let (shared, drained) = (Arc::clone(&shared), drained.clone());
            let thread = std::thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || worker::run(number, listeners, &shared, asked, drained, drain_timeout));
            threads.push(thread.map_err(ListenError::Start)?);
        }
        Ok(Workers { drain, threads })
    }
}

/// What of the places is taken, at each scrape.
fn gauges(shared: &Shared) -> impl Fn(&mut Families) + Send + Sync + 'static {
    let Shares { connections, upstream, .. } = shared.shares;
    let (free, upstream_free) = (Arc::clone(&shared.places), Arc::clone(&shared.upstream_places));
    let buffered = Arc::clone(&shared.buffered);
    move |families| {
        let open = |bound: usize, free: &Semaphore| bound.saturating_sub(free.available_permits());
        families.set(&metrics::CONNECTIONS, [], open(connections, &free));
        families.set(&metrics::UPSTREAM_CONNECTIONS, [], open(upstream, &upstream_free));
        families.set(&metrics::BUFFERED_BYTES, [], buffered.now());
    }
}

/// The workers while they serve.
#[derive(Debug)]
pub struct Workers {
    drain: watch::Sender<bool>,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

impl Workers {
    /// Stops accepting, lets requests in flight finish within `drain_timeout`, and waits for all workers.
    pub fn stop(self) -> Result<(), ListenError> {
        self.drain.send_replace(true);
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

    /// Whether every worker still runs. The edge can't do without one that ended by itself: the kernel gives its socket connections.
    #[must_use]
    pub fn are_running(&self) -> bool {
        !self.threads.iter().any(JoinHandle::is_finished)
    }
}
