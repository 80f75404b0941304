//! The life of one connection: one enum of phases, each with its deadline. Pure: every transition takes the time as an argument.
//!
//! ```text
//! Handshake -> Idle -> Head -> Busy -> Idle ...      Idle <-> Parked
//! any phase -> Closing -> Lingering                  Idle, Head, Busy -> Lingering
//! ```
//!
//! Two combinations would desynchronize requests, so that body bytes of one are read as the next one. They cannot be reached: a
//! connection is parked only from [`Phase::Idle`], if it is flushed and no body may still arrive; and no request begins once the end was
//! announced or sent.

mod deadline;
mod exchanges;
mod leave;
#[cfg(test)]
mod tests;

pub(super) use deadline::{Deadline, Overdue, Timeouts};
pub(super) use exchanges::OverdueRequest;

use std::{num::NonZeroU32, time::Duration};

use tokio::time::Instant;

use self::exchanges::{Exchanges, end, sooner};

/// How long a peer may take to read the end of a connection, and how long what it still sends is discarded.
pub(super) const LINGER: Duration = Duration::from_secs(2);
/// How long an idle connection keeps hyper's state and buffers.
pub(super) const PARK_AFTER: Duration = Duration::from_millis(250);
/// The idle time before parking of a connection that served several requests since it was last parked: it will probably be used
/// again soon.
pub(super) const PARK_AFTER_BUSY: Duration = Duration::from_secs(4);
/// How many requests a client may abandon before their share is checked.
pub(super) const ABANDONED: u32 = 100;

/// The protocol that ALPN has selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// Whether more of a request's body may arrive, even if that request was already answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bodies {
    Complete,
    Arriving,
}

/// The phase of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// PROXY header and TLS handshake.
    Handshake { since: Instant, until: Instant },
    /// No request is in flight. `is_flushed` is whether the last response was written out.
    Idle { since: Instant, is_flushed: bool },
    /// Part of a request head has arrived (HTTP/1.1).
    Head { since: Instant, idle_since: Instant },
    /// Requests are in flight.
    Busy(InFlight),
    /// hyper's state and buffers are freed until the peer sends something (HTTP/1.1).
    Parked { since: Instant },
    /// The connection closes once the requests in flight are answered.
    Closing { work: Work, announced: Option<Announced> },
    /// Our end was sent, or is being sent. What arrives is discarded.
    Lingering { since: Instant, until: Instant },
}

/// Requests in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InFlight {
    count: NonZeroU32,
    /// A lower bound of the time at which each of them made its last progress.
    stalled_since: Instant,
    /// A lower bound of the time at which the first of them is overdue.
    until: Option<Instant>,
}

/// What a closing connection must still do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Nothing, since this time.
    Done { since: Instant },
    /// Requests in flight.
    Busy(InFlight),
}

/// When the end of the connection was announced (GOAWAY, `Connection: close`), and how many requests there were by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Announced {
    at: Instant,
    requests: u32,
}

/// A request arrived that may not be served. The connection is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a request after the end of the connection")]
pub(super) struct NotServing;

/// Proof that a connection is parked: needed to take hyper's connection apart. Only [`State::park`] makes one.
#[derive(Debug)]
pub(super) struct ParkPermit(());

/// The phase of a connection, and the counts of its requests.
#[derive(Debug)]
pub(super) struct State {
    phase: Phase,
    protocol: Protocol,
    timeouts: Timeouts,
    /// Set once the edge drains: the time until which the connection may wait for a request, which is then its last.
    leaves: Option<Instant>,
    /// When part of an HTTP/2 head arrived that is not complete yet: in any phase, since other requests may be in flight.
    partial_head: Option<Instant>,
    /// The time in [`Phase::Idle`] after which it is parked.
    park_after: Duration,
    exchanges: Exchanges,
    /// All requests, and those that ended before their response was complete.
    requests: u32,
    abandoned: u32,
    /// Whether the last request was refused, or answered before its body had arrived.
    is_body_unread: bool,
}

impl State {
    /// The state of a connection that was just accepted. Its handshake may take this long.
    pub(super) fn new(now: Instant, handshake_timeout: Duration) -> Self {
        Self {
            phase: Phase::Handshake { since: now, until: now + handshake_timeout },
            protocol: Protocol::Http1,
            // Of later phases; set when the handshake is complete.
            timeouts: Timeouts::default(),
            leaves: None,
            partial_head: None,
            park_after: PARK_AFTER,
            exchanges: Exchanges::default(),
            requests: 0,
            abandoned: 0,
            is_body_unread: false,
        }
    }

