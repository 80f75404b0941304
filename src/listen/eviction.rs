//! Connections that are closed to make room for new ones: what is asked for, and what comes of it.

use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::addresses::AddressPlace;
use crate::net::Network;

/// How many requests of other workers may wait for one worker.
const ASKS: usize = 64;

/// What an open connection takes of what there is a bound on.
#[derive(Debug)]
pub(super) struct Places {
    /// Among all connections.
    pub(super) of_all: OwnedSemaphorePermit,
    /// Among those of its address, where that counts.
    pub(super) of_address: Option<AddressPlace>,
}

/// Which connections may be closed for a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Those that have had the time to prove something.
    Stale,
    /// Also those of the largest crowd from one network, or if there is no crowd, those that have been there for a moment: for
    /// a newcomer from this network.
    Young(Option<Network>),
    /// Also those that have only just come.
    Any,
}

/// What came of the search for a connection to close.
#[derive(Debug)]
pub(super) enum Eviction {
    /// One is closed; its places are free.
    Done(Places),
    /// There will be one after this time.
    TooYoung(Duration),
    /// None for the newcomer, which is one of a crowd.
    Crowd,
    /// All have proved something.
    None,
}

impl Eviction {
    /// The better of two.
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::TooYoung(one), Self::TooYoung(other)) => Self::TooYoung(one.min(other)),
            (found @ (Self::Done(_) | Self::Crowd), _)
            | (_, found @ (Self::Done(_) | Self::Crowd))
            | (Self::None, found)
            | (found, Self::None) => found,
        }
    }
}

/// What one worker asks of another: to close one of its connections.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) network: Option<Network>,
    pub(super) urgency: Urgency,
    /// Where the answer goes.
    pub(super) done: oneshot::Sender<Eviction>,
}

/// The two ends through which a worker is asked.
pub(super) fn asks() -> (mpsc::Sender<Ask>, mpsc::Receiver<Ask>) {
    mpsc::channel(ASKS)
}
