//! Evictions: connections that are closed to make room for new ones.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::bound::{Counted, Places};
use crate::net::Network;

/// The number of eviction requests that may wait for one worker.
const WAITING: usize = 64;

/// Which connections may be closed for a new one. Each variant includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Connections that have had enough time to authenticate.
    Stale,
    /// Also those of the largest crowd, or without a crowd, those that are not entirely new. The new connection comes from this
    /// network.
    Young(Option<Network>),
    /// Also new connections.
    Any,
}

/// The result of an eviction.
#[derive(Debug)]
pub(super) enum Eviction {
    /// A connection was closed, and its places are free.
    Done(Places),
    /// A connection may be closed after this time.
    TooYoung(Duration),
    /// None may be closed, since the new connection belongs to a crowd.
    Crowd,
    /// None may be closed.
    None,
}

impl Eviction {
    /// The better of two results.
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

/// A worker's request to another one to close a connection.
#[derive(Debug)]
pub(super) struct EvictionRequest {
    /// The limit that is reached.
    pub(super) counted: Counted,
    pub(super) network: Option<Network>,
    pub(super) urgency: Urgency,
    /// Receives the result.
    pub(super) done: oneshot::Sender<Eviction>,
}

/// The channel through which a worker receives eviction requests.
pub(super) fn eviction_channel() -> (mpsc::Sender<EvictionRequest>, mpsc::Receiver<EvictionRequest>) {
    mpsc::channel(WAITING)
}
