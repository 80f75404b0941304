//! The refused requests of an application since it was last served.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use crate::clock::Timestamp;

/// The refused requests that name an application, since it was last served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusals {
    /// The first.
    pub since: Timestamp,
    /// The last.
    pub last: Timestamp,
    /// How many.
    pub count: u64,
    /// The reason code of the last one.
    pub code: &'static str,
}

/// The record of one application's refusals. All snapshots that contain the application share it, as they do the last uses of its
/// credentials.
#[derive(Debug, Default)]
pub struct RefusalRecord {
    /// Whether there are any: a request that is served reads this, and takes the lock only if it is the first one.
    is_refused: AtomicBool,
    refusals: Mutex<Option<Box<Refusals>>>,
}

impl RefusalRecord {
    /// Records a refused request that names the application.
    pub fn refused(&self, code: &'static str, now: Timestamp) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let refusals =
            refusals.get_or_insert_with(|| Box::new(Refusals { since: now, last: now, count: 0, code }));
        refusals.last = now;
        refusals.count = refusals.count.saturating_add(1);
        refusals.code = code;
        self.is_refused.store(true, Relaxed);
    }

    /// Records a request that was served.
    pub fn served(&self) {
        if self.is_refused.load(Relaxed) {
            let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
            *refusals = None;
            self.is_refused.store(false, Relaxed);
        }
    }

    /// The refusals since the application was last served.
    #[must_use]
    pub fn current(&self) -> Option<Refusals> {
        if !self.is_refused.load(Relaxed) {
            return None;
        }
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).as_deref().cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_counted_since_the_application_was_served() {
        let record = RefusalRecord::default();
        let at = Timestamp::from_unix;
        record.served();
        assert_eq!(record.current(), None);
        record.refused("expired", at(100));
        // A clock that was set back changes nothing.
        record.refused("no_certificate", at(90));
        let counted =
            |since, last, count, code| Some(Refusals { since: at(since), last: at(last), count, code });
        assert_eq!(record.current(), counted(100, 90, 2, "no_certificate"));
        record.served();
        assert_eq!(record.current(), None);
        record.refused("expired", at(120));
        assert_eq!(record.current(), counted(120, 120, 1, "expired"));
    }
}
