//! Counts of exported and dropped spans.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::{
    observe::metrics::{Collector, Families, SPANS_DROPPED, SPANS_EXPORTED},
    trace::{Queue, Span},
};

/// Why a span was not exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dropped {
    /// The collector could not be reached, or was too busy.
    Unreachable,
    /// The collector refused it.
    Rejected,
    /// The edge ended, or traces were turned off.
    Ended,
}

/// Counts of the spans since the start of the process.
#[derive(Debug)]
pub struct Counts {
    queue: Arc<Queue>,
    exported: AtomicU64,
    unreachable: AtomicU64,
    rejected: AtomicU64,
    ended: AtomicU64,
}

impl Counts {
    /// Of the spans of this queue.
    #[must_use]
    pub fn of(queue: Arc<Queue>) -> Self {
        let [exported, unreachable, rejected, ended] = [(); 4].map(|()| AtomicU64::new(0));
        Self { queue, exported, unreachable, rejected, ended }
    }

    pub(super) fn exported(&self, count: u64) {
        self.exported.fetch_add(count, Relaxed);
    }

    pub(super) fn dropped(&self, count: u64, why: Dropped) {
        let counter = match why {
            Dropped::Unreachable => &self.unreachable,
            Dropped::Rejected => &self.rejected,
            Dropped::Ended => &self.ended,
        };
        counter.fetch_add(count, Relaxed);
    }
}

/// The number of spans of an export.
pub(super) fn number(spans: &[Span]) -> u64 {
    u64::try_from(spans.len()).unwrap_or(u64::MAX)
}

impl Collector for Arc<Counts> {
    fn collect(&self, families: &mut Families) {
        families.set(&SPANS_EXPORTED, [], self.exported.load(Relaxed));
        families.set(&SPANS_DROPPED, ["queue_full"], self.queue.dropped());
        for (reason, counter) in
            [("unreachable", &self.unreachable), ("rejected", &self.rejected), ("ended", &self.ended)]
        {
            families.set(&SPANS_DROPPED, [reason], counter.load(Relaxed));
        }
    }
}
