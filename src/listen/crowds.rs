//! The number of unauthenticated connections per network.

use std::collections::{BTreeSet, HashMap};

use crate::net::Network;

/// The least number of connections from one network that counts as a crowd: a client with a pool opens some at once.
const CROWD: usize = 9;

/// Counts of one worker's connections per network.
#[derive(Debug, Default)]
pub(super) struct Crowds {
    counts: HashMap<Network, usize>,
    by_count: BTreeSet<(usize, Network)>,
}

impl Crowds {
    /// Counts one connection more.
    pub(super) fn enter(&mut self, network: Network) {
        let count = self.count(network);
        self.set(network, count, count + 1);
    }

    /// Counts one connection less.
    pub(super) fn leave(&mut self, network: Network) {
        let count = self.count(network);
        self.set(network, count, count.saturating_sub(1));
    }

    /// Whether one more connection of this network would belong to a crowd.
    pub(super) fn is_crowd(&self, network: Network) -> bool {
        self.count(network) + 1 >= CROWD
    }

    /// The network with the largest crowd.
    pub(super) fn largest(&self) -> Option<Network> {
        self.by_count.last().filter(|(count, _)| *count >= CROWD).map(|(_, network)| *network)
    }

    fn count(&self, network: Network) -> usize {
        self.counts.get(&network).copied().unwrap_or_default()
    }

    fn set(&mut self, network: Network, former: usize, count: usize) {
        self.by_count.remove(&(former, network));
        if count == 0 {
            self.counts.remove(&network);
        } else {
            self.counts.insert(network, count);
            self.by_count.insert((count, network));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(last: u8) -> Network {
        Network::of([192, 0, 2, last].into())
    }

    fn crowds(counts: &[(u8, usize)]) -> Crowds {
        let mut crowds = Crowds::default();
        for (last, count) in counts {
            (0..*count).for_each(|_| crowds.enter(network(*last)));
        }
        crowds
    }

    #[test]
    fn the_largest_crowd_is_found() {
        let mut crowds = crowds(&[(1, CROWD), (2, CROWD + 1), (3, 1)]);
        assert_eq!(crowds.largest(), Some(network(2)));
        (0..2).for_each(|_| crowds.leave(network(2)));
        assert_eq!(crowds.largest(), Some(network(1)));
        crowds.leave(network(1));
        assert_eq!(crowds.largest(), None);
    }

    #[test]
    fn a_few_are_not_a_crowd() {
        let crowds = crowds(&[(1, CROWD - 1), (2, CROWD - 2)]);
        assert!(crowds.is_crowd(network(1)));
        assert!(!crowds.is_crowd(network(2)));
        assert!(!crowds.is_crowd(network(3)));
    }

    #[test]
    fn networks_without_connections_are_not_stored() {
        let mut crowds = crowds(&[(1, 2)]);
        crowds.leave(network(1));
        crowds.leave(network(1));
        assert!(crowds.counts.is_empty() && crowds.by_count.is_empty());
    }
}
