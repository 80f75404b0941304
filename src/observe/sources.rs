//! Which sources of applications fail, for metrics and `/status`.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::metrics::{Collector, Families, SOURCE_FAILING};
use crate::clock::{Clock, Timestamp};

/// The sources by name. Written by the reloader, read by the admin address.
#[derive(Debug)]
pub struct Sources {
    clock: Clock,
    all: Mutex<BTreeMap<String, Option<SourceFailure>>>,
}

/// A source that cannot be read, or whose latest update was rejected. The applications that it published last stay registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFailure {
    /// When it began to fail.
    pub since: Timestamp,
    /// The latest error.
    pub error: String,
}

impl Sources {
    pub(super) const fn new(clock: Clock) -> Self {
        Self { clock, all: Mutex::new(BTreeMap::new()) }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Option<SourceFailure>>> {
        // Every change is whole before anything can panic.
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a source that has not failed.
    pub fn add(&self, name: &str) {
        self.lock().insert(name.to_owned(), None);
    }

    /// A source failed. Returns whether it did not fail before, or with another error: that is worth a log line.
    pub fn failed(&self, name: &str, error: &str) -> bool {
        let mut all = self.lock();
        let before = all.get(name).cloned().flatten();
        let is_new = before.as_ref().is_none_or(|before| before.error != error);
        let since = before.map_or_else(|| self.clock.now(), |before| before.since);
        all.insert(name.to_owned(), Some(SourceFailure { since, error: error.to_owned() }));
        is_new
    }

    /// An update of a source is active.
    pub fn succeeded(&self, name: &str) {
        self.lock().insert(name.to_owned(), None);
    }

    /// The state of each source now.
    #[must_use]
    pub fn states(&self) -> Vec<(String, Option<SourceFailure>)> {
        self.lock().clone().into_iter().collect()
    }
}

impl Collector for Sources {
    fn collect(&self, families: &mut Families) {
        for (name, failure) in &*self.lock() {
            families.set(&SOURCE_FAILING, [name], u64::from(failure.is_some()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FixedClock;

    #[test]
    fn a_failure_lasts_from_its_begin_until_an_update() {
        let at = Timestamp::from_unix;
        let clock = FixedClock::new(at(5));
        let sources = Sources::new(Clock::Fixed(clock.clone()));
        sources.add("api");
        assert_eq!(sources.states(), [("api".to_owned(), None)]);
        assert!(sources.failed("api", "refused"));
        clock.set(at(7));
        assert!(!sources.failed("api", "refused"), "it is not news");
        assert!(sources.failed("api", "timeout"));
        let failure = SourceFailure { since: at(5), error: "timeout".to_owned() };
        assert_eq!(sources.states(), [("api".to_owned(), Some(failure))]);
        sources.succeeded("api");
        assert_eq!(sources.states(), [("api".to_owned(), None)]);
        assert!(sources.failed("api", "timeout"));
    }
}
