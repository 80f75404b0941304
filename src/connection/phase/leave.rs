//! How a connection leaves while the edge drains: after its next request, so that a client loses none.

use std::time::Duration;

use tokio::time::Instant;

use super::{Deadline, Overdue, Phase, Protocol, State};

/// How long a client has for its first request, from the end of the handshake, if the edge drains. It has seen no response yet, so it
/// would take the end of its connection for a failure.
pub(in crate::connection) const FIRST_REQUEST: Duration = Duration::from_secs(1);

impl State {
    /// Lets the connection serve one more request, which must begin before this time, and closes it then. An HTTP/2 connection that is
    /// in use closes at once: GOAWAY loses no request. True if its task must be woken.
    pub(in crate::connection) fn leave(&mut self, now: Instant, until: Instant) -> bool {
        self.leaves = Some(until);
        match self.phase {
            Phase::Idle { since, .. } | Phase::Parked { since } if !self.is_used_http2() => {
                self.waits_until(since).at > now || self.close(now)
            }
            Phase::Handshake { .. } | Phase::Head { .. } => false,
            // Its response has begun without announcing the end.
            Phase::Busy(_) if self.protocol == Protocol::Http1 && self.exchanges.have_response() => {
                until <= now && self.close(now)
            }
            _ => self.close(now),
        }
    }

    /// Whether the response in flight is the last one of an HTTP/1.1 connection.
    pub(in crate::connection) const fn is_last_of_http1(&self) -> bool {
        matches!((self.protocol, self.phase), (Protocol::Http1, Phase::Closing { announced: None, .. }))
    }

    /// Until when a connection that is idle since this time may stay so.
    pub(super) fn waits_until(&self, since: Instant) -> Deadline {
        let idle = Deadline { at: since + self.timeouts.idle, then: Overdue::Idle };
        let Some(until) = self.leaves else { return idle };
        let at = if self.requests == 0 { until.max(since + FIRST_REQUEST) } else { until };
        if at < idle.at { Deadline { at, then: Overdue::Left } } else { idle }
    }

    /// Whether it has served a request over HTTP/2.
    const fn is_used_http2(&self) -> bool {
        matches!(self.protocol, Protocol::Http2) && self.requests > 0
    }
}
