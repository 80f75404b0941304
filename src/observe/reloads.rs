//! The outcomes of reloads, for metrics and `/status`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    Fetches, Orders, Sources,
    metrics::{Collector, Families, RELOAD_FAILING, RELOADS, RELOADS_FAILED, TRUST_AGE},
};
use crate::clock::{Clock, Timestamp};

/// The state of the active site. Written by the reloader, read by the admin address; no request uses it.
#[derive(Debug)]
pub struct Reloads {
    clock: Clock,
    state: Mutex<ReloadState>,
    /// The CRLs that are fetched.
    pub fetches: Fetches,
    /// The key sets that are fetched.
    pub key_sets: Fetches,
    /// The certificates that are ordered by ACME.
    pub orders: Orders,
    /// The sources of applications.
    pub sources: Sources,
}

/// The outcomes of reloads so far.
#[derive(Clone, Debug)]
pub struct ReloadState {
    /// Successful reloads.
    pub succeeded: u64,
    /// Rejected reloads.
    pub failed: u64,
    /// When the active site was activated.
    pub since: Timestamp,
    /// Why it was activated.
    pub why: String,
    /// When the files were rejected, and all their problems, as long as the files are invalid.
    pub failure: Option<(Timestamp, String)>,
    /// When they were rejected first, since they were last valid.
    pub failing_since: Option<Timestamp>,
    /// Since when and why a start would refuse the active configuration.
    pub start_failure: Option<(Timestamp, String)>,
}

impl Reloads {
    /// Before anything was reloaded or fetched.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let why = "the start of the edge".to_owned();
        let state = ReloadState {
            succeeded: 0,
            failed: 0,
            since: clock.now(),
            why,
            failure: None,
            failing_since: None,
            start_failure: None,
        };
        let (fetches, key_sets) = (Fetches::of_crls(clock.clone()), Fetches::of_key_sets(clock.clone()));
        let (orders, sources) = (Orders::new(clock.clone()), Sources::new(clock.clone()));
        Self { fetches, key_sets, orders, sources, clock, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, ReloadState> {
        // Every change is whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new site is active, for this reason. The files may be invalid still: see [`Reloads::recovered`].
    pub fn succeeded(&self, why: String) {
        let mut state = self.lock();
        state.succeeded += 1;
        state.since = self.clock.now();
        state.why = why;
    }

    /// The files were rejected; the active site stays.
    pub fn failed(&self, problems: String) {
        let mut state = self.lock();
        state.failed += 1;
        let now = self.clock.now();
        state.failure = Some((now, problems));
        state.failing_since.get_or_insert(now);
    }

    /// A configuration is active that a start would refuse, for this reason, or not.
    pub fn set_start_failure(&self, why: Option<String>) {
        let mut state = self.lock();
        let since = state.start_failure.take().map_or_else(|| self.clock.now(), |(since, _)| since);
        state.start_failure = why.map(|why| (since, why));
    }

    /// The files match the active configuration. Returns whether they were rejected before.
    pub fn recovered(&self) -> bool {
        let mut state = self.lock();
        state.failing_since = None;
        state.failure.take().is_some()
    }

    /// The state now.
    #[must_use]
    pub fn state(&self) -> ReloadState {
        self.lock().clone()
    }
}

impl Collector for Arc<Reloads> {
    fn collect(&self, families: &mut Families) {
        let state = self.state();
        families.set(&TRUST_AGE, [], self.clock.age(state.since));
        families.set(&RELOAD_FAILING, [], u64::from(state.failure.is_some()));
        families.set(&RELOADS, [], state.succeeded);
        families.set(&RELOADS_FAILED, [], state.failed);
        self.sources.collect(families);
        self.fetches.collect(families);
        self.key_sets.collect(families);
        self.orders.collect(families);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FixedClock;

    #[test]
    fn files_that_stay_invalid_fail_since_the_first_rejection() {
        let clock = FixedClock::new(Timestamp::from_unix(100));
        let reloads = Reloads::new(Clock::Fixed(clock.clone()));
        let failed = |seconds| {
            clock.set(Timestamp::from_unix(seconds));
            reloads.failed("a problem".to_owned());
            let ReloadState { failure, failing_since, .. } = reloads.state();
            (failing_since.unwrap().unix(), failure.unwrap().0.unix())
        };
        assert_eq!([failed(200), failed(300)], [(200, 200), (200, 300)]);
        assert!(reloads.recovered() && reloads.state().failing_since.is_none());
        assert_eq!(failed(400), (400, 400));
    }
}
