//! The state of an upstream's origins: which requests each carries, and whether requests avoid it. All workers share this for the lifetime
//! of the upstream.
//!
//! An origin is avoided for a time that doubles with each failure in succession. Then one request probes it, and its outcome decides. While a
//! health check fails, no request probes: the check does. What the edge itself finds out, by a health check or a connection, ends what a failed
//! connection began at once, and what failed responses began only if the last of these is long past.
//!
//! A response fails by its head, or later by its body. After one that broke off, only a whole response is a success.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use tokio::{
    sync::Notify,
    time::{Duration, Instant},
};

use super::{
    Address, UpstreamLimits,
    failure::{Failure, FailureKind},
    resolved::Resolved,
};
use crate::clock::Timestamp;

/// How long an origin is avoided the first time.
const SHORTEST: Duration = Duration::from_secs(2);
/// How long an origin is avoided at most before a request probes it.
const LONGEST: Duration = Duration::from_secs(60);
/// How many health checks in succession must fail before the origin is avoided.
const FAILED_CHECKS: u32 = 2;
/// How long no response may have failed before a connection or a health check ends what failed responses began.
const QUIET: Duration = Duration::from_secs(300);

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

    /// Records that a request was sent to an origin, and that it gave no usable response. After `eject_after` in succession requests avoid it. If
    /// more than half of the origins would be avoided then, the others might not carry the load: it is only reported, as a lone origin is.
    pub(super) fn record_failure(&self, origin: &OriginHealth, eject_after: u32, why: &str) {
        origin.note_response(why);
        let failures = origin.failures.fetch_add(1, Relaxed).saturating_add(1);
        let was_failing = origin.avoided_until.load(Relaxed) != 0;
        if eject_after == 0 || (failures < eject_after && !was_failing) {
            return;
        }
        let is_probe = was_failing && !origin.is_in_use.load(Relaxed);
        let avoided = self.0.iter().filter(|other| other.is_avoided()).count();
        let is_spared = origin.is_alone || !(is_probe || (avoided + 1) * 2 <= self.0.len());
        let reason = if is_spared { FailureKind::Failing } else { FailureKind::Ejected };
        origin.mark_failing(reason, why, Instant::now());
    }

    /// Records that an origin broke off a response whose head was a success.
    pub(super) fn record_broken_off(&self, origin: &OriginHealth, eject_after: u32, why: &str) {
        // First: a whole response that ends meanwhile resets both.
        origin.episode().has_broken_off = true;
        self.record_failure(origin, eject_after, why);
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
    /// Milliseconds after `started` at which a request may probe it; 0 if requests did not fail.
    avoided_until: AtomicU64,
    /// Whether requests go to it all the same: it is [`FailureKind::Failing`]. Only valid while `avoided_until` is not 0.
    is_in_use: AtomicBool,
    is_check_failing: AtomicBool,
    /// Whether the upstream has no other.
    is_alone: bool,
    /// How often requests began to avoid it.
    ejections: AtomicU64,
    episode: Mutex<Episode>,
    /// Notified when it begins to fail.
    failing_begins: Notify,
}

