//! The composition root: what `run` and `demo` start, watch and stop.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{
    admin::{self, AssertionIds, Capacity, Expiries},
    config::{Problem, Severity, settings::Settings},
    expiry,
    forward::Upkeep,
    listen::{ListenError, Listeners, Shares, TooFew, Workers},
    load::{cannot_bind, listen_spec, too_few_open_files},
    observe::{
        Reloads, init_log, log,
        metrics::{Process, Registry},
    },
    reload::Reloader,
    replay::ReplayStore,
    source::{
        Source, SourceName,
        files::{InitialBuild, Trigger},
    },
};

/// How often the edge checks that its threads still run, and whether a credential expires soon.
const CHECK: Duration = Duration::from_secs(1);

/// Why the edge cannot start, or must end.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// The log cannot be written.
    #[error("cannot start the thread that writes the log: {0}")]
    Log(io::Error),
    /// An address cannot be bound.
    #[error("{0}")]
    Bind(Box<Problem>),
    /// The limit of open files is too low.
    #[error("{0}")]
    OpenFiles(#[from] TooFew),
    /// The workers cannot serve.
    #[error("{0}")]
    Listen(#[from] ListenError),
    /// The health of upstreams would not be checked.
    #[error("cannot start the thread that checks upstreams: {0}")]
    Upkeep(io::Error),
    /// The admin address cannot be served.
    #[error("cannot serve the admin address: {0}")]
    Admin(io::Error),
    /// Changes of the configuration files, or of another source of applications, would not be noticed.
    #[error("cannot start the sources of applications: {0}")]
    Sources(io::Error),
    /// A worker ended by itself.
    #[error("a worker ended")]
    WorkerEnded,
    /// The thread of a source of applications ended by itself.
    #[error("the thread of the source \"{0}\" ended")]
    SourceEnded(SourceName),
}

/// The edge while it serves: workers, admin address, reloader.
#[derive(Debug)]
pub struct Edge {
    https: Vec<SocketAddr>,
    workers: Workers,
    admin: admin::Server,
    state: Arc<admin::State>,
    reloader: Reloader,
    warnings: expiry::Warnings,
    upkeep: Upkeep,
}

impl Edge {
    /// Sets up the log, binds every address, and starts the workers, the admin address and the reloader. `count` of
    /// workers wins over `[listen] workers`. Applications come from the files and from these other `sources`.
    pub fn start(
        initial: InitialBuild,
        count: Option<usize>,
        sources: Vec<Box<dyn Source>>,
    ) -> Result<Self, EdgeError> {
        let InitialBuild { settings, site, warnings, clock, .. } = &initial;
        init_log(&settings.log).map_err(EdgeError::Log)?;
        log_problems(warnings);
        let spec = listen_spec(settings, count);
        let shares = Shares::raise(&spec)?;
        let shortage = shares.shortage(&spec).map(|shortage| too_few_open_files(settings, &shortage));
        log_problems(shortage.as_slice());
        let listeners = Listeners::bind(&spec, shares).map_err(|error| at_address(settings, error))?;
        let address = &settings.listen.admin;
        let admin_listener = TcpListener::bind(address.value)
            .map_err(|error| EdgeError::Bind(Box::new(cannot_bind("listen.admin", address, &error))))?;

        let (metrics, reloads) = (Arc::<Registry>::default(), Arc::new(Reloads::new(clock.clone())));
        let state = Arc::new(admin::State {
            ready: AtomicBool::new(false),
            metrics: Arc::clone(&metrics),
            site: Arc::clone(site),
            clock: clock.clone(),
            reloads: Arc::clone(&reloads),
            capacity: capacity(shares, settings, shortage.as_ref()),
        });
        let https = listeners.addresses().to_vec();
        let replay = Arc::new(ReplayStore::new(clock.now()));
        let workers = listeners.start(site, clock, &metrics, &replay)?;
        metrics.add(log::collect);
        metrics.add(Process::started_now());
        metrics.add(Expiries::of(Arc::clone(site), clock.clone()));
        metrics.add(AssertionIds::of(replay, Arc::clone(site), clock.clone()));
        metrics.add(Arc::clone(&reloads));
        let admin = admin::Server::start(admin_listener, Arc::clone(&state)).map_err(EdgeError::Admin)?;
        let reloader = Reloader::start(initial, reloads, sources).map_err(EdgeError::Sources)?;
        state.ready.store(true, Ordering::Release);
        let warnings = expiry::Warnings::of(Arc::clone(&state.site), state.clock.clone());
        let upstreams = Arc::clone(&state.site);
        let upkeep = Upkeep::start(move || upstreams.load().targets().map(Arc::clone).collect());
        let upkeep = upkeep.map_err(EdgeError::Upkeep)?;
        Ok(Self { https, workers, admin, state, reloader, warnings, upkeep })
    }

    /// The addresses that speak TLS, with the actual ports.
    #[must_use]
    pub fn https(&self) -> &[SocketAddr] {
        &self.https
    }

    /// The admin address.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin.address()
    }

    /// Reads the configuration files again, whether they have changed or not.
    pub fn reload(&self) {
        // Fails only if the reloader has ended: see `failure`.
        let _ = self.reloader.triggers().send(Trigger::Requested);
    }

    /// Waits until a thread that the edge needs has ended by itself. Usually that never happens. Until then it logs which credentials expire
    /// soon.
    pub async fn failure(&self) -> EdgeError {
        let mut check = tokio::time::interval(CHECK);
        loop {
            check.tick().await;
            self.warnings.check();
            if !self.workers.are_running() {
                return EdgeError::WorkerEnded;
            }
            if let Some(source) = self.reloader.ended() {
                return EdgeError::SourceEnded(source.clone());
            }
        }
    }

    /// Accepts for `drain_delay`, lets requests in flight finish within `drain_timeout`, and stops everything else. Until then the admin
    /// address responds, `/readyz` with 503, and changes of trust become active.
    pub fn stop(self) -> Result<(), EdgeError> {
        self.state.ready.store(false, Ordering::Release);
        let drained = self.workers.stop();
        // After the drain: a source may take long to stop.
        drop(self.reloader);
        drop(self.upkeep);
        self.admin.stop();
        Ok(drained?)
    }
}

fn log_problems(problems: &[Problem]) {
    for problem in problems {
        match problem.severity {
            Severity::Error => tracing::error!("{problem}"),
            Severity::Warning => tracing::warn!("{problem}"),
        }
    }
}

/// Maps an address that cannot be bound to its place in the configuration.
fn at_address(settings: &Settings, error: ListenError) -> EdgeError {
    if let ListenError::Bind { address, error } = &error
        && let Some(place) = settings.listen.https.iter().find(|https| https.value == *address)
    {
        return EdgeError::Bind(Box::new(cannot_bind("listen.https", place, error)));
    }
    error.into()
}

fn capacity(shares: Shares, settings: &Settings, shortage: Option<&Problem>) -> Capacity {
    Capacity {
        descriptors: shares.descriptors,
        reserve: shares.reserve,
        connections: shares.connections,
        connections_configured: settings.limits.connections,
        upstream: shares.upstream,
        shortage: shortage.map(ToString::to_string),
    }
}
