//! Ticket keys that no file gives: random ones, which only this process has, and only for a time.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use aws_lc_rs::{error::Unspecified, rand};
use zeroize::Zeroizing;

use super::{
    Session,
    key::{self, Context, TicketKey},
    secrets::SECRET_BYTES,
};

use crate::clock::Timestamp;

/// A key that is replaced each time that a session's lifetime has passed; its predecessor opens what it has sealed so long again.
/// A key that is gone can't be taken from this process any more, nor can what it sealed be read by who takes the others.
#[derive(Debug)]
pub(in crate::tls) struct OwnKeys {
    context: Context,
    keys: ArcSwap<Pair>,
    /// Held by who replaces them.
    turn: Mutex<()>,
}

/// The keys in use.
#[derive(Debug)]
pub(super) struct Pair {
    /// When the current one was made.
    since: Timestamp,
    current: Arc<TicketKey>,
    former: Option<Arc<TicketKey>>,
}

impl OwnKeys {
    /// A new key for this context.
    pub(in crate::tls) fn new(context: Context, now: Timestamp) -> Result<Self, Unspecified> {
        let pair = Pair { since: now, current: random(&context)?, former: None };
        Ok(Self { context, keys: ArcSwap::from_pointee(pair), turn: Mutex::default() })
    }

    /// The keys to use now; they are replaced if that is due. None if there is no randomness.
    pub(super) fn at(&self, now: Timestamp, lifetime: Duration) -> Option<Arc<Pair>> {
        let keys = self.keys.load_full();
        if !keys.is_due(now, lifetime) {
            return Some(keys);
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = self.keys.load_full();
        if !keys.is_due(now, lifetime) {
            return Some(keys);
        }
        // Whatever an older one has sealed is void.
        let needed = now < keys.since + 2 * lifetime;
        let former = needed.then(|| Arc::clone(&keys.current));
        let keys = Arc::new(Pair { since: now, current: random(&self.context).ok()?, former });
        self.keys.store(Arc::clone(&keys));
        Some(keys)
    }
}

impl Pair {
    /// Also if the clock was set back.
    fn is_due(&self, now: Timestamp, lifetime: Duration) -> bool {
        !(self.since..self.since + lifetime).contains(&now)
    }

    pub(super) fn seal(&self, session: Session, plain: &[u8]) -> Option<Vec<u8>> {
        self.current.seal(session, plain)
    }

    pub(super) fn open(&self, ticket: &[u8]) -> Option<(Session, Vec<u8>)> {
        key::open([&self.current].into_iter().chain(&self.former).map(|key| &**key), ticket)
    }
}

fn random(context: &Context) -> Result<Arc<TicketKey>, Unspecified> {
    let mut secret = Zeroizing::new([0; SECRET_BYTES]);
    rand::fill(&mut *secret)?;
    Ok(Arc::new(TicketKey::derive(&secret, context)?))
}
