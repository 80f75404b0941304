//! How many connections each client address has, over all workers.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher,
    sync::{Arc, Mutex, PoisonError},
};

use crate::net::Network;

/// The number of connections per network. Each shard has its own lock, which is taken when a connection begins and when it ends.
#[derive(Debug)]
pub(super) struct Addresses {
    shards: [Mutex<HashMap<Network, usize>>; 16],
    hasher: RandomState,
}

impl Addresses {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { shards: std::array::from_fn(|_| Mutex::default()), hasher: RandomState::new() })
    }

    /// A place among the connections of this network, unless it has reached the limit.
    pub(super) fn take(self: &Arc<Self>, network: Network, limit: usize) -> Option<AddressPlace> {
        self.with(network, |counts| {
            let count = counts.entry(network).or_default();
            (*count < limit).then(|| *count += 1)
        })?;
        Some(AddressPlace { addresses: Arc::clone(self), network })
    }

    fn with<T>(&self, network: Network, change: impl FnOnce(&mut HashMap<Network, usize>) -> T) -> T {
        let shard = usize::try_from(self.hasher.hash_one(network) % 16).unwrap_or_default();
        // The index is below 16.
        let mut counts =
            self.shards.get(shard).unwrap_or(&self.shards[0]).lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut counts)
    }
}

/// One connection of a network, until it is dropped.
#[derive(Debug)]
pub(super) struct AddressPlace {
    addresses: Arc<Addresses>,
    network: Network,
}

impl Drop for AddressPlace {
    fn drop(&mut self) {
        self.addresses.with(self.network, |counts| {
            if let Some(count) = counts.get_mut(&self.network) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(&self.network);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        Network::of(text.parse().unwrap())
    }

    #[test]
    fn an_address_gets_no_more_places_than_its_limit() {
        let addresses = Addresses::new();
        let (one, other) = (network("192.0.2.1"), network("192.0.2.2"));
        let places: Vec<_> = (0..3).map(|_| addresses.take(one, 3).unwrap()).collect();
        assert!(addresses.take(one, 3).is_none());
        assert!(addresses.take(other, 3).is_some());
        drop(places);
        assert!(addresses.shards.iter().all(|shard| shard.lock().unwrap().is_empty()));
    }
}
