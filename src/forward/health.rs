//! The state of an upstream's origins: which requests each carries, and whether requests avoid it. All workers share this for the lifetime
//! of the upstream.
//!
//! An origin is avoided for a time that doubles with each failure in succession. Then one request probes it, and its outcome decides. While a
//! health check fails, no request probes: the check does.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use tokio::time::{Duration, Instant};

use super::{Address, UpstreamLimits, resolved::Resolved};
use crate::text;

/// How long an origin is avoided the first time.
const SHORTEST: Duration = Duration::from_secs(2);
/// How long an origin is avoided at most before a request probes it.
const LONGEST: Duration = Duration::from_secs(60);
/// How many health checks in succession must fail before the origin is avoided.
const FAILED_CHECKS: u32 = 2;

/// Why requests avoid an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Avoided {
    /// The last attempt to connect failed.
    Unreachable,
    /// Too many responses in succession failed.
    Ejected,
    /// The same, and the upstream has no other origin: requests still go to it.
    Failing,
    /// Its health check fails.
    CheckFailing,
}

impl Avoided {
    /// A word for metrics and `/status`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Ejected => "ejected",
            Self::Failing => "failing",
            Self::CheckFailing => "check_failing",
        }
    }
}

/// The origins of an upstream, in their order. Ignored by comparisons of targets.
#[derive(Debug)]
pub(super) struct UpstreamHealth(pub(super) Vec<Arc<OriginHealth>>);

impl UpstreamHealth {
    /// No origin has failed.
    pub(super) fn new(upstream: &str, origins: &[Address]) -> Self {
        let started = Instant::now();
        Self(
            origins
                .iter()
                .map(|origin| Arc::new(OriginHealth::new(upstream, origin, origins.len() < 2, started)))
                .collect(),
        )
    }

    /// Records that a request was sent to an origin, and that it gave no usable response. After `eject_after` in succession requests avoid it, unless
    /// half of the origins are avoided already: the others might not carry the load. A lone origin is only reported.
    pub(super) fn record_failure(&self, origin: &OriginHealth, eject_after: u32, why: &str) {
        let failures = origin.failures.fetch_add(1, Relaxed).saturating_add(1);
        let is_probe = origin.avoided_until.load(Relaxed) != 0;
        if eject_after == 0 || (failures < eject_after && !is_probe) {
            return;
        }
        let avoided = self.0.iter().filter(|other| other.is_avoided()).count();
        if origin.is_alone || is_probe || (avoided + 1) * 2 <= self.0.len() {
            let reason = if origin.is_alone { Avoided::Failing } else { Avoided::Ejected };
            origin.avoid(reason, why, Instant::now());
        }
    }
}

impl PartialEq for UpstreamHealth {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for UpstreamHealth {}

/// The state of one origin.
#[derive(Debug)]
pub(super) struct OriginHealth {
    /// The names for the log.
    upstream: Box<str>,
    pub(super) url: Box<str>,
    started: Instant,
    /// Those of its host name.
    pub(super) addresses: Resolved,
    /// Requests in flight; only counted if the upstream has several origins.
    pub(super) in_flight: AtomicUsize,
    /// Whether it has ever accepted a connection or passed a health check.
    has_worked: AtomicBool,
    /// Failed responses in succession.
    failures: AtomicU32,
    /// Milliseconds after `started` at which a request may probe it; 0 if it is not avoided because of requests.
    avoided_until: AtomicU64,
    is_check_failing: AtomicBool,
    /// Whether the upstream has no other.
    is_alone: bool,
    /// How often requests began to avoid it.
    ejections: AtomicU64,
    episode: Mutex<Episode>,
}

/// How an origin came to be avoided.
#[derive(Debug)]
struct Episode {
    reason: Avoided,
    /// How often in succession.
    level: u32,
    /// When it may be probed. Other requests that fail before do not lengthen it.
    until: Instant,
    failed_checks: u32,
}

impl OriginHealth {
    fn new(upstream: &str, origin: &Address, is_alone: bool, started: Instant) -> Self {
        Self {
            upstream: upstream.into(),
            url: origin.url().into(),
            started,
            addresses: Resolved::default(),
            in_flight: AtomicUsize::new(0),
            has_worked: AtomicBool::new(false),
            failures: AtomicU32::new(0),
            avoided_until: AtomicU64::new(0),
            is_check_failing: AtomicBool::new(false),
            is_alone,
            ejections: AtomicU64::new(0),
            episode: Mutex::new(Episode {
                reason: Avoided::Unreachable,
                level: 0,
                until: started,
                failed_checks: 0,
            }),
        }
    }

