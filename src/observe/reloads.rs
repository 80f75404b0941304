//! What became of reloads, for metrics and `/status`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    Fetches,
    metrics::{Collector, Families, RELOAD_FAILING, RELOADS, RELOADS_FAILED, TRUST_AGE},
};
use crate::clock::{Clock, Timestamp};

/// The state of the trust in force. Written by the reloader, read by the admin address; never on a request's way.
#[derive(Debug)]
pub struct Reloads {
    clock: Clock,
    state: Mutex<ReloadState>,
    /// The CRLs that are fetched.
    pub fetches: Fetches,
}

/// What became of reloads so far.
#[derive(Clone, Debug)]
pub struct ReloadState {
    /// Successful ones.
    pub succeeded: u64,
    /// Rejected ones.
    pub failed: u64,
    /// Since when the site in force is.
    pub since: Timestamp,
    /// What led to it.
    pub why: String,
    /// When the last one was rejected, and all problems, if the files are still so.
    pub failure: Option<(Timestamp, String)>,
}

impl Reloads {
    /// Nothing was reloaded or fetched yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let why = "the start of the edge".to_owned();
        let state = ReloadState { succeeded: 0, failed: 0, since: clock.now(), why, failure: None };
        Self { fetches: Fetches::new(clock.clone()), clock, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, ReloadState> {
        // Every change is whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new site is in force, for this reason.
    pub fn succeeded(&self, why: String) {
        let mut state = self.lock();
        *state = ReloadState {
            succeeded: state.succeeded + 1,
            failed: state.failed,
            since: self.clock.now(),
            why,
            failure: None,
        };
    }

    /// What stands in the files can't be used; the former site stays in force.
    pub fn failed(&self, problems: String) {
        let mut state = self.lock();
        state.failed += 1;
        state.failure = Some((self.clock.now(), problems));
    }

    /// The files match the active configuration again.
    pub fn recovered(&self) {
        self.lock().failure = None;
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
        self.fetches.collect(families);
    }
}
