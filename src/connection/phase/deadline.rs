//! The deadline of each phase.

use std::time::Duration;

use tokio::time::Instant;

use super::{Bodies, LINGER, Phase, Protocol, State, Work};

/// How long a connection may stay in some phases.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::connection) struct Timeouts {
    /// From the first byte of a request head to its last.
    pub(in crate::connection) head: Duration,
    /// Without a request in flight.
    pub(in crate::connection) idle: Duration,
    /// With requests in flight, none of which makes progress.
    pub(in crate::connection) stall: Duration,
    /// From the first byte of a request's head to the last of its response; zero for any time.
    pub(in crate::connection) request: Duration,
}

/// What to do when a deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::connection) enum Overdue {
    /// Park the connection: see [`State::park`].
    Park,
    /// Close the connection gracefully: it is idle.
    Idle,
    /// Close the connection gracefully: the edge drains. See [`State::leave`].
    Left,
    /// Drop the connection: a head is not complete, whether other requests make progress or not.
    Head,
    /// Drop the connection: a handshake or request makes no progress.
    Stalled,
    /// Answer a request, or break off its response: see [`State::expire`].
    Request,
    /// Drop the connection: the peer does not close its side.
    Unclosed,
}

/// The deadline of a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::connection) struct Deadline {
    pub(in crate::connection) at: Instant,
    pub(in crate::connection) then: Overdue,
}

impl State {
    /// Notes since when part of an HTTP/2 head has arrived, if it is not complete.
    pub(in crate::connection) const fn partial_head(&mut self, since: Option<Instant>) {
        self.partial_head = since;
    }

    /// The end of the current phase or head at the latest, and what to do then.
    pub(in crate::connection) fn deadline(&self, bodies: Bodies) -> Deadline {
        let phase = self.deadline_of_phase(bodies);
        match self.partial_head {
            Some(since) if since + self.timeouts.head < phase.at => {
                Deadline { at: since + self.timeouts.head, then: Overdue::Head }
            }
            _ => phase,
        }
    }

    fn deadline_of_phase(&self, bodies: Bodies) -> Deadline {
        let Timeouts { head, stall, .. } = self.timeouts;
        let (at, then) = match self.phase {
            Phase::Handshake { until, .. } => (until, Overdue::Stalled),
            Phase::Idle { since, is_flushed: true }
                if bodies == Bodies::Complete
                    && self.protocol == Protocol::Http1
                    && since + self.park_after < self.waits_until(since).at =>
            {
                (since + self.park_after, Overdue::Park)
            }
            Phase::Idle { since, .. } | Phase::Parked { since } => return self.waits_until(since),
            Phase::Head { since, .. } => (since + head, Overdue::Head),
            Phase::Busy(in_flight) | Phase::Closing { work: Work::Busy(in_flight), .. } => {
                let stalled = in_flight.stalled_since + stall;
                match in_flight.until {
                    Some(until) if until < stalled => (until, Overdue::Request),
                    _ => (stalled, Overdue::Stalled),
                }
            }
            Phase::Closing { work: Work::Done { since }, announced } => {
                let since = announced.map_or(since, |announced| since.max(announced.at));
                (since + LINGER, Overdue::Unclosed)
            }
            Phase::Lingering { until, .. } => (until, Overdue::Unclosed),
        };
        Deadline { at, then }
    }

    /// Updates the oldest progress among the requests in flight. True if it is later than before.
    pub(in crate::connection) fn has_progressed(&mut self) -> bool {
        let Some(oldest) = self.exchanges.oldest_progress() else { return false };
        let in_flight = self.in_flight_mut();
        in_flight.is_some_and(|in_flight| oldest > std::mem::replace(&mut in_flight.stalled_since, oldest))
    }
}
