//! The signals of a command that serves.

use std::{io, thread};

use tokio::{
    signal::unix::{Signal as Stream, SignalKind, signal},
    sync::oneshot,
};

/// Every signal that would end the process at once if it were not caught.
pub(super) struct Signals {
    terminate: Stream,
    interrupt: Stream,
    quit: Stream,
    hangup: Stream,
    user1: Stream,
    user2: Stream,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGTERM, SIGINT or SIGQUIT: an end, after a drain.
    End,
    /// SIGHUP: a look at the files.
    Hangup,
    /// SIGUSR1 or SIGUSR2, by name: nothing here.
    User(&'static str),
}

impl Signals {
    /// Catches them from now on, for ever. To be called first of all, in the context of a runtime.
    pub(super) fn catch() -> io::Result<Self> {
        // A log file that reaches the limit of its size is to cost lines, not the process: what is caught does not end it.
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

    /// Waits for the next signal. Loses none if it is given up.
    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::End,
            _ = self.interrupt.recv() => Signal::End,
            _ = self.quit.recv() => Signal::End,
            _ = self.hangup.recv() => Signal::Hangup,
            _ = self.user1.recv() => Signal::User("SIGUSR1"),
            _ = self.user2.recv() => Signal::User("SIGUSR2"),
        }
    }

    /// Does what blocks on a thread of its own, and gives what comes of it. None if a signal asks for the end before it is done; the
    /// process is to end then, and the thread with it.
    pub(super) async fn during<T: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Option<T>> {
        let (sender, mut receiver) = oneshot::channel();
        thread::Builder::new().name("start".to_owned()).spawn(|| {
            drop(sender.send(work()));
            // It stays until the process ends. Callgrind gives the number of a thread that has ended to the next one that begins, and
            // would count the start with a worker (benches/instructions).
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
