//! The attacks.

use futures_util::future::join;

use super::{connections, handshakes, scene::Scene};

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
