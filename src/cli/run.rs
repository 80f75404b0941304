//! `run`: serves until a signal, or until another process takes over.

mod serving;
mod unserved;

use std::{io, path::Path, process::ExitCode};

use tokio::runtime::Runtime;

use self::{
    serving::{Ended, Serving},
    unserved::Unserved,
};
use super::signals::Signals;
use crate::{
    build_facts::COMMIT,
    clock::Clock,
    edge::{Edge, EdgeError, Options, Predecessor, Prepared, TakeoverError},
    listen::{Inherited, Purpose},
    observe::start_log,
    source::files::InitialBuild,
    supervisor::{self, Notice},
};

/// Serves the configuration. Exits 0 after a drain, or after a signal during the start; exits 1 if the configuration cannot be
/// served.
pub(super) fn run(config: &Path, workers: Option<usize>) -> ExitCode {
    let (runtime, mut signals, edge) = match start(config, workers) {
        Ok(started) => started,
        Err(unserved) => return unserved.report(config),
    };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), commit = COMMIT, "started");
    for address in edge.https() {
        tracing::info!(%address, "HTTPS listener ready");
    }
    for (purpose, address) in edge.operators() {
        tracing::info!(%address, "{} listener ready", purpose.name());
    }
    if !edge.operators().any(|(purpose, _)| purpose == Purpose::Admin) {
        tracing::info!("admin listener off");
    }
    supervisor::notify(Notice::Ready, "serving");
    let ended = runtime.block_on(Serving::new(&edge, config).run(&mut signals));
    let drained = match ended {
        Ok(Ended::Stopped) => {
            supervisor::notify(Notice::Stopping, "draining");
            tracing::info!("draining: finishing the requests in flight");
            edge.stop()
        }
        Ok(Ended::Replaced(successor)) => {
            tracing::info!(successor = successor.id(), "replaced: finishing the requests in flight");
            edge.stop_replaced(successor)
        }
        Err(error) => Err(error),
    };
    match drained {
        Ok(()) => {
            tracing::info!("drained");
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!(%error, "fatal");
            ExitCode::FAILURE
        }
    }
}

/// Starts to serve, with the sockets of systemd or of the process that this one replaces.
fn start(config: &Path, workers: Option<usize>) -> Result<(Runtime, Signals, Edge), Unserved> {
    let failed = |what: &str, error: &dyn std::fmt::Display| Unserved::Other(format!("{what}: {error}"));
    let mut sockets = supervisor::passed_sockets().map_err(|error| {
        failed("cannot use the sockets that the service manager passed (LISTEN_FDS)", &error)
    })?;
    let (runtime, mut signals) = catch().map_err(|error| failed("cannot handle signals", &error))?;
    // Before the first output: the start must not block on a pipe that a previous process filled and nobody reads.
    start_log().map_err(|error| failed("cannot start the thread that writes the log", &error))?;
    let found =
        Predecessor::find().map_err(|error| failed("cannot take over from the running process", &error))?;
    let predecessor = found.map(|(predecessor, passed): (_, Vec<Inherited>)| {
        sockets = passed;
        predecessor
    });
    let path = config.to_owned();
    let initial = match runtime.block_on(signals.during(move || InitialBuild::new(&path, Clock::System))) {
        Ok(Some(Ok(initial))) => initial,
        Ok(Some(Err(problems))) => return Err(Unserved::Problems(problems)),
        Ok(None) => return Err(Unserved::Interrupted),
        Err(error) => return Err(failed("cannot start", &error)),
    };
    let stores = predecessor.as_ref().map(Predecessor::stores);
    let prepared = Prepared::new(initial, Options { workers, sockets, stores, ..Options::default() });
    let edge = match (prepared, predecessor) {
        (Ok(prepared), Some(predecessor)) => predecessor.take_over(prepared),
        (Ok(prepared), None) => prepared.serve().map_err(TakeoverError::from),
        (Err(error), _) => Err(error.into()),
    };
    let edge = edge.map_err(|error| match error {
        TakeoverError::Edge(EdgeError::Bind(problem)) => Unserved::Problems(vec![*problem]),
        error => Unserved::Other(error.to_string()),
    })?;
    Ok((runtime, signals, edge))
}

/// Catches all signals. Called before everything else.
fn catch() -> io::Result<(Runtime, Signals)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let guard = runtime.enter();
    let signals = Signals::catch()?;
    drop(guard);
    Ok((runtime, signals))
}
