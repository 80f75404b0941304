//! The signals of a command that serves.

use std::{io, time::Duration};

use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
};

/// Signals that are caught from the first moment on, since each would end the process at once otherwise.
pub(super) struct Early {
    runtime: Runtime,
    hangup: Signal,
    user1: Signal,
    user2: Signal,
}

/// All signals. Those that ask for the end are caught from before the edge listens; one that comes earlier ends it at once, when there
/// is nothing to drain yet.
pub(super) struct Signals {
    early: Early,
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
}

/// A signal that does not ask for the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Other {
    /// SIGHUP.
    Hangup,
    /// SIGUSR1 or SIGUSR2, by name.
    User(&'static str),
}

impl Early {
    pub(super) fn catch() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let guard = runtime.enter();
        let hangup = signal(SignalKind::hangup())?;
        let user1 = signal(SignalKind::user_defined1())?;
        let user2 = signal(SignalKind::user_defined2())?;
        // A log file that reaches the limit of its size is to cost lines, not the process: what is caught does not end it.
        drop(signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?);
        drop(guard);
        Ok(Self { runtime, hangup, user1, user2 })
    }

    /// Those that ask for the end, too.
    pub(super) fn and_end(self) -> io::Result<Signals> {
        let guard = self.runtime.enter();
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        let quit = signal(SignalKind::quit())?;
        drop(guard);
        Ok(Signals { early: self, terminate, interrupt, quit })
    }
}

impl Signals {
    /// Waits until a signal asks for the end, or `tick`, which is called at this interval, fails. Other signals go to `other`.
    pub(super) fn wait(
        &mut self,
        interval: Duration,
        mut other: impl FnMut(Other),
        mut tick: impl FnMut() -> io::Result<()>,
    ) -> io::Result<()> {
        let Self { early: Early { runtime, hangup, user1, user2 }, terminate, interrupt, quit } = self;
        runtime.block_on(async {
            let mut watch = tokio::time::interval(interval);
            loop {
                tokio::select! {
                    _ = terminate.recv() => return Ok(()),
                    _ = interrupt.recv() => return Ok(()),
                    _ = quit.recv() => return Ok(()),
                    _ = hangup.recv() => other(Other::Hangup),
                    _ = user1.recv() => other(Other::User("SIGUSR1")),
                    _ = user2.recv() => other(Other::User("SIGUSR2")),
                    _ = watch.tick() => tick()?,
                }
            }
        })
    }
}
