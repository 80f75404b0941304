//! The old side of a takeover: starts the program again, hands everything over, and stays in charge if that fails.

use std::{
    io,
    net::TcpListener,
    os::fd::{AsFd, OwnedFd},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{Edge, memory::Memory, takeover::PREDECESSOR};
use crate::{
    handover::{Begin, Channel, Link, Message, Place},
    listen::Purpose,
};

/// How long the new process may take to read its configuration and to start.
const START: Duration = Duration::from_secs(120);
/// How long each message may take after that.
const TALK: Duration = Duration::from_secs(5);
/// How long the new process may take to decide about a `jti`; a worker waits meanwhile.
const DECISION: Duration = Duration::from_secs(1);
/// How long a process that has closed its end may take to exit.
const EXIT: Duration = Duration::from_secs(5);
/// The variables by which systemd addresses one process. The new one gets its sockets from this one.
const OF_ONE_PROCESS: [&str; 4] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"];

/// Why the new process did not take over. This one continues.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// It could not be started.
    #[error("cannot start {program}: {error}")]
    Start {
        /// The program.
        program: String,
        /// Why not.
        error: io::Error,
    },
    /// It ended.
    #[error(
        "the new process ended ({0}): it has written the reason to standard error or the journal, before this; `mtls-edge check` may show it, too"
    )]
    Ended(ExitStatus),
    /// It did not do its part.
    #[error("the new process did not take over: {0}")]
    Talk(#[from] io::Error),
}

/// The new process, once it is in charge.
#[derive(Debug)]
pub struct Successor {
    link: Link,
    id: u32,
}

/// What is handed over, gathered while the edge serves.
#[derive(Debug)]
pub struct Estate {
    sockets: Vec<(Place, TcpListener)>,
    memory: Memory,
    configuration: Option<Box<str>>,
}

impl Edge {
    /// Gathers what a new process takes over, with the text of the configuration if the new process cannot read it.
    pub fn estate(&self, configuration: Option<&str>) -> io::Result<Estate> {
        let mut sockets = Vec::new();
        for group in self.workers.sockets() {
            for socket in &group.sockets {
                let place = Place { purpose: Purpose::Https, address: group.address };
                sockets.push((place, socket.try_clone()?));
            }
        }
        for operator in &self.operators {
            let place = Place { purpose: operator.purpose, address: operator.address };
            sockets.push((place, operator.socket.try_clone()?));
        }
        Ok(Estate { sockets, memory: self.memory.clone(), configuration: configuration.map(Box::from) })
    }
}

impl Estate {
    /// Starts the command, which must be this program or another version of it, and hands everything over. `go` is called when the new
    /// process is about to be in charge, with its id. If anything fails before, such as the `conversation`, whose ends are this process's and the
    /// new one's, the new process is ended and nothing has changed.
    pub fn hand_over(
        self,
        mut command: Command,
        conversation: (Channel, OwnedFd),
        go: impl Fn(u32),
    ) -> Result<Successor, UpgradeError> {
        let (channel, stdin) = conversation;
        command.env(PREDECESSOR, std::process::id().to_string()).stdin(Stdio::from(stdin));
        for name in OF_ONE_PROCESS {
            command.env_remove(name);
        }
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().map_err(|error| UpgradeError::Start { program, error })?;
        // Otherwise the end of the new process would not be noticed: this one would hold its end.
        drop(command);
        let link = self.talk(channel, child.id()).map_err(|error| self.give_up(&mut child, error))?;
        go(child.id());
        let started = link.set_patience(DECISION).and_then(|()| link.send(&Message::Go));
        started.map_err(|error| {
            go(std::process::id());
            self.give_up(&mut child, error)
        })?;
        Ok(Successor { link, id: child.id() })
    }

    /// Everything up to the moment when the new process is ready.
    fn talk(&self, mut channel: Channel, id: u32) -> io::Result<Link> {
        channel.set_patience(Some(TALK))?;
        let places = self.sockets.iter().map(|(place, _)| *place).collect();
        let configuration = self.configuration.clone();
        channel.send(&Message::Begin(Begin { places, stores: self.memory.store_keys(), configuration }))?;
        let descriptors: Vec<_> = self.sockets.iter().map(|(_, socket)| socket.as_fd()).collect();
        channel.send_descriptors(&descriptors)?;
        let within_seconds = START.as_secs();
        tracing::info!(
            sockets = descriptors.len(),
            id,
            within_seconds,
            "upgrade: a new process has the sockets"
        );
        channel.set_patience(Some(START))?;
        expect(&channel.receive().map_err(|error| within(error, START))?, &Message::Built)?;
        channel.set_patience(Some(TALK))?;
        let link = Link::new(channel);
        self.memory.hand_over(&link)?;
        expect(&link.ask(&Message::Complete)?, &Message::Ready)?;
        Ok(link)
    }

    /// Ends the new process, and is in charge again.
    fn give_up(&self, child: &mut Child, error: io::Error) -> UpgradeError {
        // One that does not answer is ended at once.
        let has_closed = !matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock);
        let ended = if has_closed { end_of(child) } else { None };
        let _ = child.kill();
        let _ = child.wait();
        self.memory.take_back();
        ended.map_or(UpgradeError::Talk(error), UpgradeError::Ended)
    }
}

impl Successor {
    /// Its process id.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// Sends the last uses that were recorded since it took over, when no request is in flight any more.
    pub(super) fn drained(self, memory: &Memory) {
        // An error means that it has ended.
        let _ = self.link.send(&memory.uses());
    }
}

/// The exit status of a process that has closed its end, and may be about to exit.
fn end_of(child: &mut Child) -> Option<ExitStatus> {
    let until = Instant::now() + EXIT;
    loop {
        let ended = child.try_wait().ok().flatten();
        if ended.is_some() || Instant::now() >= until {
            return ended;
        }
        thread::park_timeout(EXIT / 500);
    }
}

/// Says how long the new process was waited for, if that is the error.
fn within(error: io::Error, patience: Duration) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock {
        return io::Error::new(io::ErrorKind::TimedOut, format!("it did not answer within {patience:?}"));
    }
    error
}

fn expect(message: &Message, expected: &Message) -> io::Result<()> {
    if message == expected {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "it answered with another message"))
}
