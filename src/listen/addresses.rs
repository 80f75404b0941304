//! How many connections each client address has, over all workers.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

/// What counts as one client: an IPv4 address, or the /64 of an IPv6 address, which is what one subscriber has at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Network(IpAddr);

impl Network {
    pub(super) fn of(ip: IpAddr) -> Self {
        Self(match ip.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

/// Connections by network. A lock each for a part of them, taken when a connection begins and when it ends.
#[derive(Debug)]
pub(super) struct Addresses {
    shards: [Mutex<HashMap<Network, usize>>; 16],
    hasher: RandomState,
}

impl Addresses {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { shards: std::array::from_fn(|_| Mutex::default()), hasher: RandomState::new() })
    }

    /// A place among the connections of this network, unless it has `bound` of them.
    pub(super) fn take(self: &Arc<Self>, network: Network, bound: usize) -> Option<AddressPlace> {
        self.with(network, |counts| {
            let count = counts.entry(network).or_default();
            (*count < bound).then(|| *count += 1)
        })?;
        Some(AddressPlace { of: Arc::clone(self), network })
    }

    fn with<T>(&self, network: Network, change: impl FnOnce(&mut HashMap<Network, usize>) -> T) -> T {
        let shard = usize::try_from(self.hasher.hash_one(network) % 16).unwrap_or_default();
        // Sixteen there are.
        let mut counts =
            self.shards.get(shard).unwrap_or(&self.shards[0]).lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut counts)
    }
}

/// One connection of a network, until it is dropped.
#[derive(Debug)]
pub(super) struct AddressPlace {
    of: Arc<Addresses>,
    network: Network,
}

impl Drop for AddressPlace {
    fn drop(&mut self) {
        self.of.with(self.network, |counts| {
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
    fn an_ipv6_subscriber_is_one_client() {
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }

    #[test]
    fn an_address_has_so_many_and_no_more() {
        let addresses = Addresses::new();
        let (one, other) = (network("192.0.2.1"), network("192.0.2.2"));
        let places: Vec<_> = (0..3).map(|_| addresses.take(one, 3).unwrap()).collect();
        assert!(addresses.take(one, 3).is_none());
        assert!(addresses.take(other, 3).is_some());
        drop(places);
        assert!(addresses.shards.iter().all(|shard| shard.lock().unwrap().is_empty()));
    }
}
