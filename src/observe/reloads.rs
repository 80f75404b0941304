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
    state: Mutex<State>,
    /// The CRLs that are fetched.
    pub fetches: Fetches,
}

#[derive(Clone, Debug)]
struct State {
    succeeded: u64,
    failed: u64,
    since: Timestamp,
    why: String,
    failure: Option<(Timestamp, String)>,
}

impl Reloads {
    /// Nothing was reloaded or fetched yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let why = "the start of the edge".to_owned();
        let state = State { succeeded: 0, failed: 0, since: clock.now(), why, failure: None };
        Self { fetches: Fetches::new(clock.clone()), clock, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new site is in force, for this reason.
    pub fn succeeded(&self, why: String) {
        let mut state = self.state();
        *state = State {
            succeeded: state.succeeded + 1,
            failed: state.failed,
            since: self.clock.now(),
            why,
            failure: None,
        };
    }

    /// What stands in the files can't be used; the former site stays in force.
    pub fn failed(&self, problems: String) {
        let mut state = self.state();
        state.failed += 1;
        state.failure = Some((self.clock.now(), problems));
    }

    /// The files say again what is in force.
    pub fn mended(&self) {
        self.state().failure = None;
    }

    /// For `/status`: since when and why the trust in force is there, and the failed reload if the last one failed.
    #[must_use]
    pub fn status(&self) -> serde_json::Value {
        let state = self.state().clone();
        serde_json::json!({
            "in_force_since": state.since.to_string(),
            "in_force_seconds": self.clock.age(state.since),
            "why": state.why,
            "reloads": state.succeeded,
            "failed_reloads": state.failed,
            "failure": state.failure.map(|(at, problems)| serde_json::json!({ "at": at.to_string(), "problems": problems })),
        })
    }
}

impl Collector for Arc<Reloads> {
    fn collect(&self, families: &mut Families) {
        let state = self.state().clone();
        families.set(&TRUST_AGE, [], self.clock.age(state.since));
        families.set(&RELOAD_FAILING, [], u64::from(state.failure.is_some()));
        families.set(&RELOADS, [], state.succeeded);
        families.set(&RELOADS_FAILED, [], state.failed);
        self.fetches.collect(families);
    }
}
