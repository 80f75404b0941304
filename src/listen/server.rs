//! All workers and the admin address: start, stop.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

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
    admin::{self, Capacity, Expiries, Health},
    config::{Problem, Spanned, settings::Settings},
    forward::{BufferedBytes, for_strangers},
    net::descriptors,
    observe::{
        Reloads, log,
        metrics::{self, Families, Registry},
    },
    site::SiteHandle,
};

/// Why the edge can't serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address can't be bound.
    #[error("{0}")]
    Bind(Box<Problem>),
    /// The limit of open files is too low.
    #[error("{0}")]
    Descriptors(#[from] TooFew),
    /// A thread or runtime can't be had, or ended before its time.
    #[error("a worker can't run: {0}")]
    Worker(#[from] std::io::Error),
}

/// The edge while it serves.
#[derive(Debug)]
pub struct Running {
    /// Addresses that speak TLS, with the ports that were taken.
    pub https: Vec<SocketAddr>,
    /// The admin address.
    pub admin: SocketAddr,
    health: Arc<Health>,
    drain: watch::Sender<bool>,
    workers: Vec<JoinHandle<std::io::Result<()>>>,
    admin_thread: Option<(tokio::sync::oneshot::Sender<()>, JoinHandle<()>)>,
}

/// What one address may have at least: a browser opens six connections, and a client with a pool some more.
const PER_ADDRESS: usize = 16;

/// How many workers there are: `[listen] workers`, by default one for each core that the process may use (affinity and cgroup
/// limits respected).
pub(super) fn workers(settings: &Settings) -> usize {
    settings.listen.workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Raises the limit of open files and shares it out; with what is lacking.
fn share(settings: &Settings, workers: usize) -> Result<(Shares, Option<Problem>), ServeError> {
    let division = Shares::of(settings, workers, descriptors::raise())?;
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

fn bind_error(key: &str, address: &Spanned<SocketAddr>, error: &std::io::Error) -> ServeError {
    ServeError::Bind(Box::new(cannot_bind(key, address, error)))
}

/// Raises the limit of open files, binds every address and starts the workers.
pub fn start(settings: &Settings, site: SiteHandle, reloads: Arc<Reloads>) -> Result<Running, ServeError> {
    let count = workers(settings);
    let (division, shortage) = share(settings, count)?;
    let mut by_worker: Vec<Vec<std::net::TcpListener>> = (0..count).map(|_| Vec::new()).collect();
    let mut https = Vec::new();
    for address in &settings.listen.https {
        let listeners = socket::bind(address.value, count)
            .map_err(|error| bind_error("listen.https", address, &error))?;
        https.extend(listeners.first().and_then(|listener| listener.local_addr().ok()));
        for (worker, listener) in by_worker.iter_mut().zip(listeners) {
            worker.push(listener);
        }
    }
    let address = &settings.listen.admin;
    let admin_listener = std::net::TcpListener::bind(address.value)
        .map_err(|error| bind_error("listen.admin", address, &error))?;
    let admin = admin_listener.local_addr()?;

    let metrics = Arc::<Registry>::default();
    let bound = division.connections;
    let places = Arc::new(Semaphore::new(bound));
    let upstream_bound = division.upstream.min(Semaphore::MAX_PERMITS);
    let upstream_places = Arc::new(Semaphore::new(upstream_bound));
    let (doors, asked): (Vec<_>, Vec<_>) = (0..count).map(|_| asks()).unzip();
    let buffered = Arc::new(BufferedBytes::default());
    let shared = Arc::new(Shared {
        site: Arc::clone(&site),
        metrics: Arc::clone(&metrics),
        buffered: Arc::clone(&buffered),
        places: Arc::clone(&places),
        upstream_places: Arc::clone(&upstream_places),
        stranger_places: Arc::new(Semaphore::new(for_strangers(upstream_bound))),
        shares: division,
        addresses: Addresses::new(),
        per_address: (bound / 10).max(PER_ADDRESS),
        doors,
    });
    let (gauged, free) = (Arc::clone(&buffered), Arc::clone(&places));
    let upstream_free = Arc::clone(&upstream_places);
    metrics.add(move |families: &mut Families| {
        families.set(&metrics::CONNECTIONS, [], bound.saturating_sub(free.available_permits()));
        let upstream = upstream_bound.saturating_sub(upstream_free.available_permits());
        families.set(&metrics::UPSTREAM_CONNECTIONS, [], upstream);
        families.set(&metrics::BUFFERED_BYTES, [], gauged.now());
    });
    metrics.add(log::collect);
    metrics.add(Expiries::of(Arc::clone(&site)));
    metrics.add(Arc::clone(&reloads));
    let capacity = Capacity {
        descriptors: division.descriptors,
        reserve: division.reserve,
        connections_configured: settings.limits.connections,
        upstream: upstream_bound,
        shortage: shortage.map(|shortage| shortage.to_string()),
    };
    let health = Arc::new(Health { ready: AtomicBool::new(false), metrics, site, reloads, bound, capacity });
    let (drain, drained) = watch::channel(false);
    let drain_timeout = settings.limits.drain_timeout;
    let mut workers = Vec::new();
    for (number, (listeners, asked)) in by_worker.into_iter().zip(asked).enumerate() {
        let (shared, drained) = (Arc::clone(&shared), drained.clone());
        let worker = std::thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || worker::run(number, listeners, &shared, asked, drained, drain_timeout))?;
        workers.push(worker);
    }
    let (stop_admin, admin_stopped) = tokio::sync::oneshot::channel::<()>();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = Arc::clone(&health);
    let admin_thread = std::thread::Builder::new().name("admin".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                result = admin::serve(admin_listener, served) => {
                    if let Err(error) = result {
                        tracing::error!(%error, "the admin address is not served");
                    }
                }
                _ = admin_stopped => {}
            }
        });
    })?;
    health.ready.store(true, Ordering::Release);
    Ok(Running { https, admin, health, drain, workers, admin_thread: Some((stop_admin, admin_thread)) })
}

impl Running {
    /// Stops accepting, lets requests in flight finish within `drain_timeout`, and waits for all workers.
    pub fn stop(mut self) -> Result<(), ServeError> {
        self.health.ready.store(false, Ordering::Release);
        self.drain.send_replace(true);
        let mut result = Ok(());
        for worker in self.workers.drain(..) {
            match worker.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => result = Err(ServeError::Worker(error)),
                Err(_) => result = Err(ServeError::Worker(std::io::Error::other("a worker panicked"))),
            }
        }
        if let Some((stop, thread)) = self.admin_thread.take() {
            let _ = stop.send(());
            let _ = thread.join();
        }
        result
    }

    /// Whether every worker still runs; a worker that ended by itself can't be served without.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.workers.iter().any(JoinHandle::is_finished)
    }

    /// How often [`Running::is_whole`] is worth asking.
    pub const WATCH: Duration = Duration::from_secs(1);
}
