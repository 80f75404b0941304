//! `run`: serve until a signal.

use std::{io, path::Path, process::ExitCode, sync::Arc};

use arc_swap::ArcSwap;
use tokio::runtime::Runtime;

use super::{
    print,
    signals::{Signal, Signals},
};
use crate::{
    config::Severity,
    listen::{Running, ServeError, start},
    observe::{Reloads, init_log, start_log},
    reload::{Reloader, Trigger, first},
};

/// Serves the configuration. Exit 0 after a drain or an end that was asked for before, 1 if it can't be served.
pub(super) fn run(config: &Path, workers: Option<usize>) -> ExitCode {
    let (runtime, mut signals) = match catch() {
        Ok(caught) => caught,
        Err(error) => return print::failure(format_args!("cannot handle signals: {error}")),
    };
    // Before anything is written: what the last process left in a pipe that nobody reads is not waited for.
    if let Err(error) = start_log() {
        return print::failure(format_args!("cannot start the thread that writes the log: {error}"));
    }
    let path = config.to_owned();
    let mut first = match runtime.block_on(signals.during(move || first(&path))) {
        Ok(Some(first)) => first,
        Ok(None) => {
            print::err("ended by a signal before anything was served\n");
            return ExitCode::SUCCESS;
        }
        Err(error) => return print::failure(format_args!("cannot start: {error}")),
    };
    let Some((mut settings, site)) = first.built.site.take() else {
        print::problems(&first.built.problems);
        return ExitCode::FAILURE;
    };
    if let Err(error) = init_log(&settings.log) {
        return print::failure(format_args!("cannot start the thread that writes the log: {error}"));
    }
    for problem in &first.built.problems {
        match problem.severity {
            Severity::Error => tracing::error!("{problem}"),
            Severity::Warning => tracing::warn!("{problem}"),
        }
    }
    let (site, reloads) = (Arc::new(ArcSwap::from_pointee(site)), Arc::new(Reloads::default()));
    let written = settings.clone();
    settings.listen.workers = workers.or(settings.listen.workers);
    let running = match start(&settings, Arc::clone(&site), Arc::clone(&reloads)) {
        Ok(running) => running,
        Err(ServeError::Bind(problem)) => {
            print::problems(&[*problem]);
            return ExitCode::FAILURE;
        }
        Err(error) => return print::failure(error),
    };
    let reloader = match Reloader::start(config, first, written, site, reloads) {
        Ok(reloader) => reloader,
        Err(error) => {
            tracing::error!(%error, "the edge ends: files can't be watched");
            return ExitCode::FAILURE;
        }
    };
    for address in &running.https {
        tracing::info!(%address, "listening for applications");
    }
    tracing::info!(address = %running.admin, "listening for the operator");
    let waited = runtime.block_on(wait(&mut signals, &running, &reloader));
    drop(reloader);
    if let Err(error) = waited {
        tracing::error!(%error, "the edge ends");
        return ExitCode::FAILURE;
    }
    tracing::info!("draining: no new connections, requests in flight are finished");
    match running.stop() {
        Ok(()) => {
            tracing::info!("drained");
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!(%error, "the edge ends");
            ExitCode::FAILURE
        }
    }
}

/// Catches all signals, before anything else is done.
fn catch() -> io::Result<(Runtime, Signals)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let guard = runtime.enter();
    let signals = Signals::catch()?;
    drop(guard);
    Ok((runtime, signals))
}

/// Waits until the edge is asked to end.
async fn wait(signals: &mut Signals, running: &Running, reloader: &Reloader) -> io::Result<()> {
    let triggers = reloader.triggers();
    let mut watch = tokio::time::interval(Running::WATCH);
    loop {
        tokio::select! {
            signal = signals.next() => match signal {
                Signal::End => return Ok(()),
                // The reloader is there until after this.
                Signal::Hangup => drop(triggers.send(Trigger::Asked)),
                Signal::User(name) => tracing::info!(
                    signal = name,
                    "ignored: the log goes to standard error, so there is no file to open again"
                ),
            },
            _ = watch.tick() => {
                if !running.is_whole() {
                    return Err(io::Error::other("a worker ended"));
                }
                if !reloader.is_whole() {
                    return Err(io::Error::other("what watches the files ended"));
                }
            }
        }
    }
}
