//! Counts, logs and slows what is refused for want of a token or a certificate.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::sleep;

use super::access::Refused;
use crate::observe::{
    log::LineLimit,
    metrics::{ADMIN_REFUSALS, Collector, Families},
};

/// How long a response to an invalid token is held back. It does not slow a client that closes its connection before: what protects a token
/// is its length.
const DELAY: Duration = Duration::from_millis(500);

/// The refused requests.
#[derive(Debug)]
pub struct Refusals {
    missing: AtomicU64,
    invalid: AtomicU64,
    handshakes: AtomicU64,
    lines: LineLimit,
}

impl Default for Refusals {
    fn default() -> Self {
        let (missing, invalid, handshakes) = Default::default();
        Self { missing, invalid, handshakes, lines: LineLimit::per_second() }
    }
}

impl Refusals {
    /// Counts a refused request. An invalid token is logged, at most once per second, and slowed. A missing one is how each browser begins.
    pub(super) async fn refuse(&self, why: Refused, peer: SocketAddr, path: &str) {
        match why {
            Refused::Missing => {
                self.missing.fetch_add(1, Ordering::Relaxed);
            }
            Refused::Invalid => {
                self.invalid.fetch_add(1, Ordering::Relaxed);
                if let Some(others) = self.lines.others() {
                    let path: String = path.chars().take(64).collect();
                    tracing::warn!(client_ip = %peer.ip(), path, others, "admin request refused: the token is not valid");
                }
                sleep(DELAY).await;
            }
        }
    }

    /// Counts and logs a TLS handshake that failed, as without a certificate of an operator.
    pub(super) fn note_handshake(&self, peer: SocketAddr, why: &str) {
        self.handshakes.fetch_add(1, Ordering::Relaxed);
        if let Some(others) = self.lines.others() {
            tracing::warn!(client_ip = %peer.ip(), reason = why, others, "admin handshake failed");
        }
    }
}

impl Collector for std::sync::Arc<Refusals> {
    fn collect(&self, families: &mut Families) {
        for (reason, count) in [
            ("token_missing", &self.missing),
            ("token_invalid", &self.invalid),
            ("handshake", &self.handshakes),
        ] {
            families.set(&ADMIN_REFUSALS, [reason], count.load(Ordering::Relaxed));
        }
    }
}
