//! Which origins of an upstream failed to connect. All workers share this for the lifetime of the upstream.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use tokio::time::{Duration, Instant};

/// How long a failed origin is avoided while others are available. After that, one request probes it.
const AVOID: Duration = Duration::from_secs(2);

/// The health of an upstream's origins, in their order. Ignored by comparisons of targets.
#[derive(Debug)]
pub(super) struct UpstreamHealth(pub(super) Vec<Arc<OriginHealth>>);

impl UpstreamHealth {
    /// No origin has failed.
    pub(super) fn new(origins: usize) -> Self {
        let started = Instant::now();
        Self((0..origins).map(|_| Arc::new(OriginHealth { started, probe_at: AtomicU64::new(0) })).collect())
    }
}

impl PartialEq for UpstreamHealth {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for UpstreamHealth {}

/// Whether an origin failed to connect, and when it is to be probed.
#[derive(Debug)]
pub(super) struct OriginHealth {
    started: Instant,
    /// Milliseconds after `started`; 0 if the origin has not failed.
    probe_at: AtomicU64,
}

impl OriginHealth {
    /// Milliseconds after `started`, never 0.
    fn millis(&self, time: Instant) -> u64 {
        let elapsed = time.saturating_duration_since(self.started).as_millis();
        u64::try_from(elapsed).unwrap_or(u64::MAX).max(1)
    }

    /// Records that the origin failed to connect.
    pub(super) fn mark_failed(&self) {
        self.probe_at.store(self.millis(Instant::now() + AVOID), Relaxed);
    }

    /// Records that the origin accepted a connection.
    pub(super) fn mark_connected(&self) {
        self.probe_at.store(0, Relaxed);
    }

    /// Whether the last attempt to connect failed.
    pub(super) fn is_failed(&self) -> bool {
        self.probe_at() != 0
    }

    /// When a failed origin is to be probed, in milliseconds after a time that is common to the upstream's origins; 0 if it has not failed.
    pub(super) fn probe_at(&self) -> u64 {
        self.probe_at.load(Relaxed)
    }

    /// Claims the probe of a failed origin; true if it is due and the caller is the first to claim it. No other request of any worker
    /// can claim the next one before this one's connect timeout has passed.
    pub(super) fn claim_probe(&self, now: Instant, connect_timeout: Duration) -> bool {
        let due = self.probe_at();
        let next = self.millis(now + connect_timeout + AVOID);
        due != 0
            && due <= self.millis(now)
            && self.probe_at.compare_exchange(due, next, Relaxed, Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONNECT: Duration = Duration::from_secs(5);

    #[test]
    fn one_request_probes_an_origin_that_failed() {
        let health = UpstreamHealth::new(1);
        let origin = &health.0[0];
        let later = |seconds| Instant::now() + Duration::from_secs(seconds);
        assert!(!origin.is_failed() && !origin.claim_probe(later(0), CONNECT));
        origin.mark_failed();
        assert!(origin.is_failed() && !origin.claim_probe(later(0), CONNECT));
        assert!(origin.claim_probe(later(3), CONNECT));
        // No other request claims it before that probe has timed out and the origin was avoided again.
        assert!(!origin.claim_probe(later(3), CONNECT));
        assert!(!origin.claim_probe(later(8), CONNECT));
        assert!(origin.claim_probe(later(11), CONNECT));
        origin.mark_connected();
        assert!(!origin.is_failed() && !origin.claim_probe(later(60), CONNECT));
    }
}
