//! How the descriptors of the process are shared out, so that none of those who take them leaves nothing for the others.
//!
//! A reload opens files and the admin address accepts connections, whatever strangers hold: else a removed credential would
//! work for as long as an attack lasts.

use crate::{
    admin,
    config::{Problem, settings::Settings},
    net::descriptors,
};

/// Standard streams, runtimes of the main and the admin thread, the watch of files and its pipes, the admin's listener: 19 at
/// rest. The others are for what a reload reads, one file after the other, and for the thread that fetches CRLs.
const FIXED: usize = 40;
/// A worker's runtime, and connections that wait for a place or are closed for another worker.
const WORKER: usize = 8;
/// Connections that a worker has closed and that have their descriptors still. An eighth of it where there are few.
const CLOSING: usize = 16;
/// Names of upstreams that a worker resolves at once; each takes a descriptor meanwhile. Half of it where there are few.
const RESOLVING: usize = 8;
/// Fewer than these are few.
const FEW: usize = 1024;
/// The fewest that are worth a start: connections and upstream connections together.
const FEWEST: usize = 24;

/// Who may take how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// The limit that is shared out.
    pub descriptors: usize,
    /// For all but connections of applications and to upstreams.
    pub reserve: usize,
    /// Connections of applications that are open at once: `[limits] connections`, or fewer.
    pub connections: usize,
    /// Connections to upstreams.
    pub upstream: usize,
    /// Connections that each worker has closed at once to make room; they have their descriptors until their tasks are dropped.
    pub closing: usize,
    /// Names that each worker resolves at once.
    pub resolving: usize,
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

impl Shares {
    /// Shares out this many descriptors. Where they are too few for all that is configured, upstreams get a third at most.
    pub(super) fn of(settings: &Settings, workers: usize, descriptors: usize) -> Result<Self, TooFew> {
        let are_few = descriptors < FEW;
        let (closing, resolving) = if are_few { (CLOSING / 8, RESOLVING / 2) } else { (CLOSING, RESOLVING) };
        let worker = WORKER + resolving + (2 + closing) * settings.listen.https.len();
        let reserve = FIXED + admin::CONNECTIONS + workers * worker;
        let left = descriptors.saturating_sub(reserve);
        if left < FEWEST {
            return Err(TooFew { descriptors, needed: reserve + FEWEST });
        }
        let upstream = wanted(settings).min(left - settings.limits.connections.min(left - left / 3));
        let connections = settings.limits.connections.min(left - upstream);
        Ok(Self { descriptors, reserve, connections, upstream: left - connections, closing, resolving })
    }

    /// How many can be open at once: upstreams are not called on more connections than they are configured to take.
    pub(super) fn most(&self, settings: &Settings) -> usize {
        self.reserve + self.connections + self.upstream.min(wanted(settings))
    }

    /// What `[limits] connections` and the upstreams lack.
    pub(super) fn shortage(&self, settings: &Settings) -> Option<Problem> {
        let wanted = wanted(settings);
        if self.connections == settings.limits.connections && self.upstream >= wanted {
            return None;
        }
        let place = settings.spans.get("limits.connections").unwrap_or(&settings.listen.admin.span);
        let what = format!(
            "{} connections and {wanted} to upstreams need {} open files, and the limit (RLIMIT_NOFILE, hard) is {}: at most {} connections are served at once, and {} opened to upstreams",
            settings.limits.connections,
            settings.limits.connections.saturating_add(wanted).saturating_add(self.reserve),
            self.descriptors,
            self.connections,
            self.upstream.min(wanted),
        );
        let help = "raise the limit (LimitNOFILE= in a systemd unit, --ulimit nofile= for a container, ulimit -n in a shell), or write smaller numbers";
        Some(Problem::warning(place, "limits.connections", what).help(help))
    }
}

/// Connections to upstreams that are configured.
fn wanted(settings: &Settings) -> usize {
    settings.upstreams.iter().map(|upstream| upstream.limits.connections).sum()
}

/// What the limit of open files means for these settings, as a problem: a warning if fewer connections are served than are
/// configured, an error if none can be.
#[must_use]
pub fn shortage(settings: &Settings) -> Option<Problem> {
    let workers = super::server::workers(settings);
    match Shares::of(settings, workers, descriptors::limit()) {
        Ok(shares) => shares.shortage(settings),
        Err(error) => {
            let place = settings.spans.get("limits.connections").unwrap_or(&settings.listen.admin.span);
            Some(Problem::error(place, "limits.connections", error.to_string()))
        }
    }
}
