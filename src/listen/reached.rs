//! Log lines about connections that are closed because a limit is reached: at most one per second and limit, and of the limits per address, of each client.

use std::time::Duration;

use super::bound::{ByLimit, Counted};
use crate::{
    net::Network,
    observe::{
        log::{LineLimit, LineLimits},
        metrics::CloseReason,
    },
};

/// A limit that a new connection has reached.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    /// On the connections of all clients, with its value.
    All(Counted, usize),
    /// On those of one client network, with its value.
    OfAddress(Counted, usize),
    /// On memory.
    Memory,
}

impl Limit {
    /// Its key in `[limits]`.
    const fn key(self) -> &'static str {
        match self {
            Self::All(Counted::Open, _) => "connections",
            Self::All(Counted::Handshakes, _) => "handshakes",
            Self::OfAddress(Counted::Open, _) => "connections_per_address",
            Self::OfAddress(Counted::Handshakes, _) => "handshakes_per_address",
            Self::Memory => "memory_bytes",
        }
    }

    /// Absent for memory, whose line of its own has it.
    const fn value(self) -> Option<usize> {
        match self {
            Self::All(_, value) | Self::OfAddress(_, value) => Some(value),
            Self::Memory => None,
        }
    }

    /// What the operator should do.
    const fn help(self) -> &'static str {
        match self {
            Self::OfAddress(..) => {
                "if this address is your load balancer, add it to trusted_proxies of [listen]; if it is a client that needs more, raise the limit"
            }
            Self::All(Counted::Open, _) => {
                "if the connections are of your applications, raise connections of [limits]; if not, connections_per_address and deny of [listen] hold back who opens them"
            }
            Self::All(Counted::Handshakes, _) => {
                "if the clients are yours, the edge lacks CPU time for their handshakes, or they do not complete them; if not, handshakes_per_address and deny of [listen] hold back who begins them"
            }
            Self::Memory => {
                "give the control group or the machine more memory, raise memory_bytes of [limits], or lower connections and buffered_bytes"
            }
        }
    }
}

/// The lines of each limit.
#[derive(Debug)]
pub(super) struct ReachedLog {
    all: ByLimit<LineLimit>,
    of_address: ByLimit<LineLimits>,
    memory: LineLimit,
}

impl ReachedLog {
    pub(super) fn new() -> Self {
        let lines = LineLimit::per_second;
        let of_address = || LineLimits::new(Duration::from_secs(1), 1);
        Self {
            all: ByLimit { open: lines(), handshakes: lines() },
            of_address: ByLimit { open: of_address(), handshakes: of_address() },
            memory: lines(),
        }
    }

    /// Logs that a new connection of this network has reached a limit, and which connection was closed for `reason`: itself, or another one.
    pub(super) fn log(&self, limit: Limit, network: Option<Network>, reason: CloseReason) {
        let others = match limit {
            Limit::All(counted, _) => self.all.get(counted).others(),
            Limit::OfAddress(counted, _) => self.of_address.get(counted).others(&network),
            Limit::Memory => self.memory.others(),
        };
        let Some(others) = others else { return };
        let closed = match reason {
            CloseReason::Evicted | CloseReason::HandshakeEvicted => {
                "another connection is closed for a new one"
            }
            _ => "a new connection is closed",
        };
        tracing::warn!(
            client_network = network.map(tracing::field::display),
            limit = limit.key(),
            value = limit.value(),
            reason = reason.value(),
            others,
            help = limit.help(),
            "a limit on connections is reached: {closed}"
        );
    }
}
