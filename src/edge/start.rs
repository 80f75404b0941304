//! The start, in two steps: everything is built and bound, and then it serves.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use super::{Edge, EdgeError, memory::Memory, operator::Bound};
use crate::{
    admin::{self, AssertionIds, Capacity, Expiries, History, Problems, Recent},
    config::{Problem, Severity, settings::Settings},
    expiry,
    forward::Upkeep,
    listen::{Inherited, ListenError, Listeners, Observers, Shares, Sockets, Stores, Workers},
    load::{cannot_bind, cannot_open_log, listen_spec, stray_socket, too_few_open_files},
    observe::{
        LogError, MemoryWatch, Reloads, init_log, log,
        metrics::{Process, Registry},
    },
    otlp,
    reload::Reloader,
    source::{Source, files::InitialBuild},
    trace::Queue,
};

/// What an edge is started with besides its configuration.
#[derive(Default)]
pub struct Options {
    /// The number of workers; wins over `[listen] workers`.
    pub workers: Option<usize>,
    /// Sources of applications besides the files.
    pub sources: Vec<Box<dyn Source>>,
    /// Sockets that are open already.
    pub sockets: Vec<Inherited>,
    /// The used `jti` values of the process that this one replaces; none: new stores.
    pub stores: Option<Stores>,
}

/// An edge that does not accept connections yet.
#[derive(Debug)]
pub struct Prepared {
    https: Vec<SocketAddr>,
    workers: Workers,
    operators: Vec<Bound>,
    state: Arc<admin::State>,
    pub(super) memory: Memory,
    reloader: Reloader,
    upkeep: Upkeep,
    exporter: otlp::Exporter,
}

impl Prepared {
    /// Sets up the log, binds every address that has no socket yet, and starts the workers and the reloader.
    pub fn new(initial: InitialBuild, options: Options) -> Result<Self, EdgeError> {
        let Options { workers: count, sources, sockets, stores } = options;
        let InitialBuild { settings, site, warnings, clock, .. } = &initial;
        init_log(&settings.log).map_err(|error| match (error, settings.log.to.file()) {
            (LogError::File(error), Some(file)) => {
                EdgeError::Bind(Box::new(cannot_open_log(settings, file, &error)))
            }
            (error, _) => EdgeError::Log(error),
        })?;
        log_problems(warnings);
        let mut spec = listen_spec(settings, count);
        let Sockets { https, operators } = Sockets::assign(&spec, sockets)
            .map_err(|stray| EdgeError::Bind(Box::new(stray_socket(settings, stray))))?;
        spec.https.truncate(https.len());
        let shares = Shares::raise(&spec)?;
        let shortage = shares.shortage(&spec).map(|shortage| too_few_open_files(settings, &shortage));
        log_problems(shortage.as_slice());
        let listeners = Listeners::bind(&spec, shares, https).map_err(|error| at_address(settings, error))?;
        let operators = operators.into_iter().map(|(purpose, group)| Bound::new(settings, purpose, group));
        let operators = operators.collect::<Result<_, _>>()?;

        let (metrics, reloads) = (Arc::<Registry>::default(), Arc::new(Reloads::new(clock.clone())));
        let state = Arc::new(admin::State {
            ready: AtomicBool::new(false),
            metrics: Arc::clone(&metrics),
            site: Arc::clone(site),
            calendar: Arc::default(),
            clock: clock.clone(),
            reloads: Arc::clone(&reloads),
            capacity: capacity(shares, settings, shortage.as_ref()),
            history: History::default(),
            recent: Recent::default(),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            started: clock.now(),
            latest: AtomicI64::new(clock.now().unix()),
            refusals: Arc::default(),
            memory: MemoryWatch::new(),
            upgrade_failure: Mutex::default(),
        });
        // Before the first connection is accepted.
        state.memory.observe(site.load().limits.memory_bytes);
        let https = listeners.addresses().to_vec();
        let memory = Memory {
            stores: stores.unwrap_or_else(|| Stores::new(clock.now())),
            site: Arc::clone(site),
            clock: clock.clone(),
        };
        let spans = Arc::<Queue>::default();
        let counts = Arc::new(otlp::Counts::of(Arc::clone(&spans)));
        let observers = Observers {
            metrics: Arc::clone(&metrics),
            spans: Arc::clone(&spans),
            memory: Arc::clone(&state.memory),
        };
        let workers = listeners.start(site, clock, &memory.stores, &observers)?;
        metrics.add(log::LogMetrics);
        metrics.add(Process::started_now());
        metrics.add(Expiries::of(Arc::clone(site), Arc::clone(&state.calendar), clock.clone()));
        metrics.add(AssertionIds::of(Arc::clone(&memory.stores.replay), Arc::clone(site), clock.clone()));
        metrics.add(Problems::of(&state));
        metrics.add(Arc::clone(&state.memory));
        metrics.add(Arc::clone(&state.refusals));
        metrics.add(Arc::clone(&reloads));
        metrics.add(Arc::clone(&counts));
        let reloader = Reloader::start(initial, reloads, sources).map_err(EdgeError::Sources)?;
        let upstreams = Arc::clone(&state.site);
        let upkeep =
            Upkeep::start(shares.upkeep, move || upstreams.load().pooled_targets().map(Arc::clone).collect());
        let upkeep = upkeep.map_err(EdgeError::Upkeep)?;
        let exporter =
            otlp::Exporter::start(Arc::clone(&state.site), spans, counts).map_err(EdgeError::Traces)?;
        Ok(Self { https, workers, operators, state, memory, reloader, upkeep, exporter })
    }

    /// Whether all threads run.
    pub(super) fn is_running(&self) -> bool {
        self.workers.are_running()
    }

    /// Accepts connections from now on.
    pub fn serve(self) -> Result<Edge, EdgeError> {
        let Self { https, workers, operators, state, memory, reloader, upkeep, exporter } = self;
        workers.serve();
        let operators = operators.into_iter().map(|bound| bound.serve(&state)).collect::<Result<_, _>>()?;
        state.ready.store(true, Ordering::Release);
        let expiry =
            expiry::Watch::of(Arc::clone(&state.site), Arc::clone(&state.calendar), state.clock.clone());
        let predecessor = None;
        Ok(Edge { https, workers, operators, state, memory, reloader, expiry, upkeep, exporter, predecessor })
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
