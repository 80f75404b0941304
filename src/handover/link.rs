//! The old process's end after Go: asks the new process about each use of a `jti`.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    channel::Channel,
    message::{Message, Store, invalid},
};
use crate::replay::{Gone, Replay, Successor, Use};

/// The channel to the new process; none after a failure, since an answer may be outstanding.
#[derive(Clone, Debug)]
pub struct Link(Arc<Mutex<Option<Channel>>>);

impl Link {
    /// A link over this channel.
    #[must_use]
    pub fn new(channel: Channel) -> Self {
        Self(Arc::new(Mutex::new(Some(channel))))
    }

    /// How long each answer may take from now on.
    pub fn set_patience(&self, patience: Duration) -> io::Result<()> {
        self.with(|channel| channel.set_patience(Some(patience)))
    }

    /// Sends a message.
    pub fn send(&self, message: &Message) -> io::Result<()> {
        self.with(|channel| channel.send(message))
    }

    /// Sends a message, and waits for the answer.
    pub fn ask(&self, message: &Message) -> io::Result<Message> {
        self.with(|channel| {
            channel.send(message)?;
            channel.receive()
        })
    }

    /// The decisions of a store of the new process.
    #[must_use]
    pub fn store(&self, store: Store) -> Arc<dyn Successor> {
        Arc::new(There { link: self.clone(), store })
    }

    fn with<T>(&self, talk: impl FnOnce(&mut Channel) -> io::Result<T>) -> io::Result<T> {
        let mut channel = self.lock();
        let result = match &mut *channel {
            Some(channel) => talk(channel),
            None => Err(io::ErrorKind::NotConnected.into()),
        };
        if result.is_err() {
            *channel = None;
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, Option<Channel>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A store of the new process.
#[derive(Debug)]
struct There {
    link: Link,
    store: Store,
}

impl Successor for There {
    fn record(&self, used: &Use) -> Result<Result<(), Replay>, Gone> {
        let answer = self.link.ask(&Message::Record(self.store, *used));
        let recorded = answer.and_then(|message| match message {
            Message::Recorded(result) => Ok(result),
            _ => Err(invalid("another message")),
        });
        recorded.map_err(|_| Gone)
    }
}
