//! The admin address: `/healthz`, `/readyz`, `/metrics`, `/status`, over plain HTTP/1.1. It only reads. The first two may have an address
//! of their own.

mod connections;
mod respond;
mod serve;
mod server;

mod accept;
mod access;
mod assertion_ids;
mod expiries;
mod health;
mod history;
mod host;
mod html;
mod problems;
mod quantile;
mod query;
mod recent;
mod refusals;
mod report;
mod status;
mod tables;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

pub use self::{
    assertion_ids::AssertionIds,
    expiries::Expiries,
    history::History,
    problems::Problems,
    recent::Recent,
    refusals::Refusals,
    serve::Paths,
    server::Server,
    status::{Application, Credential, FetchedSource, Level, Registered, Status},
};
use crate::{
    clock::{Clock, Timestamp},
    expiry::Calendar,
    observe::{MemoryWatch, Reloads, metrics::Registry},
    site::SiteHandle,
};

/// The admin address if none is configured: `[listen] admin`.
pub const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9443);
/// The most open connections to the admin address; a further one closes the oldest that has not sent a request.
pub const CONNECTIONS: usize = 32;
/// The same for the address of health checks.
pub const HEALTH_CONNECTIONS: usize = 16;

/// What the admin address reports on.
#[derive(Debug)]
pub struct State {
    /// Set once the edge has started, and cleared when it drains.
    pub ready: AtomicBool,
    /// The metrics.
    pub metrics: Arc<Registry>,
    /// The active site.
    pub site: SiteHandle,
    /// The credentials of its applications by their ends.
    pub calendar: Arc<Calendar>,
    /// The clock for expiries and ages.
    pub clock: Clock,
    /// The name of this machine.
    pub host: String,
    /// When the edge started.
    pub started: Timestamp,
    /// The latest time that the clock has shown, in seconds since 1970. It may have been set back since.
    pub latest: AtomicI64,
    /// The outcomes of reloads.
    pub reloads: Arc<Reloads>,
    /// How the limit of open files is divided.
    pub capacity: Capacity,
    /// Traffic of the last minutes.
    pub history: History,
    /// Traffic of the last minute.
    pub recent: Recent,
    /// Requests that were refused for want of a valid token.
    pub refusals: Arc<Refusals>,
    /// Whether memory is short.
    pub memory: Arc<MemoryWatch>,
    /// When and why the last upgrade failed.
    pub upgrade_failure: Mutex<Option<(Timestamp, String)>>,
}

impl State {
    /// The latest time that the clock has shown until `now`.
    fn latest(&self, now: Timestamp) -> Timestamp {
        Timestamp::from_unix(self.latest.fetch_max(now.unix(), Ordering::Relaxed).max(now.unix()))
    }

    /// Records that a new process has not taken over. The next attempt replaces this, or the process.
    pub fn note_failed_upgrade(&self, why: String) {
        let failure = Some((self.clock.now(), why));
        *self.upgrade_failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }
}

/// How the limit of open files is divided.
#[derive(Debug)]
pub struct Capacity {
    /// The limit.
    pub descriptors: usize,
    /// Reserved for everything but connections.
    pub reserve: usize,
    /// The most open connections of applications.
    pub connections: usize,
    /// `[limits] connections`, which may be higher.
    pub connections_configured: usize,
    /// The most open connections to upstreams.
    pub upstream: usize,
    /// The warning that was logged if the limit is too low.
    pub shortage: Option<String>,
}
