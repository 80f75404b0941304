//! What the attacks share: their target, their addresses, and what they count.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use futures_util::future::join_all;
use testkit::Credentials;

use crate::harness::{
    certificates::Certificates,
    client::{CLASSICAL, Client},
};

/// The number of addresses of attackers: each stays below a limit per address.
const ADDRESSES: usize = 100;

/// What an attack needs.
pub struct Scene {
    /// The contender's address.
    pub address: SocketAddr,
    /// The certificates of the honest client and the server.
    pub certificates: Arc<Certificates>,
    /// The number of idle connections.
    pub idle: usize,
    /// Where it counts.
    pub tally: Arc<Tally>,
}

impl Scene {
    /// An attacker with these credentials, or none, from one of many addresses.
    pub fn client(&self, number: usize, credentials: Option<&Credentials>) -> Client {
        let host = u8::try_from(number % ADDRESSES + 1).unwrap();
        let source = IpAddr::V4(Ipv4Addr::new(127, 0, 1, host));
        Client::new(self.address, &self.certificates, credentials, CLASSICAL).from(source)
    }
}

/// The outcomes of the attack.
#[derive(Debug, Default)]
pub struct Tally {
    outcomes: Mutex<BTreeMap<&'static str, u64>>,
    /// Connections that have not been opened for the first time.
    missing: AtomicUsize,
}

impl Tally {
    /// Counts one connection by its outcome.
    pub fn count(&self, outcome: &'static str) {
        *self.outcomes.lock().unwrap().entry(outcome).or_default() += 1;
    }

    /// The attack is complete only after as many calls of [`Self::opened`].
    pub fn expect(&self, connections: usize) {
        self.missing.fetch_add(connections, Relaxed);
    }

    /// One of the expected connections was opened, or refused.
    pub fn opened(&self) {
        self.missing.fetch_sub(1, Relaxed);
    }

    /// Whether something was counted, and every expected connection was opened.
    pub fn is_complete(&self) -> bool {
        self.missing.load(Relaxed) == 0 && !self.outcomes.lock().unwrap().is_empty()
    }

    /// The number of connections per outcome.
    pub fn outcomes(&self) -> BTreeMap<&'static str, u64> {
        self.outcomes.lock().unwrap().clone()
    }
}

/// Runs this many attackers at once.
pub async fn crowd<F: Future<Output = ()>>(size: usize, attacker: impl Fn(usize) -> F) {
    join_all((0..size).map(attacker)).await;
}
