//! What all requests have in common, summed over workers, routes and domains.

use super::{Counters, Distribution, WorkerMetrics, traffic};

/// Counts since the start, and what is in use now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// Requests, in the order of [`super::Outcome::VALUES`].
    pub requests: Vec<u64>,
    /// Refused requests, in the order of [`super::RefusalCode::VALUES`].
    pub refusals: Vec<u64>,
    /// How long requests took.
    pub durations: Distribution,
    /// Open connections.
    pub connections: usize,
}

impl Totals {
    pub(super) fn of<'a>(workers: impl Iterator<Item = &'a WorkerMetrics> + Clone) -> Self {
        Self {
            requests: Counters::sums(workers.clone().map(|worker| &worker.requests)),
            refusals: Counters::sums(workers.clone().map(|worker| &worker.refusals)),
            durations: traffic::durations(workers.map(|worker| &worker.traffic)),
            connections: 0,
        }
    }
}
