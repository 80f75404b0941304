//! Tests of the benches: what they write, what they refuse to measure, and when a count fails. No figure is asserted.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[allow(dead_code, reason = "parts that only the benches use")]
#[path = "../../benches/load/harness.rs"]
mod harness;
#[path = "../../benches/load/scale.rs"]
mod scale;
#[path = "../../benches/strangers/strangers.rs"]
mod strangers;
#[path = "../../benches/instructions/verdict.rs"]
mod verdict;

mod contenders;
mod counts;
mod hostile;
mod load;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Waits until no other test measures: each takes a whole core, with real-time priority if it may.
fn alone() -> MutexGuard<'static, ()> {
    static MEASURING: Mutex<()> = Mutex::new(());
    MEASURING.lock().unwrap_or_else(PoisonError::into_inner)
}
