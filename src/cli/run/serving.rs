//! What `run` does while it serves: obeys signals, and notifies the service manager.

use std::{
    fmt::Display,
    future::pending,
    process::Command,
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    sync::oneshot,
    time::{Instant, Interval, interval, sleep},
};

use crate::{
    cli::signals::{Signal, Signals},
    config::Input,
    edge::{Edge, EdgeError, Estate, Successor, UpgradeError},
    handover::Channel,
    observe::reopen_log,
    supervisor::{self, Notice},
};

/// How often it is checked whether a requested reload is over, and how long the service manager waits for it.
const RELOAD_CHECK: Duration = Duration::from_millis(20);
const RELOAD_PATIENCE: Duration = Duration::from_secs(30);

/// Why serving ended.
pub(super) enum Ended {
    /// A signal asked for it.
    Stopped,
    /// Another process serves.
    Replaced(Successor),
}

/// The edge while it serves.
pub(super) struct Serving<'a> {
    edge: &'a Edge,
    config: &'a Input,
    /// A new process that is to take over.
    attempt: Option<Attempt>,
    /// How many upgrades were asked for. The service manager's report has the number, so that who asked can see its failure.
    upgrades: u64,
    /// A requested reload: the number of reloads before it, and when the service manager is notified at the latest.
    reload: Option<(u64, Instant)>,
    watchdog: Option<Interval>,
}

impl<'a> Serving<'a> {
    pub(super) fn new(edge: &'a Edge, config: &'a Input) -> Self {
        Self { edge, config, attempt: None, upgrades: 0, reload: None, watchdog: None }
    }

    /// Waits for a signal that stops the edge, or for another process to take over. Fails if the edge cannot serve any longer.
    pub(super) async fn run(mut self, signals: &mut Signals) -> Result<Ended, EdgeError> {
        self.watchdog = supervisor::watchdog().map(interval);
        let failure = self.edge.failure();
        tokio::pin!(failure);
        loop {
            tokio::select! {
                signal = signals.next() => match signal {
                    Signal::End => return Ok(Ended::Stopped),
                    Signal::Hangup => self.reload(),
                    Signal::Reopen => reopen_log(),
                    Signal::Upgrade => self.upgrade(),
                },
                outcome = outcome(&mut self.attempt) => {
                    self.attempt = None;
                    match outcome {
                        Ok(successor) => return Ok(Ended::Replaced(successor)),
                        Err(error) => self.upgrade_failed(&error),
                    }
                }
                () = reloaded(self.edge, self.reload) => {
                    self.reload = None;
                    supervisor::notify(Notice::Ready, "serving");
                }
                () = tick(&mut self.watchdog) => supervisor::notify(Notice::Alive, ""),
                error = &mut failure => return Err(error),
            }
        }
    }

    fn reload(&mut self) {
        supervisor::notify(Notice::Reloading, "reloading");
        self.reload = Some((self.edge.reloads(), Instant::now() + RELOAD_PATIENCE));
        self.edge.reload();
    }

    fn upgrade(&mut self) {
        if self.attempt.is_some() {
            let reason = "another one is in progress: its line \"a new process has the sockets\" says how long it may take";
            return tracing::warn!(reason, "upgrade ignored");
        }
        self.upgrades += 1;
        if let Some(reason) = supervisor::bound_to_this_process() {
            return self.upgrade_failed(&reason);
        }
        match self.edge.estate(self.config.text()).and_then(Attempt::begin) {
            Ok(attempt) => self.attempt = Some(attempt),
            Err(error) => self.upgrade_failed(&error),
        }
    }

    fn upgrade_failed(&self, error: &dyn Display) {
        self.edge.note_failed_upgrade(error.to_string());
        tracing::error!(%error, "upgrade failed; this process continues to serve");
        supervisor::notify(
            Notice::Report,
            &format!("serving; upgrade {} failed, see the log", self.upgrades),
        );
    }
}

/// A new process that is to take over. It is ended if this is dropped before it is in charge.
struct Attempt {
    outcome: oneshot::Receiver<Result<Successor, UpgradeError>>,
    /// The conversation with the new process, from before that is started; none once the attempt is over.
    channel: Option<Channel>,
    /// Ended soon after the channel: it ends the new process, too.
    thread: Option<JoinHandle<()>>,
}

impl Attempt {
    /// Starts the program again, under the name by which this process was started, so that a new version is taken.
    fn begin(estate: Estate) -> std::io::Result<Self> {
        let mut arguments = std::env::args_os();
        let mut command = Command::new(arguments.next().unwrap_or_else(|| env!("CARGO_PKG_NAME").into()));
        command.args(arguments);
        let (done, outcome) = oneshot::channel();
        let (here, there) = Channel::pair()?;
        let channel = Some(here.try_clone()?);
        let thread = thread::Builder::new().name("upgrade".to_owned()).spawn(move || {
            let go = |id| supervisor::notify(Notice::MainProcess(id), "");
            drop(done.send(estate.hand_over(command, (here, there), go)));
        })?;
        Ok(Self { outcome, channel, thread: Some(thread) })
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(channel) = self.channel.take() {
            channel.end();
            // Otherwise a process that hangs would outlive this one, with the sockets.
            let _ = self.thread.take().map(JoinHandle::join);
        }
    }
}

/// Waits for the outcome of an attempt, if there is one.
async fn outcome(attempt: &mut Option<Attempt>) -> Result<Successor, UpgradeError> {
    match attempt {
        Some(attempt) => {
            let outcome = (&mut attempt.outcome).await;
            // It is over: there is nothing to be ended.
            attempt.channel = None;
            outcome.unwrap_or_else(|_| Err(std::io::Error::other("the thread of the upgrade ended").into()))
        }
        None => pending().await,
    }
}

/// Waits until a requested reload is over.
async fn reloaded(edge: &Edge, reload: Option<(u64, Instant)>) {
    let Some((before, until)) = reload else { return pending().await };
    while edge.reloads() == before && Instant::now() < until {
        sleep(RELOAD_CHECK).await;
    }
}

async fn tick(watchdog: &mut Option<Interval>) {
    match watchdog {
        Some(watchdog) => drop(watchdog.tick().await),
        None => pending().await,
    }
}
