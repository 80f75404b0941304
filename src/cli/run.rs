//! `run`: serves until a signal.

use std::{io, path::Path, process::ExitCode};

use tokio::runtime::Runtime;

use super::{
    print,
    signals::{Signal, Signals},
};
use crate::{
    clock::Clock,
    edge::{Edge, EdgeError},
    observe::start_log,
    source::files::InitialBuild,
};

/// Serves the configuration. Exits 0 after a drain, or after a signal during the start; exits 1 if the configuration cannot be
/// served.
pub(super) fn run(config: &Path, workers: Option<usize>) -> ExitCode {
    let (runtime, mut signals) = match catch() {
        Ok(caught) => caught,
        Err(error) => return print::failure(format_args!("cannot handle signals: {error}")),
    };
    // Before the first output: the start must not block on a pipe that a previous process filled and nobody reads.
    if let Err(error) = start_log() {
        return print::failure(format_args!("cannot start the thread that writes the log: {error}"));
    }
    let path = config.to_owned();
    let initial = match runtime.block_on(signals.during(move || InitialBuild::new(&path, Clock::System))) {
        Ok(Some(Ok(initial))) => initial,
        Ok(Some(Err(problems))) => {
            print::problems(&problems);
            return ExitCode::FAILURE;
        }
        Ok(None) => {
            print::err("ended by a signal before anything was served\n");
            return ExitCode::SUCCESS;
        }
        Err(error) => return print::failure(format_args!("cannot start: {error}")),
    };
    let edge = match Edge::start(initial, workers, Vec::new()) {
        Ok(edge) => edge,
        Err(EdgeError::Bind(problem)) => {
            print::problems(&[*problem]);
            return ExitCode::FAILURE;
        }
        Err(error) => return print::failure(error),
    };
    for address in edge.https() {
        tracing::info!(%address, "HTTPS listener ready");
    }
    tracing::info!(address = %edge.admin(), "admin listener ready");
    if let Err(error) = runtime.block_on(until_stopped(&mut signals, &edge)) {
        tracing::error!(%error, "fatal");
        return ExitCode::FAILURE;
    }
    tracing::info!("draining: finishing the requests in flight");
    match edge.stop() {
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

/// Catches all signals. Called before everything else.
fn catch() -> io::Result<(Runtime, Signals)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let guard = runtime.enter();
    let signals = Signals::catch()?;
    drop(guard);
    Ok((runtime, signals))
}

/// Waits for a signal that stops the edge. Fails if the edge cannot serve any longer.
async fn until_stopped(signals: &mut Signals, edge: &Edge) -> Result<(), EdgeError> {
    let failure = edge.failure();
    tokio::pin!(failure);
    loop {
        tokio::select! {
            signal = signals.next() => match signal {
                Signal::End => return Ok(()),
                Signal::Hangup => edge.reload(),
                Signal::User(name) => tracing::info!(
                    signal = name,
                    "ignored: the log goes to standard error, so there is no file to reopen"
                ),
            },
            error = &mut failure => return Err(error),
        }
    }
}
