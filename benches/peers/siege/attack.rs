//! The attacks, and what they share.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use futures_util::future::{join, join_all};
use testkit::Credentials;

use super::{connections, handshakes};
use crate::harness::{
    certificates::Certificates,
    client::{CLASSICAL, Client},
};

/// The number of addresses of attackers: each stays below a limit per address.
const ADDRESSES: usize = 100;
/// Connections that stop in the middle of something.
const STOPPED: usize = 2_000;
/// Concurrent handshakes.
const HANDSHAKES: usize = 1_300;

/// One attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Attack {
    /// 10,000 connections with a valid certificate that send nothing after the handshake.
    Idle,
    /// 2,000 connections that send half of a ClientHello.
    Hellos,
    /// 2,000 connections with a valid certificate that send a head, one byte per second.
    Heads,
    /// One recorded ClientHello on 1,300 connections at a time: the server signs, the attacker computes nothing.
    Replay,
    /// Handshakes with an unknown RSA-4096 certificate, 1,300 at a time.
    Rsa4096,
    /// Handshakes with an unknown P-521 certificate, 1,300 at a time.
    P521,
    /// Handshakes with an unknown chain of 10 certificates, 1,300 at a time.
    Chain,
    /// 2,000 heads and 1,300 replayed ClientHellos together.
    Both,
}

impl Attack {
    /// The title in the table.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Idle => "idle mTLS connections",
            Self::Hellos => "2,000 half-sent ClientHellos",
            Self::Heads => "2,000 heads, a byte a second",
            Self::Replay => "replayed ClientHellos",
            Self::Rsa4096 => "RSA-4096 certificates",
            Self::P521 => "P-521 certificates",
            Self::Chain => "chains of 10 certificates",
            Self::Both => "2,000 heads, 1,300 hellos",
        }
    }
}

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

/// Attacks until it is dropped.
pub async fn run(attack: Attack, scene: &Scene) {
    match attack {
        Attack::Idle => connections::idle(scene).await,
        Attack::Hellos => connections::hellos(scene, STOPPED).await,
        Attack::Heads => connections::heads(scene, STOPPED).await,
        Attack::Replay => handshakes::replay(scene, HANDSHAKES).await,
        Attack::Rsa4096 => handshakes::with(scene, HANDSHAKES, &handshakes::rsa_4096()).await,
        Attack::P521 => handshakes::with(scene, HANDSHAKES, &handshakes::p_521()).await,
        Attack::Chain => handshakes::with(scene, HANDSHAKES, &handshakes::chain()).await,
        Attack::Both => {
            join(connections::heads(scene, STOPPED), handshakes::replay(scene, HANDSHAKES)).await;
        }
    }
}

/// Runs this many attackers at once.
pub async fn crowd<F: Future<Output = ()>>(size: usize, attacker: impl Fn(usize) -> F) {
    join_all((0..size).map(attacker)).await;
}
