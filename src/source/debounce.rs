//! Waiting for something to be quiet, within bounds.

use std::time::{Duration, Instant};

/// Over once nothing has happened for `quiet`, and in any case after `longest`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Debounce {
    began: Instant,
    last: Instant,
    quiet: Duration,
    longest: Duration,
}

impl Debounce {
    /// Something happened for the first time.
    pub(super) const fn new(quiet: Duration, longest: Duration, now: Instant) -> Self {
        Self { began: now, last: now, quiet, longest }
    }

    /// It happened again.
    pub(super) const fn restart(&mut self, now: Instant) {
        self.last = now;
    }

    /// How long it has to stay quiet; nothing if it is over.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        self.wait_at_least(Duration::ZERO, self.longest, now)
    }

    /// As [`Self::wait`], but at least `least` from now on, and at most `longest` in all.
    pub(super) fn wait_at_least(&self, least: Duration, longest: Duration, now: Instant) -> Option<Duration> {
        let left = |since: Instant, most: Duration| most.saturating_sub(now.saturating_duration_since(since));
        let wait = if least.is_zero() {
            left(self.last, self.quiet).min(left(self.began, self.longest))
        } else {
            least.min(left(self.began, longest))
        };
        (!wait.is_zero()).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn it_is_over_when_quiet_or_after_the_longest_time() {
        let start = Instant::now();
        let mut debounce = Debounce::new(30 * MS, 300 * MS, start);
        assert_eq!(debounce.wait(start), Some(30 * MS));
        assert_eq!(debounce.wait(start + 30 * MS), None);
        let mut now = start;
        while let Some(wait) = debounce.wait(now) {
            now += wait.min(20 * MS);
            debounce.restart(now);
        }
        assert_eq!(now, start + 300 * MS);
    }

    #[test]
    fn a_longer_need_extends_the_wait_to_its_own_limit() {
        let start = Instant::now();
        let debounce = Debounce::new(30 * MS, 300 * MS, start);
        assert_eq!(debounce.wait_at_least(500 * MS, 600 * MS, start), Some(500 * MS));
        assert_eq!(debounce.wait_at_least(500 * MS, 600 * MS, start + 400 * MS), Some(200 * MS));
        assert_eq!(debounce.wait_at_least(500 * MS, 600 * MS, start + 600 * MS), None);
    }
}
