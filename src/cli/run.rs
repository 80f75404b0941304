//! `run`: serve until a signal.

use std::{io::IsTerminal, path::Path, process::ExitCode, sync::Arc};

use arc_swap::ArcSwap;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    config::{Severity, render},
    listen::{Running, start},
    observe::init_log,
    site::build,
    trust::Generation,
};

/// Serves the configuration. Exit 0 after a drain, 1 if it can't be served.
pub(super) fn run(config: &Path, workers: Option<usize>) -> ExitCode {
    let built = build(config, Generation(1));
    let Some((mut settings, site)) = built.site else {
        eprint!("{}", render(&built.problems, std::io::stderr().is_terminal()));
        return ExitCode::FAILURE;
    };
    init_log(&settings.log);
    for problem in &built.problems {
        match problem.severity {
            Severity::Error => tracing::error!("{problem}"),
            Severity::Warning => tracing::warn!("{problem}"),
        }
    }
    settings.listen.workers = workers.or(settings.listen.workers);
    let running = match start(&settings, Arc::new(ArcSwap::from_pointee(site))) {
        Ok(running) => running,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    for address in &running.https {
        tracing::info!(%address, "listening for applications");
    }
    tracing::info!(address = %running.admin, "listening for the operator");
    if let Err(error) = wait_for_signal(&running) {
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

fn wait_for_signal(running: &Running) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let mut watch = tokio::time::interval(Running::WATCH);
        loop {
            tokio::select! {
                _ = terminate.recv() => return Ok(()),
                _ = interrupt.recv() => return Ok(()),
                _ = watch.tick() => {
                    if !running.is_whole() {
                        return Err(std::io::Error::other("a worker ended"));
                    }
                }
            }
        }
    })
}