    /// Notes that the handshake is complete.
    pub(super) fn established(&mut self, now: Instant, protocol: Protocol, timeouts: Timeouts) {
        if let Phase::Handshake { .. } = self.phase {
            (self.protocol, self.timeouts) = (protocol, timeouts);
            self.phase = Phase::Idle { since: now, is_flushed: true };
        }
    }

    pub(super) const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Whether the next byte is the first one of a request head.
    pub(super) const fn awaits_head(&self) -> bool {
        matches!(self.phase, Phase::Idle { .. })
    }

    /// Notes that the first byte of a request head has arrived.
    pub(super) fn head_begins(&mut self, now: Instant) {
        if let Phase::Idle { since, .. } = self.phase {
            self.phase = Phase::Head { since: now, idle_since: since };
        }
    }

    /// Begins a request and returns its number. Over HTTP/2 a request may begin after GOAWAY, since the client may not have read that yet
    /// (RFC 9113 section 6.8).
    pub(super) fn begin(&mut self, now: Instant) -> Result<usize, NotServing> {
        let began = if let Phase::Head { since, .. } = self.phase { since } else { now };
        let until = end(began, self.timeouts.request);
        let first = InFlight { count: NonZeroU32::MIN, stalled_since: now, until };
        let more = |before: InFlight| InFlight {
            count: before.count.saturating_add(1),
            until: sooner(before.until, until),
            ..before
        };
        self.phase = match self.phase {
            Phase::Idle { .. } | Phase::Head { .. } => Phase::Busy(first),
            Phase::Busy(in_flight) => Phase::Busy(more(in_flight)),
            Phase::Closing { work, announced } if announced.is_none() || self.protocol == Protocol::Http2 => {
                let work = match work {
                    Work::Done { .. } => first,
                    Work::Busy(in_flight) => more(in_flight),
                };
                Phase::Closing { work: Work::Busy(work), announced }
            }
            Phase::Handshake { .. }
            | Phase::Parked { .. }
            | Phase::Closing { .. }
            | Phase::Lingering { .. } => {
                return Err(NotServing);
            }
        };
        self.requests = self.requests.wrapping_add(1);
        let number = self.exchanges.begin(began, now, until);
        if self.leaves.is_some() {
            self.close(now);
        }
        Ok(number)
    }

    /// Notes that this request made progress.
    pub(super) fn progress(&mut self, number: usize, now: Instant) {
        self.exchanges.progress(number, now);
    }

    /// Notes that a request has a response. `is_body_unread` is whether more of the request's body may arrive.
    pub(super) fn answered(&mut self, number: usize, is_body_unread: bool, now: Instant) {
        self.is_body_unread = is_body_unread;
        let until = self.exchanges.answered(number, now);
        self.overdue_at(until);
    }

    /// Ends this request. `is_complete` is whether its whole response was handed over.
    pub(super) fn end(&mut self, number: usize, is_complete: bool, now: Instant) {
        self.exchanges.end(number);
        if !is_complete {
            self.abandoned += 1;
        }
        let fewer = |before: InFlight| {
            NonZeroU32::new(before.count.get() - 1).map(|count| InFlight { count, ..before })
        };
        self.phase = match self.phase {
            Phase::Busy(in_flight) => {
                fewer(in_flight).map_or(Phase::Idle { since: now, is_flushed: false }, Phase::Busy)
            }
            Phase::Closing { work: Work::Busy(in_flight), announced } => {
                let work = fewer(in_flight).map_or(Work::Done { since: now }, Work::Busy);
                Phase::Closing { work, announced }
            }
            // HTTP/2 streams may outlive the end of their connection.
            phase => phase,
        };
    }

    /// Notes that everything is written.
    pub(super) const fn flushed(&mut self) {
        if let Phase::Idle { is_flushed, .. } = &mut self.phase {
            *is_flushed = true;
        }
    }

