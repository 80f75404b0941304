//! Session tickets (RFC 5077; RFC 8446 section 4.6.1). A ticket stands for the client certificate of the handshake in which it
//! was given, so who can make one is let in as anybody: what is in this folder decides that nobody can.
//!
//! A ticket is void some time after the full handshake, however often it was resumed since, and with the end of the certificate.

mod key;
mod own;
mod secrets;

use std::{cell::Cell, fmt, sync::Arc, time::Duration};

use rustls::{pki_types::CertificateDer, server::ProducesTickets};

use super::leaf::Leaf;
use crate::clock::{Clock, Timestamp};

pub(super) use key::{Context, TicketKey};
pub(super) use own::OwnKeys;
pub use secrets::{SECRET_BYTES, TicketSecrets};

/// What the session of a connection rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Session {
    /// When its full handshake was.
    began: Timestamp,
    /// The end of the client's certificate. Without one, there is no such end.
    certificate_ends: Timestamp,
}

tokio::task_local! {
    /// The session of the handshake that goes on, none until a certificate or a ticket came; rustls' callbacks do not tell for which
    /// connection they are called.
    static HANDSHAKE: Cell<Option<Session>>;
}

/// A handshake, with a session of its own: outside of such a future no ticket is made or taken.
pub(super) fn with_session<F: Future>(handshake: F) -> impl Future<Output = F::Output> {
    HANDSHAKE.scope(Cell::default(), handshake)
}

/// Takes note that the client of the handshake that goes on has shown this certificate. One that can't be read gets no ticket.
pub(super) fn certificate_shown(certificate: &CertificateDer<'_>, now: Timestamp) {
    let certificate_ends = Leaf::of(certificate).map_or(Timestamp::MIN, |leaf| leaf.not_after);
    let session = Session { began: now, certificate_ends };
    // Outside of a handshake there is nobody to note it for.
    let _ = HANDSHAKE.try_with(|handshake| handshake.set(Some(session)));
}

/// Where a domain's ticket keys come from.
#[derive(Debug)]
pub(super) enum Keys {
    /// Of a file, which other edges may have too: the first seals, all open.
    Shared(Vec<TicketKey>),
    /// This process's own.
    Own(Arc<OwnKeys>),
}

/// Makes and takes the tickets of one domain.
pub(super) struct Tickets {
    pub(super) keys: Keys,
    /// From the full handshake on.
    pub(super) lifetime: Duration,
    pub(super) clock: Clock,
}

impl Tickets {
    /// How many seconds a session has left.
    fn remaining_lifetime(&self, session: Session, now: Timestamp) -> Option<u64> {
        let end = (session.began + self.lifetime).min(session.certificate_ends);
        u64::try_from(end.seconds_since(now)).ok().filter(|seconds| *seconds > 0)
    }

    /// The session of this connection; one that begins now where neither a certificate nor a ticket came.
    fn session(now: Timestamp) -> Option<Session> {
        let session = HANDSHAKE.try_with(Cell::get).ok()?;
        Some(session.unwrap_or(Session { began: now, certificate_ends: Timestamp::MAX }))
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    /// What is left of the session: the hint that goes with the ticket made just now.
    fn lifetime(&self) -> u32 {
        let now = self.clock.now();
        let seconds = Self::session(now).and_then(|session| self.remaining_lifetime(session, now));
        // 0 means "unspecified" in TLS 1.2, and there the ticket that is missing is an empty one.
        seconds.map_or(0, |seconds| u32::try_from(seconds).unwrap_or(u32::MAX))
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let now = self.clock.now();
        let session = Self::session(now)?;
        self.remaining_lifetime(session, now)?;
        match &self.keys {
            Keys::Shared(keys) => keys.first()?.seal(session, plain),
            Keys::Own(keys) => keys.at(now, self.lifetime)?.seal(session, plain),
        }
    }

    /// None for whatever is no ticket of this domain that is good now: then rustls goes on with a full handshake.
    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let now = self.clock.now();
        let (session, plain) = match &self.keys {
            Keys::Shared(keys) => key::open(keys.iter(), ticket)?,
            Keys::Own(keys) => keys.at(now, self.lifetime)?.open(ticket)?,
        };
        // The clock of the edge that made it may be ahead; that must not make it last.
        let session = Session { began: session.began.min(now), ..session };
        self.remaining_lifetime(session, now)?;
        // If rustls does not resume it after all, the certificate that is shown then is noted in its place.
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
