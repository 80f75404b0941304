//! Why log lines do not get to where the operator looks for them, for `/status`.

use std::sync::{Mutex, PoisonError};

use crate::clock::{Clock, Timestamp};

static FAILING: Mutex<Failing> = Mutex::new(Failing { unwritable: None, lost: None, closed: None });

#[derive(Debug)]
struct Failing {
    unwritable: Option<LogFailure>,
    lost: Option<LogFailure>,
    closed: Option<LogFailure>,
}

/// A failure of the log that lasts.
#[derive(Clone, Debug)]
pub(crate) struct LogFailure {
    pub(crate) since: Timestamp,
    /// A sentence.
    pub(crate) what: String,
}

fn with<T>(act: impl FnOnce(&mut Failing) -> T) -> T {
    // Nothing can panic between two changes that belong together.
    act(&mut FAILING.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Sets or clears the reason why lines cannot be written. Returns whether it is the first one.
pub(super) fn set_unwritable(what: Option<String>) -> bool {
    with(|failing| set(&mut failing.unwritable, what))
}

/// Sets or clears the reason why the open file is not the one that its path leads to. Returns whether it is the first one.
pub(super) fn set_lost(what: Option<String>) -> bool {
    with(|failing| set(&mut failing.lost, what))
}

/// Sets or clears the reason why standard error cannot be written.
pub(super) fn set_closed(what: Option<String>) {
    with(|failing| set(&mut failing.closed, what));
}

fn set(slot: &mut Option<LogFailure>, what: Option<String>) -> bool {
    let before = slot.take();
    let is_first = before.is_none() && what.is_some();
    let since = before.map_or_else(|| Clock::System.now(), |before| before.since);
    *slot = what.map(|what| LogFailure { since, what });
    is_first
}

/// What fails now.
pub(super) fn now() -> impl Iterator<Item = LogFailure> {
    with(|failing| [&failing.unwritable, &failing.lost, &failing.closed].map(Option::clone))
        .into_iter()
        .flatten()
}
