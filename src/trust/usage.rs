//! When a credential was last used, without a lock.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use crate::clock::Timestamp;

const NEVER: Timestamp = Timestamp::MIN;

/// The last use of one credential. Shared by the generations of trust that hold the same credential, so that a request
/// that was judged under the former one counts too.
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
    /// A certificate that is valid until `not_after` matched, `now`. Written only if it says
    /// something new, so that workers do not take the cache line from each other at every request.
    pub fn record(&self, now: Timestamp, not_after: Timestamp) {
        for (value, new) in [(&self.at, now), (&self.not_after, not_after)] {
            if value.load(Relaxed) != new.unix() {
                value.store(new.unix(), Relaxed);
            }
        }
    }

    /// The second of the last use, if there was one since the edge started.
    #[must_use]
    pub fn last(&self) -> Option<Timestamp> {
        Some(Timestamp::from_unix(self.at.load(Relaxed))).filter(|at| *at != NEVER)
    }

    /// Until when the certificate that matched last is valid.
    #[must_use]
    pub fn not_after(&self) -> Option<Timestamp> {
        Some(Timestamp::from_unix(self.not_after.load(Relaxed))).filter(|at| *at != NEVER)
    }
}
