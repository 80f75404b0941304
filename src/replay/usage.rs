//! How many values are in use, of each client and of all.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use super::refusal::Replay;

/// The number of parts of the table of clients, each with its own lock.
const CLIENT_SHARDS: usize = 64;

/// What identifies a used value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id {
    /// The first half of SHA-256 over the length of `client_id`, `client_id` and `jti`. Nobody can find a second value with the same half,
    /// by which another client's assertion would be refused.
    pub(super) digest: [u8; 16],
    /// The client, for its share.
    pub(super) client: ClientKey,
}

/// A hash of `client_id` with the keys of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ClientKey(pub(super) u64);

/// How many values are in use: of each client, and of all. Locked while a shard is locked, never the reverse.
#[derive(Debug)]
pub(super) struct Usage {
    all: AtomicUsize,
    clients: Box<[Mutex<HashMap<ClientKey, usize>>]>,
}

impl Default for Usage {
    fn default() -> Self {
        Self { all: AtomicUsize::new(0), clients: (0..CLIENT_SHARDS).map(|_| Mutex::default()).collect() }
    }
}

impl Usage {
    /// The number of all values.
    pub(super) fn all(&self) -> usize {
        self.all.load(Relaxed)
    }

    /// Takes one place of the limit, and of the client's share.
    pub(super) fn reserve(&self, client: ClientKey, limit: usize) -> Result<(), Replay> {
        let mut counts = self.counts(client);
        let count = counts.get(&client).copied().unwrap_or_default();
        if count >= (limit / 2).max(1) {
            return Err(Replay::ClientFull);
        }
        let taken = self.all.fetch_update(Relaxed, Relaxed, |all| (all < limit).then_some(all + 1));
        taken.map_err(|_| Replay::Full)?;
        counts.insert(client, count + 1);
        Ok(())
    }

    /// Takes one place, whatever the limit is.
    pub(super) fn take(&self, client: ClientKey) {
        *self.counts(client).entry(client).or_default() += 1;
        self.all.fetch_add(1, Relaxed);
    }

    /// Returns the place of a removed value.
    pub(super) fn release(&self, client: ClientKey) {
        let mut counts = self.counts(client);
        if let Some(count) = counts.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&client);
            }
        }
        self.all.fetch_sub(1, Relaxed);
    }

    fn counts(&self, client: ClientKey) -> MutexGuard<'_, HashMap<ClientKey, usize>> {
        let at = usize::try_from(client.0 % CLIENT_SHARDS as u64).unwrap_or_default();
        #[allow(clippy::indexing_slicing, reason = "less than the number of shards")]
        lock(&self.clients[at])
    }
}

/// Locks a part of the store.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that runs while one is locked can panic halfway through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
