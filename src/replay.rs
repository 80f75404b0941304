//! The `jti` values of accepted assertions: each is accepted once per client until its assertion expires (OpenID Connect Core
//! section 9, RFC 7523 section 3).
//!
//! One store for all workers, for the life of the process. A value is never forgotten before its time: a full store
//! refuses. Reloads do not touch it; their new limit applies from the next assertion.

mod handover;
mod keys;
mod refusal;
mod shard;
#[cfg(test)]
mod tests;
mod usage;

pub use handover::{Gone, Successor, USE_BYTES, Use};
pub use keys::StoreKeys;
pub use refusal::Replay;

use std::{
    fmt,
    hash::BuildHasher,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use sha2::{Digest, Sha256};

use self::{
    shard::{Found, Shard},
    usage::{ClientKey, Id, Usage, lock},
};
use crate::clock::Timestamp;

/// The number of shards, each with its own lock. Tables of entries grow by doubling: with this number, a store with the default limit
/// fills them to 87 %, while the powers of two nearby would leave every table half empty.
const SHARDS: usize = 160;

/// The used `jti` values of all clients.
///
/// An entry takes 48 bytes if the store is filled to the default limit of 1,000,000, and up to 100 at other numbers, as the tables double
/// (measured: `memory_of_a_full_store`).
pub struct ReplayStore {
    started: Timestamp,
    keys: StoreKeys,
    shards: Box<[Mutex<Shard>]>,
    usage: Usage,
    /// The time at which all shards were swept because the store was full: until the next second that would free nothing.
    swept: Mutex<Timestamp>,
    refused: [AtomicU64; Replay::ALL.len()],
    /// The process that decides about shards that have moved.
    successor: Mutex<Option<Arc<dyn Successor>>>,
}

impl fmt::Debug for ReplayStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayStore").field("in_use", &self.in_use()).finish_non_exhaustive()
    }
}

impl ReplayStore {
    /// An empty store of a process that starts at this time.
    #[must_use]
    pub fn new(started: Timestamp) -> Self {
        Self::with_keys(started, StoreKeys::random())
    }

    /// An empty store that can adopt the values of a store with these keys, which began at this time.
    #[must_use]
    pub fn with_keys(started: Timestamp, keys: StoreKeys) -> Self {
        Self {
            started,
            keys,
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            usage: Usage::default(),
            swept: Mutex::new(Timestamp::MIN),
            refused: Default::default(),
            successor: Mutex::default(),
        }
    }

    /// The keys of its hashes.
    #[must_use]
    pub const fn keys(&self) -> StoreKeys {
        self.keys
    }

    /// When the store began to be filled: at the start of the process, or of the first one of those that handed it over. Nobody knows whether an assertion that was issued earlier has been used: it must be refused.
    #[must_use]
    pub const fn started(&self) -> Timestamp {
        self.started
    }

    /// Records that a client used this `jti` in an assertion that expires at `until`, if it is the first use. `limit` is `[limits] assertion_ids`.
    ///
    /// Of several uses at the same time one succeeds. Must be called last, when the assertion is otherwise valid: only clients that
    /// hold a registered key can fill the store.
    pub fn record(
        &self,
        client_id: &str,
        jti: &str,
        until: Timestamp,
        now: Timestamp,
        limit: usize,
    ) -> Result<(), Replay> {
        let result = self.record_use(&Use { id: self.id(client_id, jti), until, now, limit });
        if let Err(why) = result
            && let Some(counter) = self.refused.get(why as usize)
        {
            counter.fetch_add(1, Relaxed);
        }
        result
    }

    fn record_once(&self, used: &Use) -> Result<(), Replay> {
        let &Use { id, until, now, limit } = used;
        let mut shard = self.shard(id);
        if shard.is_moved {
            drop(shard);
            return self.record_there(used);
        }
        match shard.find(id, until, now) {
            Found::Used => return Err(Replay::Used),
            Found::Expired => shard.remove(id, &self.usage),
            Found::Nothing => {}
        }
        self.usage.reserve(id.client, limit)?;
        shard.insert(id, until, now, &self.usage);
        Ok(())
    }

    /// Removes the values that have expired, and frees their memory.
    pub fn sweep(&self, now: Timestamp) {
        for shard in &self.shards {
            lock(shard).sweep(now, &self.usage);
        }
    }

    /// Sweeps once per second, so that refusals of a full store stay cheap.
    fn sweep_once(&self, now: Timestamp) {
        let mut swept = lock(&self.swept);
        if *swept != now {
            self.sweep(now);
            *swept = now;
        }
    }

    /// The number of values in memory. Some may have expired since the last [`ReplayStore::sweep`].
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.usage.all()
    }

    /// The number of refusals by reason.
    pub fn refusals(&self) -> impl Iterator<Item = (Replay, u64)> {
        Replay::ALL.into_iter().zip(self.refused.iter().map(|counter| counter.load(Relaxed)))
    }

    fn id(&self, client_id: &str, jti: &str) -> Id {
        let mut hash = Sha256::new();
        // With the length no two pairs are the same bytes.
        hash.update(u64::try_from(client_id.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(client_id);
        hash.update(jti);
        let mut digest = [0; 16];
        digest.copy_from_slice(hash.finalize().split_at(16).0);
        Id { digest, client: ClientKey(self.keys.hash_one(client_id)) }
    }

    fn shard(&self, id: Id) -> MutexGuard<'_, Shard> {
        // The keyed hash spreads values that a client chose to fall together.
        let at = usize::try_from(self.keys.hash_one(id) % SHARDS as u64).unwrap_or_default();
        #[allow(clippy::indexing_slicing, reason = "less than the number of shards")]
        lock(&self.shards[at])
    }
}
