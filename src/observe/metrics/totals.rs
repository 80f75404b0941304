//! What all requests have in common, summed over workers and routes.

use std::collections::BTreeMap;

use super::{
    Counters, Distribution, WorkerMetrics,
    traffic::{self, Responses},
};

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
    /// Responses by domain.
    pub responses: BTreeMap<String, Responses>,
    /// How long upstreams took, by name.
    pub upstreams: BTreeMap<String, Distribution>,
    /// Handshakes that were completed.
    pub handshakes: u64,
    /// Failed handshakes, in the order of [`super::HandshakeFailure::VALUES`].
    pub handshake_failures: Vec<u64>,
    /// Connections that the edge closed, in the order of [`super::CloseReason::VALUES`].
    pub connections_closed: Vec<u64>,
    /// Responses that their upstreams have broken off, in the order of [`super::BreakOff::VALUES`].
    pub responses_broken_off: Vec<u64>,
    /// Log lines that were dropped because nobody read those before them fast enough.
    pub log_lines_unread: u64,
}

impl Totals {
    pub(super) fn of<'a>(workers: impl Iterator<Item = &'a WorkerMetrics> + Clone) -> Self {
        let traffic = workers.clone().map(|worker| &worker.traffic);
        let (durations, responses) = traffic::totals(traffic.clone());
        Self {
            requests: Counters::sums(workers.clone().map(|worker| &worker.requests)),
            refusals: Counters::sums(workers.clone().map(|worker| &worker.refusals)),
            durations,
            connections: 0,
            responses,
            upstreams: traffic::by_upstream(traffic),
            handshakes: workers.clone().map(|worker| worker.handshakes.get()).sum(),
            handshake_failures: Counters::sums(workers.clone().map(|worker| &worker.handshake_failures)),
            connections_closed: Counters::sums(workers.clone().map(|worker| &worker.connections_closed)),
            responses_broken_off: Counters::sums(workers.map(|worker| &worker.responses_broken_off)),
            log_lines_unread: 0,
        }
    }
}
