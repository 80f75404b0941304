//! Signals of the commands that serve.

use std::{io, thread};

use tokio::{
    signal::unix::{Signal as Stream, SignalKind, signal},
    sync::oneshot,
};

/// All signals that would end the process immediately if they were not caught.
pub(super) struct Signals {
    terminate: Stream,
    interrupt: Stream,
    quit: Stream,
    hangup: Stream,
    user1: Stream,
    user2: Stream,
}

/// The meaning of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGTERM, SIGINT or SIGQUIT: drain and stop.
    End,
    /// SIGHUP: reload the configuration files.
    Hangup,
    /// SIGUSR1: open the log file again.
    Reopen,
    /// SIGUSR2: let a new process take over.
    Upgrade,
}

impl Signals {
    /// Catches all signals for the lifetime of the process. Must be called first, in the context of a runtime.
    pub(super) fn catch() -> io::Result<Self> {
        // SIGXFSZ is caught, so that a log file at its size limit (`ulimit -f`) costs lines and not the process.
        drop(signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?);
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
        })
    }

    /// Waits for the next signal. Cancel safe: dropping the future loses no signal.
    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::End,
            _ = self.interrupt.recv() => Signal::End,
            _ = self.quit.recv() => Signal::End,
            _ = self.hangup.recv() => Signal::Hangup,
            _ = self.user1.recv() => Signal::Reopen,
            _ = self.user2.recv() => Signal::Upgrade,
        }
    }

    /// Runs a blocking function on its own thread and returns its result, or `None` if a signal to stop arrives first. The process must
    /// then end, and the thread with it.
    pub(super) async fn during<T: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Option<T>> {
        let (sender, mut receiver) = oneshot::channel();
        thread::Builder::new().name("start".to_owned()).spawn(|| {
            drop(sender.send(work()));
            // The thread stays until the process ends: callgrind reuses the number of an ended thread, and would count the start as
            // work of a worker (benches/instructions).
            loop {
                thread::park();
            }
        })?;
        loop {
            tokio::select! {
                biased;
                done = &mut receiver => return done.map(Some).map_err(|_| io::Error::other("the start failed")),
                signal = self.next() => if signal == Signal::End {
                    return Ok(None);
                },
            }
        }
    }
}
