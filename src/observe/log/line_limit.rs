//! Log lines that a stranger can cause: so many per second, and a count of the others.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hash},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Limits the lines of one kind: the generic cell rate algorithm (ITU-T I.371) with one bucket.
#[derive(Debug)]
pub struct LineLimit {
    interval: Duration,
    burst: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When the bucket will be empty; absent before the first line.
    empty_at: Option<Instant>,
    /// What was not logged since the last line.
    others: u64,
}

impl LineLimit {
    /// One line per `interval`, and after a pause, `burst` lines at once.
    #[must_use]
    pub const fn new(interval: Duration, burst: u32) -> Self {
        Self { interval, burst, state: Mutex::new(State { empty_at: None, others: 0 }) }
    }

    /// One line per second.
    #[must_use]
    pub const fn per_second() -> Self {
        Self::new(Duration::from_secs(1), 1)
    }

    /// Whether to log this one: the number of others that were not logged since the last line. If not, counts it.
    pub fn others(&self) -> Option<u64> {
        self.others_at(Instant::now())
    }

    fn others_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let from = state.empty_at.map_or(now, |empty_at| empty_at.max(now));
        let full = self.interval * self.burst.saturating_sub(1);
        if from.duration_since(now) > full {
            state.others += 1;
            return None;
        }
        state.empty_at = Some(from + self.interval);
        Some(std::mem::take(&mut state.others))
    }
}

/// Limits of their own for clients, so that one that causes many lines does not hide those of others. Some clients share one: by a hash
/// that nobody outside can know.
#[derive(Debug)]
pub struct LineLimits {
    hasher: RandomState,
    limits: [LineLimit; 64],
}

impl LineLimits {
    /// One line per `interval`, and after a pause, `burst` lines at once, of each client.
    #[must_use]
    pub fn new(interval: Duration, burst: u32) -> Self {
        let limits = std::array::from_fn(|_| LineLimit::new(interval, burst));
        Self { hasher: RandomState::new(), limits }
    }

    /// As [`LineLimit::others`], for lines about this client.
    pub fn others(&self, client: &impl Hash) -> Option<u64> {
        let place = usize::try_from(self.hasher.hash_one(client) % 64).unwrap_or_default();
        // The place is below 64.
        self.limits.get(place)?.others()
    }

    /// The number of all that were not logged and are not in a line yet: the caller logs it.
    pub fn take_others(&self) -> u64 {
        let take = |limit: &LineLimit| {
            std::mem::take(&mut limit.state.lock().unwrap_or_else(PoisonError::into_inner).others)
        };
        self.limits.iter().map(take).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_limited_and_the_others_counted() {
        let (limit, start) = (LineLimit::new(Duration::from_millis(100), 3), Instant::now());
        let at = |millis| limit.others_at(start + Duration::from_millis(millis));
        let at_once: Vec<_> = (0..6).map(|_| at(0)).collect();
        assert_eq!(at_once, [Some(0), Some(0), Some(0), None, None, None]);
        assert_eq!([at(99), at(100), at(100)], [None, Some(4), None]);
        // After a pause, a burst again.
        assert_eq!([at(1000), at(1000), at(1000), at(1000)], [Some(1), Some(0), Some(0), None]);
    }

    #[test]
    fn a_client_does_not_hide_the_lines_of_all_others() {
        let limits = LineLimits::new(Duration::from_secs(3600), 1);
        let logged = |client: u32| limits.others(&client).is_some();
        assert!(logged(0) && !logged(0) && !logged(0));
        assert!((1..100).filter(|client| logged(*client)).count() > 10);
        let unlogged = limits.take_others();
        assert!((2..=90).contains(&unlogged), "{unlogged}");
        assert_eq!(limits.take_others(), 0);
    }

    #[test]
    fn one_line_per_second_is_logged() {
        let (limit, start) = (LineLimit::per_second(), Instant::now());
        let at = |millis| limit.others_at(start + Duration::from_millis(millis));
        assert_eq!([at(0), at(1), at(999), at(1000), at(1001)], [Some(0), None, None, Some(2), None]);
    }
}