    /// Milliseconds after `started`, never 0.
    fn millis(&self, time: Instant) -> u64 {
        let elapsed = time.saturating_duration_since(self.started).as_millis();
        u64::try_from(elapsed).unwrap_or(u64::MAX).max(1)
    }

    fn episode(&self) -> std::sync::MutexGuard<'_, Episode> {
        self.episode.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether requests go to other origins if there are any.
    pub(super) fn is_avoided(&self) -> bool {
        self.avoided_until.load(Relaxed) != 0 || self.is_check_failing.load(Relaxed)
    }

    /// Why requests avoid it.
    pub(super) fn avoided(&self) -> Option<Avoided> {
        if self.is_check_failing.load(Relaxed) {
            return Some(Avoided::CheckFailing);
        }
        (self.avoided_until.load(Relaxed) != 0).then(|| self.episode().reason)
    }

    /// Whether it has ever accepted a connection or passed a health check.
    pub(super) fn has_worked(&self) -> bool {
        self.has_worked.load(Relaxed)
    }

    /// How often requests began to avoid it.
    pub(super) fn ejections(&self) -> u64 {
        self.ejections.load(Relaxed)
    }

    /// Records that it did not accept a connection.
    pub(super) fn record_unreachable(&self, why: &str) {
        self.avoid(Avoided::Unreachable, why, Instant::now());
    }

    /// Records that it accepted a connection.
    pub(super) fn record_connected(&self) {
        self.has_worked.store(true, Relaxed);
        if self.avoided_until.load(Relaxed) != 0 && self.episode().reason == Avoided::Unreachable {
            self.readmit(false);
        }
    }

    /// Records a response that an authorization server has made.
    pub(super) fn record_response(&self) {
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
        if self.avoided_until.load(Relaxed) != 0 {
            self.readmit(false);
        }
    }

    /// Claims the probe of an avoided origin; true if it is due and the caller is the first to claim it. No other request of any worker can claim
    /// the next one before this one has run out of time.
    pub(super) fn claim_probe(&self, now: Instant, limits: &UpstreamLimits) -> bool {
        let due = self.avoided_until.load(Relaxed);
        if due == 0 || self.is_check_failing.load(Relaxed) || due > self.millis(now) {
            return false;
        }
        let patience = match self.episode().reason {
            Avoided::Unreachable => limits.connect_timeout,
            _ => limits.connect_timeout + limits.response_timeout,
        };
        let next = self.millis(now + patience + SHORTEST);
        self.avoided_until.compare_exchange(due, next, Relaxed, Relaxed).is_ok()
    }

    /// Records the outcome of a health check; an error is a sentence for the log.
    pub(super) fn record_check(&self, outcome: Result<(), String>) {
        let mut episode = self.episode();
        let Err(error) = outcome else {
            episode.failed_checks = 0;
            self.has_worked.store(true, Relaxed);
            let was_failing = self.is_check_failing.swap(false, Relaxed);
            let is_reachable = episode.reason == Avoided::Unreachable;
            drop(episode);
            if was_failing || is_reachable {
                self.readmit(was_failing);
            }
            return;
        };
        episode.failed_checks = episode.failed_checks.saturating_add(1);
        if episode.failed_checks >= FAILED_CHECKS && !self.is_check_failing.swap(true, Relaxed) {
            self.begin(Avoided::CheckFailing, &error);
        }
    }

    fn avoid(&self, reason: Avoided, why: &str, now: Instant) {
        let mut episode = self.episode();
        if self.avoided_until.load(Relaxed) != 0 && now < episode.until {
            return;
        }
        // An origin that has worked for long starts from the shortest time again.
        let is_again = episode.level > 0 && now.saturating_duration_since(episode.until) < LONGEST;
        episode.level = if is_again { episode.level.saturating_add(1) } else { 1 };
        let time = SHORTEST.saturating_mul(1 << episode.level.saturating_sub(1).min(16)).min(LONGEST);
        episode.reason = reason;
        episode.until = now + time;
        let was_avoided = self.avoided_until.swap(self.millis(episode.until), Relaxed) != 0;
        if !was_avoided {
            self.begin(reason, why);
        }
    }

