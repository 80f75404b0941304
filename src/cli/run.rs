//! `run`: serve until a signal.

use std::{io::IsTerminal, path::Path, process::ExitCode, sync::Arc};

use arc_swap::ArcSwap;
use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
};

use crate::{
    config::{Severity, render},
    listen::{Running, ServeError, start},
    observe::{Reloads, init_log},
    reload::{Reloader, Trigger, first},
};

/// Serves the configuration. Exit 0 after a drain, 1 if it can't be served.
pub(super) fn run(config: &Path, workers: Option<usize>) -> ExitCode {
    let mut first = first(config);
    let Some((mut settings, site)) = first.built.site.take() else {
        eprint!("{}", render(&first.built.problems, std::io::stderr().is_terminal()));
        return ExitCode::FAILURE;
    };
    init_log(&settings.log);
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            eprintln!("error: signals can't be listened for: {error}");
            return ExitCode::FAILURE;
        }
    };
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
            eprint!("{}", render(&[*problem], std::io::stderr().is_terminal()));
            return ExitCode::FAILURE;
        }
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
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
    let waited = signals.wait(&running, &reloader);
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

/// The signals that the edge heeds, from before it listens: one that came earlier would end it without a drain.
struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let guard = runtime.enter();
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        let hangup = signal(SignalKind::hangup())?;
        drop(guard);
        Ok(Self { runtime, terminate, interrupt, hangup })
    }

    /// Waits until the edge is asked to end; a hangup asks for a look at the files.
    fn wait(&mut self, running: &Running, reloader: &Reloader) -> std::io::Result<()> {
        let triggers = reloader.triggers();
        let Self { runtime, terminate, interrupt, hangup } = self;
        runtime.block_on(async {
            let mut watch = tokio::time::interval(Running::WATCH);
            loop {
                tokio::select! {
                    _ = terminate.recv() => return Ok(()),
                    _ = interrupt.recv() => return Ok(()),
                    _ = hangup.recv() => {
                        // The reloader is there until after this.
                        let _ = triggers.send(Trigger::Asked);
                    }
                    _ = watch.tick() => {
                        if !running.is_whole() {
                            return Err(std::io::Error::other("a worker ended"));
                        }
                        if !reloader.is_whole() {
                            return Err(std::io::Error::other("what watches the files ended"));
                        }
                    }
                }
            }
        })
    }
}