/// How an origin came to fail.
#[derive(Debug)]
struct Episode {
    reason: FailureKind,
    /// How often in succession.
    level: u32,
    /// When it may be probed. Other requests that fail before do not lengthen it.
    until: Instant,
    failed_checks: u32,
    /// When it began to fail; none while it does not.
    since: Option<Timestamp>,
    /// The last failure of any kind.
    last: Option<Failure>,
    /// When a response failed last.
    last_response: Option<Instant>,
    /// Whether it accepts connections, and has not responded to a request since responses failed. While this is set, `failures` is not 0.
    is_unproven: bool,
    /// Whether a response broke off, and no whole one has followed. While this is set, `failures` is not 0.
    has_broken_off: bool,
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
            is_in_use: AtomicBool::new(false),
            is_check_failing: AtomicBool::new(false),
            is_alone,
            ejections: AtomicU64::new(0),
            episode: Mutex::new(Episode {
                reason: FailureKind::Unreachable,
                level: 0,
                until: started,
                failed_checks: 0,
                since: None,
                last: None,
                last_response: None,
                is_unproven: false,
                has_broken_off: false,
            }),
            failing_begins: Notify::new(),
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
        (self.avoided_until.load(Relaxed) != 0 && !self.is_in_use.load(Relaxed))
            || self.is_check_failing.load(Relaxed)
    }

    /// Whether requests avoid it, or would if others could carry the load.
    pub(super) fn is_failing(&self) -> bool {
        self.avoided_until.load(Relaxed) != 0 || self.is_check_failing.load(Relaxed)
    }

    /// Why it is failing.
    pub(super) fn failing(&self) -> Option<FailureKind> {
        if self.is_check_failing.load(Relaxed) {
            return Some(FailureKind::CheckFailing);
        }
        (self.avoided_until.load(Relaxed) != 0).then(|| self.episode().reason)
    }

    /// Since when it is failing, and its last failure, which it may have recovered from.
    pub(super) fn failures(&self) -> (Option<Timestamp>, Option<Failure>) {
        let episode = self.episode();
        (episode.since, episode.last.clone())
    }

    /// Whether its responses failed, and only a connection has ended that: it may fail the next request.
    pub(super) fn is_unproven(&self) -> bool {
        self.episode().is_unproven
    }

    /// Waits until it begins to fail. It may work again by then.
    pub(super) async fn begins_to_fail(&self) {
        self.failing_begins.notified().await;
    }

    /// Whether it has ever accepted a connection or passed a health check.
    pub(super) fn has_worked(&self) -> bool {
        self.has_worked.load(Relaxed)
    }

    /// How often requests began to avoid it.
    pub(super) fn ejections(&self) -> u64 {
        self.ejections.load(Relaxed)
    }

    fn note_response(&self, why: &str) {
        let mut episode = self.episode();
        episode.last = Some(Failure::now(why));
        episode.last_response = Some(Instant::now());
    }

    /// Records that it did not accept a connection, or that its name has no known address.
    pub(super) fn record_unreachable(&self, why: &str) {
        self.episode().last = Some(Failure::now(why));
        self.mark_failing(FailureKind::Unreachable, why, Instant::now());
    }

    /// Records that it accepted a connection.
    pub(super) fn record_connected(&self) {
        self.has_worked.store(true, Relaxed);
        if self.avoided_until.load(Relaxed) != 0 && self.episode().reason == FailureKind::Unreachable {
            self.readmit(false);
        }
    }

    /// Records that the edge itself has opened a connection to it. That proves nothing about responses: if these failed, it is unproven from
    /// then on.
    pub(super) fn record_accepts(&self, now: Instant) {
        if self.record_works(now) {
            // A request that succeeds meanwhile resets the failures first.
            let mut episode = self.episode();
            episode.is_unproven = self.failures.load(Relaxed) != 0;
        }
    }

    /// Records that the edge itself has opened a connection to it, or found it healthy. That proves little about the responses to requests:
    /// if these failed, it ends that state only if none has failed for long, and one more failure begins it again. Returns whether it ended
    /// such a state.
    fn record_works(&self, now: Instant) -> bool {
        self.record_connected();
        let is_quiet = |at| now.saturating_duration_since(at) >= QUIET;
        self.avoided_until.load(Relaxed) != 0
            && self.episode().last_response.is_none_or(is_quiet)
            && self.end_failing(false)
    }

    /// Records the head of a response that an authorization server has made. Returns whether the response is a success only once it is complete.
    pub(super) fn record_head(&self) -> bool {
        if self.failures.load(Relaxed) == 0 && self.avoided_until.load(Relaxed) == 0 {
            return false;
        }
        let may_break_off = self.episode().has_broken_off;
        if !may_break_off {
            self.record_response();
        }
        may_break_off
    }

    /// Records a response that an authorization server has made, and that does not break off.
    pub(super) fn record_response(&self) {
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
            let mut episode = self.episode();
            (episode.is_unproven, episode.has_broken_off) = (false, false);
        }
        if self.avoided_until.load(Relaxed) != 0 {
            self.readmit(false);
        }
    }

    /// Claims the probe of an avoided origin; true if it is due and the caller is the first to claim it. No other request of any worker can claim
    /// the next one before this one has run out of time.
    pub(super) fn claim_probe(&self, now: Instant, limits: &UpstreamLimits) -> bool {
        let due = self.avoided_until.load(Relaxed);
        let is_probed = due != 0 && !self.is_in_use.load(Relaxed) && !self.is_check_failing.load(Relaxed);
        if !is_probed || due > self.millis(now) {
            return false;
        }
        let patience = match self.episode().reason {
            FailureKind::Unreachable => limits.connect_timeout,
            FailureKind::Ejected | FailureKind::Failing | FailureKind::CheckFailing => {
                limits.connect_timeout + limits.response_timeout
            }
        };
        let next = self.millis(now + patience + SHORTEST);
        self.avoided_until.compare_exchange(due, next, Relaxed, Relaxed).is_ok()
    }

    /// Records the outcome of a health check; an error is a sentence for the log.
    pub(super) fn record_check(&self, outcome: Result<(), String>) {
        let mut episode = self.episode();
        let Err(error) = outcome else {
            episode.failed_checks = 0;
            episode.is_unproven = false;
            drop(episode);
            if self.is_check_failing.swap(false, Relaxed) {
                self.readmit(true);
            }
            self.record_works(Instant::now());
            return;
        };
        episode.last = Some(Failure::now(&format!("health check: {error}")));
        episode.failed_checks = episode.failed_checks.saturating_add(1);
        if episode.failed_checks >= FAILED_CHECKS && !self.is_check_failing.swap(true, Relaxed) {
            self.begin(&mut episode, FailureKind::CheckFailing, &error);
        }
    }

    fn mark_failing(&self, reason: FailureKind, why: &str, now: Instant) {
        let mut episode = self.episode();
        let was_failing = self.avoided_until.load(Relaxed) != 0;
        // One that requests went to all the same is avoided as soon as others work again, or it accepts no connection.
        let is_turned = was_failing
            && !self.is_alone
            && episode.reason == FailureKind::Failing
            && reason != FailureKind::Failing;
        if was_failing && !is_turned && now < episode.until {
            return;
        }
        // An origin that has worked for long starts from the shortest time again.
        let is_again = episode.level > 0 && now.saturating_duration_since(episode.until) < LONGEST;
        episode.level = if is_again { episode.level.saturating_add(1) } else { 1 };
        let time = SHORTEST.saturating_mul(1 << episode.level.saturating_sub(1).min(16)).min(LONGEST);
        episode.reason = reason;
        episode.until = now + time;
        self.is_in_use.store(reason == FailureKind::Failing, Relaxed);
        self.avoided_until.store(self.millis(episode.until), Relaxed);
        if !was_failing || is_turned {
            self.begin(&mut episode, reason, why);
        }
    }

    /// Counts and logs that it begins to fail.
    fn begin(&self, episode: &mut Episode, reason: FailureKind, error: &str) {
        let Failure { at, why } = Failure::now(error);
        episode.since.get_or_insert(at);
        self.failing_begins.notify_one();
        let message = match reason {
            FailureKind::Unreachable => "origin unreachable",
            FailureKind::Ejected => "origin ejected",
            FailureKind::Failing => "origin failing",
            FailureKind::CheckFailing => "origin failed its health checks",
        };
        // Requests to the only origin have nowhere else to go.
        if !self.is_alone && reason != FailureKind::Failing {
            self.ejections.fetch_add(1, Relaxed);
        }
        tracing::warn!(upstream = &*self.upstream, origin = &*self.url, error = why, "{message}");
    }

    /// Ends the failing state, and forgets the failed responses that led to it. Those of an unproven origin stay until it responds.
    fn readmit(&self, was_check_failing: bool) {
        if self.end_failing(was_check_failing) {
            let mut episode = self.episode();
            if !episode.is_unproven {
                self.failures.store(0, Relaxed);
                episode.has_broken_off = false;
            }
        }
    }

    /// Ends the failing state, and logs it if there was one. Returns whether there was.
    fn end_failing(&self, was_check_failing: bool) -> bool {
        let mut episode = self.episode();
        let was_avoided = self.avoided_until.swap(0, Relaxed) != 0;
        if !self.is_check_failing.load(Relaxed) {
            episode.since = None;
        }
        drop(episode);
        if was_avoided || was_check_failing {
            tracing::info!(upstream = &*self.upstream, origin = &*self.url, "origin recovered");
        }
        was_avoided || was_check_failing
    }
}

#[cfg(test)]
mod tests;
