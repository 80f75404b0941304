//! Session tickets (RFC 5077; RFC 8446 section 4.6.1). A ticket replaces the client certificate in a resumed handshake, so anyone who
//! can make one can impersonate any client.
//!
//! A ticket expires when `session_lifetime` has passed since the full handshake, however often the session was resumed, or with the
//! client certificate, whichever is earlier.

mod key;
mod rotating;
mod secrets;

use std::{cell::Cell, fmt, sync::Arc, time::Duration};

use rustls::{pki_types::CertificateDer, server::ProducesTickets};

use super::leaf::Leaf;
use crate::clock::{Clock, Timestamp};

pub(super) use key::{Context, TicketKey};
pub use rotating::RandomSecrets;
pub(super) use rotating::RotatingKeys;
pub use secrets::{SECRET_BYTES, TicketSecrets};

/// The facts of a TLS session that limit its lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Session {
    /// The time of the full handshake.
    began: Timestamp,
    /// notAfter of the client certificate; [`Timestamp::MAX`] without one.
    certificate_ends: Timestamp,
}

tokio::task_local! {
    /// The session of the current handshake; none until a certificate or a ticket is received. Task-local, because rustls does not
    /// pass the connection to its callbacks.
    static HANDSHAKE: Cell<Option<Session>>;
}

/// Runs a handshake with a session of its own. Outside of such a future no ticket is made or accepted.
pub(super) fn with_session<F: Future>(handshake: F) -> impl Future<Output = F::Output> {
    HANDSHAKE.scope(Cell::default(), handshake)
}

/// Records the client certificate of the current handshake. One that cannot be parsed gets no ticket.
pub(super) fn record_certificate(certificate: &CertificateDer<'_>, now: Timestamp) {
    let certificate_ends = Leaf::of(certificate).map_or(Timestamp::MIN, |leaf| leaf.not_after);
    let session = Session { began: now, certificate_ends };
    // Err: outside of a handshake there is no session.
    let _ = HANDSHAKE.try_with(|handshake| handshake.set(Some(session)));
}

/// Where a domain's ticket keys come from.
#[derive(Debug)]
pub(super) enum Keys {
    /// From a file that other edges may share. The first key encrypts, all decrypt.
    Shared(Vec<TicketKey>),
    /// Random keys of this process.
    Rotating(Arc<RotatingKeys>),
}

/// Makes and accepts the tickets of one domain.
pub(super) struct Tickets {
    pub(super) keys: Keys,
    /// How long a session can be resumed after its full handshake.
    pub(super) lifetime: Duration,
    pub(super) clock: Clock,
}

impl Tickets {
    /// The remaining lifetime of a session in seconds; none if it has expired.
    fn remaining_lifetime(&self, session: Session, now: Timestamp) -> Option<u64> {
        let end = (session.began + self.lifetime).min(session.certificate_ends);
        u64::try_from(end.seconds_since(now)).ok().filter(|seconds| *seconds > 0)
    }

    /// The session of the current handshake. It begins now if neither a certificate nor a ticket was received.
    fn session(now: Timestamp) -> Option<Session> {
        let session = HANDSHAKE.try_with(Cell::get).ok()?;
        Some(session.unwrap_or(Session { began: now, certificate_ends: Timestamp::MAX }))
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    /// The lifetime hint of the ticket that was just made: the remaining lifetime of the session, in seconds.
    fn lifetime(&self) -> u32 {
        let now = self.clock.now();
        let seconds = Self::session(now).and_then(|session| self.remaining_lifetime(session, now));
        // In TLS 1.2, 0 means "unspecified"; the ticket is then empty.
        seconds.map_or(0, |seconds| u32::try_from(seconds).unwrap_or(u32::MAX))
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let now = self.clock.now();
        let session = Self::session(now)?;
        self.remaining_lifetime(session, now)?;
        match &self.keys {
            Keys::Shared(keys) => keys.first()?.seal(session, plain),
            Keys::Rotating(keys) => keys.at(now, self.lifetime)?.seal(session, plain),
        }
    }

    /// None unless the ticket was made for this domain and has not expired: then rustls does a full handshake.
    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let now = self.clock.now();
        let (session, plain) = match &self.keys {
            Keys::Shared(keys) => key::open(keys.iter(), ticket)?,
            Keys::Rotating(keys) => keys.at(now, self.lifetime)?.open(ticket)?,
        };
        // The clock of the edge that made the ticket may be ahead, which must not extend the lifetime.
        let session = Session { began: session.began.min(now), ..session };
        self.remaining_lifetime(session, now)?;
        // If rustls does not resume the session after all, the client's certificate replaces this one.
        HANDSHAKE.try_with(|handshake| handshake.set(Some(session))).ok()?;
        Some(plain)
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets")
            .field("keys", &self.keys)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
