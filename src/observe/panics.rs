//! Panics: each is a defect of the edge, and what the thread or task did is not done any more.

use std::sync::{Mutex, PoisonError};

use super::metrics::{Families, PANICS};
use crate::clock::{Clock, Timestamp};

static PANICKED: Mutex<Panicked> = Mutex::new(Panicked { count: 0, last: None });

/// The panics since the start of the process.
#[derive(Debug)]
struct Panicked {
    count: u64,
    last: Option<Panic>,
}

/// A panic.
#[derive(Clone, Debug)]
pub(crate) struct Panic {
    /// The name of its thread.
    pub(crate) thread: String,
    pub(crate) at: Timestamp,
}

/// Notes a panic of this thread. To be called by the panic hook.
pub(super) fn note() {
    let thread = std::thread::current().name().unwrap_or("without a name").to_owned();
    let last = Some(Panic { thread, at: Clock::System.now() });
    // Nothing panics while it is locked.
    let mut panicked = PANICKED.lock().unwrap_or_else(PoisonError::into_inner);
    *panicked = Panicked { count: panicked.count + 1, last };
}

/// The last panic.
pub(crate) fn last() -> Option<Panic> {
    PANICKED.lock().unwrap_or_else(PoisonError::into_inner).last.clone()
}

/// Adds the number of panics to the metrics.
pub(super) fn collect(families: &mut Families) {
    families.set(&PANICS, [], PANICKED.lock().unwrap_or_else(PoisonError::into_inner).count);
}
