//! When a credential was last used, recorded without a lock.

use std::sync::atomic::{
    AtomicI64, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use crate::clock::Timestamp;

const NEVER: Timestamp = Timestamp::MIN;

/// See [`known_ends`].
static KNOWN_ENDS: AtomicU64 = AtomicU64::new(0);

/// A number that changes whenever the use of a certificate changes what is known of the end of a credential.
#[must_use]
pub fn known_ends() -> u64 {
    KNOWN_ENDS.load(Acquire)
}

/// The last use of one credential. All snapshots that contain the credential share it, so that a request that is judged
/// by the previous snapshot is recorded too.
#[derive(Debug)]
pub struct Usage {
    at: AtomicI64,
    not_after: AtomicI64,
}

impl Default for Usage {
    fn default() -> Self {
        Self { at: AtomicI64::new(NEVER.unix()), not_after: AtomicI64::new(NEVER.unix()) }
    }
}

impl Usage {
    /// Records a use at `now`, of a certificate that is valid until `not_after` if it is one. Stores only what changed, so that
    /// workers do not invalidate each other's cache line at every request.
    pub fn record(&self, now: Timestamp, not_after: Option<Timestamp>) {
        let (at, not_after) = (now.unix(), not_after.unwrap_or(NEVER).unix());
        if self.at.load(Relaxed) != at {
            self.at.store(at, Relaxed);
        }
        if self.not_after.load(Relaxed) != not_after {
            self.not_after.store(not_after, Relaxed);
            KNOWN_ENDS.fetch_add(1, Release);
        }
    }

    /// Records a use that another process noted, unless there was a later one here.
    pub fn adopt(&self, at: Timestamp, not_after: Option<Timestamp>) {
        if self.last().is_none_or(|last| last < at) {
            self.record(at, not_after);
        }
    }

    /// The last use since the edge started; it is handed over to a process that replaces this one.
    #[must_use]
    pub fn last(&self) -> Option<Timestamp> {
        Some(Timestamp::from_unix(self.at.load(Relaxed))).filter(|at| *at != NEVER)
    }

    /// When the certificate that matched last expires.
    #[must_use]
    pub fn not_after(&self) -> Option<Timestamp> {
        Some(Timestamp::from_unix(self.not_after.load(Relaxed))).filter(|at| *at != NEVER)
    }
}
