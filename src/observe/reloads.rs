//! What became of reloads, for metrics and `/status`.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use super::{
    Fetches,
    metrics::{Collector, Families, RELOAD_FAILING, RELOADS, RELOADS_FAILED, TRUST_AGE},
};

/// The state of the trust in force. Written by the reloader, read by the admin address; never on a request's way.
#[derive(Debug)]
pub struct Reloads {
    state: Mutex<State>,
    /// The CRLs that are fetched.
    pub fetches: Fetches,
}

#[derive(Clone, Debug)]
struct State {
    succeeded: u64,
    failed: u64,
    since: SystemTime,
    why: String,
    failure: Option<(SystemTime, String)>,
}

impl Default for Reloads {
    fn default() -> Self {
        let why = "the start of the edge".to_owned();
        let state = State { succeeded: 0, failed: 0, since: SystemTime::now(), why, failure: None };
        Self { state: Mutex::new(state), fetches: Fetches::default() }
    }
}

impl Reloads {
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
            since: SystemTime::now(),
            why,
            failure: None,
        };
    }

    /// What stands in the files can't be used; the former site stays in force.
    pub fn failed(&self, problems: String) {
        let mut state = self.state();
        state.failed += 1;
        state.failure = Some((SystemTime::now(), problems));
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
            "in_force_since": rfc3339(state.since),
            "in_force_seconds": age(state.since).as_secs(),
            "why": state.why,
            "reloads": state.succeeded,
            "failed_reloads": state.failed,
            "failure": state.failure.map(|(at, problems)| serde_json::json!({ "at": rfc3339(at), "problems": problems })),
        })
    }
}

impl Collector for Arc<Reloads> {
    fn collect(&self, families: &mut Families) {
        let state = self.state().clone();
        families.set(&TRUST_AGE, [], age(state.since).as_secs());
        families.set(&RELOAD_FAILING, [], u64::from(state.failure.is_some()));
        families.set(&RELOADS, [], state.succeeded);
        families.set(&RELOADS_FAILED, [], state.failed);
        self.fetches.collect(families);
    }
}

pub(super) fn age(since: SystemTime) -> Duration {
    since.elapsed().unwrap_or_default()
}

pub(super) fn rfc3339(moment: SystemTime) -> String {
    let seconds = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    crate::identity::rfc3339(i64::try_from(seconds).unwrap_or(i64::MAX))
}
