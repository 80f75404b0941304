//! How long the edge waits for tokens.

use std::{cell::Cell, time::Duration};

use super::error::OPEN_PATIENCE;

/// The edge's side in the handshakes that a key signs. What one side waits for tokens does not count for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Clients connect: strangers decide how often.
    Server,
    /// The edge connects to an upstream.
    Client,
}

/// How long the keys of a configuration may still take to open, all together: a revocation must not wait for each.
#[derive(Debug)]
pub struct Patience(Cell<Duration>);

impl Patience {
    /// What is left of it.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.0.get()
    }

    /// Takes a time that was waited.
    pub fn take(&self, waited: Duration) {
        self.0.set(self.left().saturating_sub(waited));
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self(Cell::new(OPEN_PATIENCE))
    }
}