    /// Asks the connection to close; one whose handshake is not complete may send a request first. True if its task must be woken.
    pub(super) fn close(&mut self, now: Instant) -> bool {
        let work = match &mut self.phase {
            Phase::Handshake { .. } => {
                self.leaves = Some(now);
                return false;
            }
            Phase::Lingering { until, .. } => {
                *until = (*until).min(now + LINGER);
                return false;
            }
            Phase::Closing { .. } => return false,
            Phase::Busy(in_flight) => Work::Busy(*in_flight),
            Phase::Idle { .. } | Phase::Head { .. } | Phase::Parked { .. } => Work::Done { since: now },
        };
        self.phase = Phase::Closing { work, announced: None };
        true
    }

    /// Whether the connection was asked to close, or has ended.
    pub(super) const fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closing { .. } | Phase::Lingering { .. })
    }

    /// Notes that the end is announced to the peer. True only once, and only for a closing connection.
    pub(super) fn announce(&mut self, now: Instant) -> bool {
        let requests = self.requests;
        match &mut self.phase {
            Phase::Closing { announced: announced @ None, .. } => {
                *announced = Some(Announced { at: now, requests });
                true
            }
            _ => false,
        }
    }

    /// Whether the client sends requests although it has had enough time to read that the connection ends.
    pub(super) fn is_end_ignored(&self, now: Instant) -> bool {
        match self.phase {
            Phase::Closing { announced: Some(announced), .. } => {
                announced.requests != self.requests && now.saturating_duration_since(announced.at) >= LINGER
            }
            _ => false,
        }
    }

    /// Notes that our end is about to be sent. That may take until the deadline of the current phase, apart from parking.
    pub(super) fn ending(&mut self) {
        if !matches!(self.phase, Phase::Lingering { .. }) {
            let until = self.deadline(Bodies::Arriving).at;
            self.phase = Phase::Lingering { since: self.last_progress(), until };
        }
    }

    /// Notes that our end was sent.
    pub(super) fn end_sent(&mut self, now: Instant) {
        if let Phase::Lingering { until, .. } = &mut self.phase {
            *until = (*until).min(now + LINGER);
        }
    }

    /// See [`State::answered`]. What the client still sends must then be discarded before the socket is closed.
    pub(super) const fn is_body_unread(&self) -> bool {
        self.is_body_unread
    }

    /// Parks the connection. `None` if it is not idle, not flushed, not HTTP/1.1, or if a body may still arrive, which would be read as a
    /// request.
    pub(super) fn park(&mut self, bodies: Bodies) -> Option<ParkPermit> {
        match self.phase {
            Phase::Idle { since, is_flushed: true }
                if bodies == Bodies::Complete && self.protocol == Protocol::Http1 =>
            {
                self.phase = Phase::Parked { since };
                self.exchanges = Exchanges::default();
                Some(ParkPermit(()))
            }
            _ => None,
        }
    }

    /// Resumes a parked connection whose peer has sent something. False if the connection was asked to close meanwhile.
    pub(super) const fn resume(&mut self) -> bool {
        if let Phase::Parked { since } = self.phase {
            self.phase = Phase::Idle { since, is_flushed: true };
            self.park_after = PARK_AFTER;
            return true;
        }
        false
    }

    /// Notes that the connection had a request in the time after which it would have been parked. If that was not its first, it stays
    /// unparked for longer.
    pub(super) fn stayed_in_use(&mut self, now: Instant) {
        if now.saturating_duration_since(self.last_progress()) < PARK_AFTER / 2 {
            self.park_after = PARK_AFTER_BUSY;
        }
    }

    /// Whether a request is in flight.
    pub(super) const fn is_busy(&self) -> bool {
        matches!(self.phase, Phase::Busy(_) | Phase::Closing { work: Work::Busy(_), .. })
    }

    /// The time of the last progress: of the request in flight that has waited for longest, or else the end of the last request or of the
    /// handshake.
    pub(super) fn last_progress(&mut self) -> Instant {
        self.has_progressed();
        match self.phase {
            Phase::Busy(in_flight) | Phase::Closing { work: Work::Busy(in_flight), .. } => {
                in_flight.stalled_since
            }
            Phase::Handshake { since, .. }
            | Phase::Idle { since, .. }
            | Phase::Head { idle_since: since, .. }
            | Phase::Parked { since }
            | Phase::Closing { work: Work::Done { since }, .. }
            | Phase::Lingering { since, .. } => since,
        }
    }

    /// Whether the client abandons most of its requests, by resetting their streams. Each costs the upstream a request and a connection, and
    /// the client almost nothing.
    pub(super) const fn is_abandoning(&self) -> bool {
        self.abandoned > ABANDONED && self.abandoned > self.requests / 2
    }
}
