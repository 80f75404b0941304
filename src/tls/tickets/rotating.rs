//! Random ticket keys of this process, which are rotated. Used where no key file is configured.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use aws_lc_rs::{error::Unspecified, rand};
use zeroize::Zeroizing;

use super::{
    Session,
    key::{self, Context, TicketKey},
    secrets::{SECRET_BYTES, TicketSecrets},
};

use crate::clock::Timestamp;

/// A key that is replaced after each session lifetime. Its predecessor still decrypts tickets for one more lifetime.
///
/// A deleted key cannot be stolen from this process, so tickets that it encrypted cannot be decrypted by anyone who steals the others.
#[derive(Debug)]
pub(in crate::tls) struct RotatingKeys {
    context: Context,
    keys: ArcSwap<Pair>,
    /// Held while the keys are replaced.
    rotation: Mutex<()>,
}

/// The keys in use: the current one encrypts, both decrypt.
#[derive(Debug)]
pub(super) struct Pair {
    /// When the current key was made.
    since: Timestamp,
    current: Arc<RandomKey>,
    former: Option<Arc<RandomKey>>,
}

/// A key, with the secret that another process needs to continue it.
struct RandomKey {
    secret: Zeroizing<[u8; SECRET_BYTES]>,
    key: TicketKey,
}

impl fmt::Debug for RandomKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RandomKey")
    }
}

/// The secrets of the keys in use, for the process that replaces this one.
#[derive(Debug)]
pub struct RandomSecrets {
    /// When the first was made.
    pub since: Timestamp,
    /// The one that encrypts first.
    pub secrets: TicketSecrets,
}

impl RotatingKeys {
    /// A new key for this context.
    pub(in crate::tls) fn new(context: Context, now: Timestamp) -> Result<Self, Unspecified> {
        let pair = Pair { since: now, current: RandomKey::new(&context)?, former: None };
        Ok(Self { context, keys: ArcSwap::from_pointee(pair), rotation: Mutex::default() })
    }

    /// The keys to use now, rotated if needed. None if no random bytes are available.
    pub(super) fn at(&self, now: Timestamp, lifetime: Duration) -> Option<Arc<Pair>> {
        let keys = self.keys.load_full();
        if !keys.needs_rotation(now, lifetime) {
            return Some(keys);
        }
        let _rotation = self.rotation.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = self.keys.load_full();
        if !keys.needs_rotation(now, lifetime) {
            return Some(keys);
        }
        // Tickets of an older key have expired.
        let needed = now < keys.since + 2 * lifetime;
        let former = needed.then(|| Arc::clone(&keys.current));
        let current = RandomKey::new(&self.context).ok()?;
        let keys = Arc::new(Pair { since: now, current, former });
        self.keys.store(Arc::clone(&keys));
        Some(keys)
    }

    /// The secrets of the keys in use.
    pub(in crate::tls) fn secrets(&self) -> Option<RandomSecrets> {
        let keys = self.keys.load();
        let secrets = [&keys.current].into_iter().chain(&keys.former).map(|random| random.secret.clone());
        Some(RandomSecrets { since: keys.since, secrets: TicketSecrets::new(secrets.collect())? })
    }

    /// Continues the keys of another process, which belong to the same context.
    pub(in crate::tls) fn adopt(&self, since: Timestamp, secrets: &[[u8; SECRET_BYTES]]) {
        let key = |secret: &[u8; SECRET_BYTES]| RandomKey::of(Zeroizing::new(*secret), &self.context).ok();
        let mut keys = secrets.iter();
        let Some(current) = keys.next().and_then(key) else { return };
        let _rotation = self.rotation.lock().unwrap_or_else(PoisonError::into_inner);
        self.keys.store(Arc::new(Pair { since, current, former: keys.next().and_then(key) }));
    }
}

impl Pair {
    /// True after a lifetime, and if the clock was set back.
    fn needs_rotation(&self, now: Timestamp, lifetime: Duration) -> bool {
        !(self.since..self.since + lifetime).contains(&now)
    }

    pub(super) fn seal(&self, session: Session, plain: &[u8]) -> Option<Vec<u8>> {
        self.current.key.seal(session, plain)
    }

    pub(super) fn open(&self, ticket: &[u8]) -> Option<(Session, Vec<u8>)> {
        key::open([&self.current].into_iter().chain(&self.former).map(|random| &random.key), ticket)
    }
}

impl RandomKey {
    fn new(context: &Context) -> Result<Arc<Self>, Unspecified> {
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        rand::fill(&mut *secret)?;
        Self::of(secret, context)
    }

    fn of(secret: Zeroizing<[u8; SECRET_BYTES]>, context: &Context) -> Result<Arc<Self>, Unspecified> {
        let key = TicketKey::derive(&secret, context)?;
        Ok(Arc::new(Self { secret, key }))
    }
}
