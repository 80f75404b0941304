//! Which origins of an upstream failed to connect: known to all workers, and kept for as long as the upstream is.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use tokio::time::{Duration, Instant};

/// How long an origin that failed to connect is passed over while others are there. After that, one request probes it.
const AVOID: Duration = Duration::from_secs(2);

/// The marks of an upstream's origins, in their order. Ignored where targets are compared.
#[derive(Debug)]
pub(super) struct Marks(pub(super) Vec<Arc<Mark>>);

impl Marks {
    /// None is marked.
    pub(super) fn new(origins: usize) -> Self {
        let started = Instant::now();
        Self((0..origins).map(|_| Arc::new(Mark { started, until: AtomicU64::new(0) })).collect())
    }
}

impl PartialEq for Marks {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Marks {}

/// Whether one origin failed to connect, and when it is to be probed.
#[derive(Debug)]
pub(super) struct Mark {
    started: Instant,
    /// In milliseconds from `started`; 0 while the origin is not marked.
    until: AtomicU64,
}

impl Mark {
    fn at(&self, time: Instant) -> u64 {
        let elapsed = time.saturating_duration_since(self.started).as_millis();
        u64::try_from(elapsed).unwrap_or(u64::MAX).max(1)
    }

    /// It failed to connect.
    pub(super) fn set(&self) {
        self.until.store(self.at(Instant::now() + AVOID), Relaxed);
    }

    /// It connected.
    pub(super) fn clear(&self) {
        self.until.store(0, Relaxed);
    }

    pub(super) fn is_set(&self) -> bool {
        self.until() != 0
    }

    /// When it is to be probed; 0 while it is not marked. Marks of one upstream can be compared.
    pub(super) fn until(&self) -> u64 {
        self.until.load(Relaxed)
    }

    /// Whether the caller is to probe it now. No other request of any worker does so before this one's time to connect has passed.
    pub(super) fn is_mine_to_probe(&self, now: Instant, connect_timeout: Duration) -> bool {
        let until = self.until();
        let next = self.at(now + connect_timeout + AVOID);
        until != 0
            && until <= self.at(now)
            && self.until.compare_exchange(until, next, Relaxed, Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONNECT: Duration = Duration::from_secs(5);

    #[test]
    fn one_request_probes_an_origin_that_failed() {
        let marks = Marks::new(1);
        let mark = &marks.0[0];
        let later = |seconds| Instant::now() + Duration::from_secs(seconds);
        assert!(!mark.is_set() && !mark.is_mine_to_probe(later(0), CONNECT));
        mark.set();
        assert!(mark.is_set() && !mark.is_mine_to_probe(later(0), CONNECT));
        assert!(mark.is_mine_to_probe(later(3), CONNECT));
        // Nobody else does, until that probe has had its time and been forgotten.
        assert!(!mark.is_mine_to_probe(later(3), CONNECT));
        assert!(!mark.is_mine_to_probe(later(8), CONNECT));
        assert!(mark.is_mine_to_probe(later(11), CONNECT));
        mark.clear();
        assert!(!mark.is_set() && !mark.is_mine_to_probe(later(60), CONNECT));
    }
}
