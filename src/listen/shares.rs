//! How the file descriptors of the process are divided, so that none of their users leaves too few for the others.
//!
//! A reload opens files and the admin address accepts connections, however many connections strangers hold: otherwise a removed
//! credential would work for as long as an attack lasts.

use tokio::sync::Semaphore;

use super::spec::ListenSpec;
use crate::{admin, forward::UpkeepLimits, net::descriptors};

/// Standard streams, runtimes of the main and the admin thread, the file watch and its pipes, the admin listener twice, what is read of /proc: 25
/// when idle. The others are for what a reload reads, one file after the other, for the thread that fetches CRLs, and [`UPKEEP`].
const FIXED: usize = 38;
/// What the thread that looks after upstreams may take of [`FIXED`], which is all of it where descriptors are few.
const UPKEEP: UpkeepLimits = UpkeepLimits { connections: 6, lookups: 4 };
/// The most that it may take: each connection is one origin that is checked.
const MOST_UPKEEP: UpkeepLimits = UpkeepLimits { connections: 256, lookups: 16 };
/// One of this many descriptors is for a connection of it.
const UPKEEP_PART: usize = 64;
/// The runtime of the health address, and its listener twice.
const HEALTH: usize = 5;
/// A worker's runtime, and connections that wait for a place or are closed for another worker.
const WORKER: usize = 8;
/// Connections that a worker has closed and that still have their descriptors. An eighth of it where descriptors are few.
const CLOSING: usize = 16;
/// Names of upstreams that a worker resolves at once; each takes a descriptor meanwhile. Half of it where descriptors are few.
const RESOLVING: usize = 8;
/// Below this limit, descriptors are few.
const FEW: usize = 1024;
/// The fewest connections that the edge starts with: connections and upstream connections together.
const FEWEST: usize = 24;

/// How many descriptors each use may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// The limit that is divided.
    pub descriptors: usize,
    /// For all but connections of applications and to upstreams.
    pub reserve: usize,
    /// Connections of applications that are open at once: `[limits] connections`, or fewer.
    pub connections: usize,
    /// Connections to upstreams.
    pub upstream: usize,
    /// Connections that each worker has closed at once to make room; they keep their descriptors until their tasks are dropped.
    pub closing: usize,
    /// Names that each worker resolves at once.
    pub resolving: usize,
    /// What the thread that looks after upstreams may take.
    pub upkeep: UpkeepLimits,
}

/// The limit of open files leaves nothing to serve with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the limit of open files (RLIMIT_NOFILE) is {descriptors}, and {needed} are the fewest to start with: raise it (LimitNOFILE= in a systemd unit, --ulimit nofile= for a container, ulimit -n in a shell)"
)]
pub struct TooFew {
    /// The limit.
    pub descriptors: usize,
    /// The least that it must be.
    pub needed: usize,
}

/// The limit of open files allows fewer connections than are configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{connections} connections and {upstream_connections} to upstreams need {needed} open files, and the limit (RLIMIT_NOFILE, hard) is {}: at most {} connections are served at once, and {} opened to upstreams",
    .shares.descriptors,
    .shares.connections,
    .shares.upstream.min(*.upstream_connections)
)]
pub struct Shortage {
    /// Connections that are configured.
    pub connections: usize,
    /// Connections to upstreams that are configured.
    pub upstream_connections: usize,
    /// The limit that would be enough.
    pub needed: usize,
    /// What there is.
    pub shares: Shares,
}

impl Shares {
    /// Raises the limit of open files as far as it can be, and divides it.
    pub fn raise(spec: &ListenSpec) -> Result<Self, TooFew> {
        let mut shares = Self::of(spec, descriptors::raise())?;
        shares.upstream = shares.upstream.min(Semaphore::MAX_PERMITS);
        descriptors::reserve(shares.most(spec));
        tracing::info!(
            descriptors = shares.descriptors,
            reserve = shares.reserve,
            connections = shares.connections,
            upstream_connections = shares.upstream,
            "open files"
        );
        Ok(shares)
    }

    /// Divides the limit to which the process may raise its own, without raising it.
    pub fn foreseen(spec: &ListenSpec) -> Result<Self, TooFew> {
        Self::of(spec, descriptors::limit())
    }

    /// Divides this many descriptors. If they are too few for all that is configured, upstreams get a third at most.
    fn of(spec: &ListenSpec, descriptors: usize) -> Result<Self, TooFew> {
        let are_few = descriptors < FEW;
        let (closing, resolving) = if are_few { (CLOSING / 8, RESOLVING / 2) } else { (CLOSING, RESOLVING) };
        let worker = WORKER + resolving + (3 + closing) * spec.https.len();
        let admin = spec.admin.map_or(0, |_| admin::CONNECTIONS);
        let health = spec.health.map_or(0, |_| HEALTH + admin::HEALTH_CONNECTIONS);
        let upkeep = if are_few {
            UPKEEP
        } else {
            let connections = (descriptors / UPKEEP_PART).min(MOST_UPKEEP.connections);
            UpkeepLimits { connections, ..MOST_UPKEEP }
        };
        let beyond = upkeep.connections - UPKEEP.connections + upkeep.lookups - UPKEEP.lookups;
        let reserve = FIXED + beyond + admin + health + spec.worker_count() * worker;
        let left = descriptors.saturating_sub(reserve);
        if left < FEWEST {
            return Err(TooFew { descriptors, needed: reserve + FEWEST });
        }
        let upstream = spec.upstream_connections.min(left - spec.connections.min(left - left / 3));
        let connections = spec.connections.min(left - upstream);
        let upstream = left - connections;
        Ok(Self { descriptors, reserve, connections, upstream, closing, resolving, upkeep })
    }

    /// How many can be open at once: upstreams are not called on more connections than they are configured to take.
    fn most(&self, spec: &ListenSpec) -> usize {
        self.reserve + self.connections + self.upstream.min(spec.upstream_connections)
    }

    /// What is missing for the configured connections, if anything is.
    #[must_use]
    pub fn shortage(&self, spec: &ListenSpec) -> Option<Shortage> {
        let &ListenSpec { connections, upstream_connections, .. } = spec;
        if self.connections == connections && self.upstream >= upstream_connections {
            return None;
        }
        let needed = connections.saturating_add(upstream_connections).saturating_add(self.reserve);
        Some(Shortage { connections, upstream_connections, needed, shares: *self })
    }
}
