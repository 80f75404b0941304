//! The new side of a takeover: a process that was started by the one that it replaces.

use std::{io, net::TcpListener, thread, time::Duration};

use super::{Edge, EdgeError, Prepared, memory::Memory};
use crate::{
    handover::{Begin, Channel, Message},
    listen::{Inherited, Stores},
};

/// The variable with the id of the process to be replaced, which must be the parent: a process that inherits the variable otherwise
/// ignores it.
pub(super) const PREDECESSOR: &str = "MTLS_EDGE_PREDECESSOR";
/// How long the old process may take for each message.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why this process cannot take over.
#[derive(Debug, thiserror::Error)]
pub enum TakeoverError {
    /// The old process did not do its part, or has given up.
    #[error("cannot take over from the running process: {0}")]
    Talk(#[from] io::Error),
    /// This one cannot serve.
    #[error("{0}")]
    Edge(#[from] EdgeError),
}

/// The process that this one replaces.
#[derive(Debug)]
pub struct Predecessor {
    channel: Channel,
    begin: Begin,
}

impl Predecessor {
    /// The process that has started this one to be replaced by it, with its listening sockets. `None` if this process was started in
    /// another way. Must be called before anything reads the standard input.
    pub fn find() -> io::Result<Option<(Self, Vec<Inherited>)>> {
        let id = std::env::var(PREDECESSOR).ok().and_then(|id| id.parse().ok());
        let parent = rustix::process::getppid().map(|id| id.as_raw_nonzero().get());
        if id.is_none() || id != parent {
            return Ok(None);
        }
        let mut channel = Channel::of_stdin()?;
        channel.set_patience(Some(PATIENCE))?;
        let Message::Begin(begin) = channel.receive()? else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it began with another message"));
        };
        let listeners = channel.receive_descriptors(begin.places.len())?;
        let inherited = begin.places.iter().zip(listeners).map(|(place, listener)| Inherited {
            listener: TcpListener::from(listener),
            purpose: Some(place.purpose),
            address: place.address,
        });
        let inherited = inherited.collect();
        Ok(Some((Self { channel, begin }, inherited)))
    }

    /// The text of the configuration, if the old process has read it from its standard input.
    #[must_use]
    pub fn configuration(&self) -> Option<&str> {
        self.begin.configuration.as_deref()
    }

    /// Empty stores for the values of the old process.
    #[must_use]
    pub fn stores(&self) -> Stores {
        Memory::stores_with(self.begin.stores)
    }

    /// Adopts what the old process remembers, and serves as soon as that lets it. Until the old process has ended, this one decides for it
    /// which `jti` was used.
    pub fn take_over(self, prepared: Prepared) -> Result<Edge, TakeoverError> {
        let mut channel = self.channel;
        let memory = prepared.memory.clone();
        tracing::info!("ready to take over");
        channel.send(&Message::Built)?;
        loop {
            match channel.receive()? {
                Message::Complete if prepared.is_running() => channel.send(&Message::Ready)?,
                Message::Complete => return Err(EdgeError::WorkerEnded.into()),
                Message::Go => break,
                message => answer(&mut channel, &memory, message)?,
            }
        }
        let mut edge = prepared.serve()?;
        channel.set_patience(None)?;
        let decide = move || {
            // An error means that the old process has ended.
            while let Ok(message) = channel.receive() {
                if let Err(error) = answer(&mut channel, &memory, message) {
                    tracing::warn!(%error, "the replaced process cannot be answered");
                    return;
                }
            }
        };
        edge.predecessor = Some(thread::Builder::new().name("predecessor".to_owned()).spawn(decide)?);
        Ok(edge)
    }
}

/// Does what a message asks for.
fn answer(channel: &mut Channel, memory: &Memory, message: Message) -> io::Result<()> {
    match memory.adopt(message)? {
        Some(answer) => channel.send(&answer),
        None => Ok(()),
    }
}