    /// Counts and logs that requests begin to avoid it.
    fn begin(&self, reason: Avoided, error: &str) {
        let message = match reason {
            Avoided::Unreachable => "origin unreachable",
            Avoided::Ejected => "origin ejected",
            Avoided::Failing => "origin failing",
            Avoided::CheckFailing => "origin failed its health checks",
        };
        // Requests to the only origin have nowhere else to go.
        if !self.is_alone {
            self.ejections.fetch_add(1, Relaxed);
        }
        tracing::warn!(
            upstream = &*self.upstream,
            origin = &*self.url,
            error = text::shown(&error),
            "{message}"
        );
    }

    /// Ends the avoidance, and logs it if there was one.
    fn readmit(&self, was_check_failing: bool) {
        let was_avoided = self.avoided_until.swap(0, Relaxed) != 0;
        if was_avoided || was_check_failing {
            self.failures.store(0, Relaxed);
            tracing::info!(upstream = &*self.upstream, origin = &*self.url, "origin recovered");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(count: usize) -> UpstreamHealth {
        let origin = Address::Unix("/run/auth/server.sock".into());
        UpstreamHealth::new("as", &vec![origin; count])
    }

    fn limits() -> UpstreamLimits {
        UpstreamLimits::default()
    }

    fn later(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    #[test]
    fn one_request_probes_an_origin_that_failed() {
        let health = origins(2);
        let origin = &health.0[0];
        assert!(!origin.is_avoided() && !origin.claim_probe(later(0), &limits()));
        origin.record_unreachable("refused");
        assert!(origin.is_avoided() && !origin.claim_probe(later(0), &limits()));
        assert!(origin.claim_probe(later(3), &limits()));
        // No other request claims it before that probe has timed out and the origin was avoided again.
        assert!(!origin.claim_probe(later(3), &limits()));
        assert!(!origin.claim_probe(later(8), &limits()));
        assert!(origin.claim_probe(later(11), &limits()));
        origin.record_connected();
        assert!(!origin.is_avoided() && !origin.claim_probe(later(60), &limits()));
        assert_eq!(origin.ejections(), 1);
    }

    #[test]
    fn failures_in_succession_eject_up_to_half_of_the_origins() {
        let health = origins(3);
        let fail = |index: usize| health.record_failure(&health.0[index], 3, "502");
        for _ in 0..2 {
            fail(0);
        }
        health.0[0].record_response();
        for _ in 0..2 {
            fail(0);
        }
        assert!(!health.0[0].is_avoided(), "a response in between");
        fail(0);
        assert_eq!(health.0[0].avoided(), Some(Avoided::Ejected));
        // A connection is not yet a response.
        health.0[0].record_connected();
        assert!(health.0[0].is_avoided());
        for _ in 0..10 {
            fail(1);
        }
        assert!(!health.0[1].is_avoided(), "two of three would be more than half");
        health.0[0].record_response();
        assert!(!health.0[0].is_avoided());
        fail(1);
        assert!(health.0[1].is_avoided());
        for _ in 0..10 {
            health.record_failure(&health.0[2], 0, "502");
        }
        assert!(!health.0[2].is_avoided(), "0 switches ejection off");
    }

    #[test]
    fn each_failed_probe_doubles_the_time() {
        let health = origins(2);
        let origin = &health.0[0];
        let (mut now, mut times) = (Instant::now(), Vec::new());
        let mut fail = |now| {
            // Only the first of these counts.
            for _ in 0..10 {
                origin.avoid(Avoided::Unreachable, "refused", now);
            }
            let time = origin.episode().until - now;
            times.push(time.as_secs());
            now + time
        };
        for _ in 0..7 {
            now = fail(now);
        }
        origin.record_connected();
        // After a minute that worked.
        fail(now + LONGEST);
        assert_eq!(times, [2, 4, 8, 16, 32, 60, 60, 2]);
    }

    #[test]
    fn a_health_check_decides_while_it_fails() {
        let health = origins(2);
        let origin = &health.0[0];
        let fail = || origin.record_check(Err("500".to_owned()));
        fail();
        origin.record_check(Ok(()));
        fail();
        assert!(!origin.is_avoided(), "one failed check");
        fail();
        assert_eq!(origin.avoided(), Some(Avoided::CheckFailing));
        assert!(!origin.claim_probe(later(600), &limits()));
        origin.record_response();
        assert!(origin.is_avoided());
        origin.record_check(Ok(()));
        assert!(!origin.is_avoided());
        // It also ends what a failed connection began, and not what failed responses began.
        origin.record_unreachable("refused");
        origin.record_check(Ok(()));
        assert!(!origin.is_avoided());
        health.record_failure(origin, 1, "502");
        origin.record_check(Ok(()));
        assert!(origin.is_avoided());
    }
}
