//! `run`: serves until a signal, or until another process takes over.

mod serving;
mod unserved;

use std::{io, path::PathBuf, process::ExitCode};

use tokio::runtime::Runtime;

use self::{
    serving::{Ended, Serving},
    unserved::Unserved,
};
use super::{config_path::is_standard_input, signals::Signals};
use crate::{
    build_facts::COMMIT,
    clock::Clock,
    config::Input,
    edge::{Edge, EdgeError, Options, Predecessor, Prepared, TakeoverError},
    listen::{Inherited, Purpose},
    observe::start_log,
    source::files::InitialBuild,
    supervisor::{self, Notice},
};

/// Serves the configuration. Exits 0 after a drain, or after a signal during the start; exits 1 if the configuration cannot be
/// served.
pub(super) fn run(config: PathBuf, workers: Option<usize>) -> ExitCode {
    let mut input = (!is_standard_input(&config)).then(|| Input::from(config));
    let (runtime, mut signals, edge, config) = match start(&mut input, workers) {
        Ok(started) => started,
        Err(unserved) => return unserved.report(input.as_ref()),
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
    let ended = runtime.block_on(Serving::new(&edge, &config).run(&mut signals));
    let drained = match ended {
        Ok(Ended::Stopped) => {
            supervisor::notify(Notice::Stopping, "draining");
            tracing::info!("draining: finishing the requests in flight");
            edge.stop()
        }
        Ok(Ended::Replaced(successor)) => edge.stop_replaced(successor),
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

/// Starts to serve, with the sockets of systemd or of the process that this one replaces. Without an `input`, the configuration is that of the
/// replaced process, else that of standard input; `input` is set as soon as it is known.
fn start(
    input: &mut Option<Input>,
    workers: Option<usize>,
) -> Result<(Runtime, Signals, Edge, Input), Unserved> {
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
    let kept = predecessor.as_ref().and_then(Predecessor::configuration);
    let known = input.clone().or_else(|| kept.map(|text| Input::Text(text.as_bytes().into())));
    let start = move || {
        let input = known.map_or_else(Input::standard_input, Ok)?;
        Ok((InitialBuild::new(&input, Clock::System), input))
    };
    let built: io::Result<_> = match runtime.block_on(signals.during(start)) {
        Ok(Some(built)) => built,
        Ok(None) => return Err(Unserved::Interrupted),
        Err(error) => return Err(failed("cannot start", &error)),
    };
    let (initial, config) =
        built.map_err(|error| failed("cannot read the configuration from standard input", &error))?;
    *input = Some(config.clone());
    let initial = initial.map_err(Unserved::Problems)?;
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
    Ok((runtime, signals, edge, config))
}

/// Catches all signals. Called before everything else.
fn catch() -> io::Result<(Runtime, Signals)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let guard = runtime.enter();
    let signals = Signals::catch()?;
    drop(guard);
    Ok((runtime, signals))
}
