//! The composition root: what `run` and `demo` start, watch and stop, and how one process takes over from another.

mod memory;
mod operator;
mod start;
mod successor;
mod takeover;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use self::{memory::Memory, operator::Operator};
pub use self::{
    start::{Options, Prepared},
    successor::{Estate, Successor, UpgradeError},
    takeover::{Predecessor, TakeoverError},
};
use crate::{
    admin,
    config::Problem,
    connection, expiry,
    forward::Upkeep,
    listen::{End, ListenError, Purpose, TooFew, Workers},
    observe::LogError,
    otlp,
    reload::Reloader,
    source::{
        Source, SourceName,
        files::{InitialBuild, Trigger},
    },
};

/// How often the edge checks that its threads still run, and what expires.
const CHECK: Duration = Duration::from_secs(1);

/// How often the edge reads how much memory is in use: less than fills the last tenth of a small group.
const MEMORY: Duration = Duration::from_millis(100);

/// Why the edge cannot start, or must end.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// The log cannot be written.
    #[error(transparent)]
    Log(LogError),
    /// An address cannot be bound, a socket that was passed is not configured, or the log file cannot be opened.
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
    /// Traces would not be exported.
    #[error("cannot start the thread that exports traces: {0}")]
    Traces(io::Error),
    /// The admin address, or that of health checks, cannot be served.
    #[error("cannot serve the {purpose} address: {1}", purpose = .0.name())]
    Operators(Purpose, io::Error),
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

/// The edge while it serves: workers, addresses of operators, reloader.
#[derive(Debug)]
pub struct Edge {
    https: Vec<SocketAddr>,
    workers: Workers,
    operators: Vec<Operator>,
    state: Arc<admin::State>,
    memory: Memory,
    reloader: Reloader,
    expiry: expiry::Watch,
    upkeep: Upkeep,
    exporter: otlp::Exporter,
    /// Answers the process that this one replaced, until that has ended.
    predecessor: Option<JoinHandle<()>>,
}

impl Edge {
    /// Sets up the log, binds every address, and starts the workers, the addresses of operators and the reloader. `count` of
    /// workers wins over `[listen] workers`. Applications come from the files and from these other `sources`.
    pub fn start(
        initial: InitialBuild,
        count: Option<usize>,
        sources: Vec<Box<dyn Source>>,
    ) -> Result<Self, EdgeError> {
        Prepared::new(initial, Options { workers: count, sources, ..Options::default() })?.serve()
    }

    /// The addresses that speak TLS, with the actual ports.
    #[must_use]
    pub fn https(&self) -> &[SocketAddr] {
        &self.https
    }

    /// The addresses of operators and health checks, with the actual ports.
    pub fn operators(&self) -> impl Iterator<Item = (Purpose, SocketAddr)> {
        self.operators.iter().map(|operator| (operator.purpose, operator.server.address()))
    }

    /// Reads the configuration files again, whether they have changed or not.
    pub fn reload(&self) {
        // Fails only if the reloader has ended: see `failure`.
        let _ = self.reloader.triggers().send(Trigger::Requested);
    }

    /// How many reloads were applied or rejected so far.
    #[must_use]
    pub fn reloads(&self) -> u64 {
        let state = self.state.reloads.state();
        state.succeeded + state.failed
    }

    /// Reports in `/status` that an upgrade has failed.
    pub fn note_failed_upgrade(&self, why: String) {
        self.state.note_failed_upgrade(why);
    }

    /// Waits until a thread that the edge needs has ended by itself. Usually that never happens. Until then it logs what expires, and
    /// observes the memory in use.
    pub async fn failure(&self) -> EdgeError {
        let (mut check, mut memory) = (tokio::time::interval(CHECK), tokio::time::interval(MEMORY));
        loop {
            tokio::select! {
                _ = memory.tick() => {
                    self.state.memory.observe(self.state.site.load().limits.memory_bytes);
                    continue;
                }
                _ = check.tick() => {}
            }
            self.expiry.check();
            connection::log_other_failures();
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
        let until = self.drain_end();
        let drained = self.workers.stop(End::Stopped);
        self.exporter.stop(until);
        // After the drain: a source may take long to stop.
        drop(self.reloader);
        drop(self.upkeep);
        Operator::stop(self.operators);
        Ok(drained?)
    }

    /// When a drain that begins now must be over.
    fn drain_end(&self) -> Instant {
        let limits = &self.state.site.load().limits;
        Instant::now() + limits.drain_delay + limits.drain_timeout
    }

    /// Stops after `successor` took over: the addresses of operators close at once, requests in flight finish.
    pub fn stop_replaced(self, successor: Successor) -> Result<(), EdgeError> {
        let until = self.drain_end();
        Operator::stop(self.operators);
        // From then on nobody reaches this process in place of the new one.
        tracing::info!(successor = successor.id(), "replaced: finishing the requests in flight");
        let drained = self.workers.stop(End::Replaced);
        successor.drained(&self.memory);
        self.exporter.stop(until);
        drop(self.reloader);
        drop(self.upkeep);
        if let Some(predecessor) = self.predecessor {
            // It asks this process, which asks its successor.
            let _ = predecessor.join();
        }
        Ok(drained?)
    }
}
