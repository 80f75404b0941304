//! How many requests a key may send per second: the generic cell rate algorithm (ITU-T I.371), shared by all threads, without locks.
//!
//! A bucket is one number: the time at which it will be empty again. Buckets are in a table of fixed size, so that memory is bounded however
//! many keys there are. If the place of a key is full, the bucket that is empty soonest is replaced: what is forgotten is forgotten in favour
//! of its key.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hash},
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// The sets of buckets in a table: half a MiB.
const SETS: usize = 8192;
/// The buckets of a set: a cache line.
const WAYS: usize = 8;
/// The bits of a bucket that are its time, in microseconds. The others are part of its key's hash.
const TIME_BITS: u32 = 44;
const TIME: u64 = (1 << TIME_BITS) - 1;
/// The longest burst.
pub const LONGEST_BURST: Duration = Duration::from_secs(3600);

/// A number of requests per time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Microseconds per request.
    interval: u64,
    /// The microseconds that a bucket holds.
    burst: u64,
}

impl Rate {
    /// So many requests per second, and after a pause, as many at once as may be sent within `burst`.
    #[must_use]
    pub fn new(per_second: NonZeroU32, burst: Duration) -> Self {
        let interval = 1_000_000_u64.div_ceil(u64::from(per_second.get()));
        Self { interval, burst: micros(burst.min(LONGEST_BURST)).max(interval) }
    }
}

/// The buckets of one kind of keys.
#[derive(Debug)]
pub struct Buckets {
    sets: Box<[Set]>,
    hasher: RandomState,
    started: Instant,
}

/// Buckets whose keys share a place: 0, or part of a key's hash and a time.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Set([AtomicU64; WAYS]);

impl Default for Buckets {
    fn default() -> Self {
        let sets = std::iter::repeat_with(Set::default).take(SETS).collect();
        Self { sets, hasher: RandomState::new(), started: Instant::now() }
    }
}

impl Buckets {
    /// Counts a request. If the key has sent too many, returns how long it must wait.
    pub fn take(&self, key: &(impl Hash + ?Sized), rate: Rate) -> Result<(), Duration> {
        // From 1, so that no bucket is 0.
        self.take_at(self.hasher.hash_one(key), rate, micros(self.started.elapsed()) + 1)
    }

    fn take_at(&self, hash: u64, rate: Rate, now: u64) -> Result<(), Duration> {
        let tag = hash & !TIME;
        let place = usize::try_from(hash & TIME).unwrap_or_default() % SETS;
        let Some(Set(set)) = self.sets.get(place) else { return Ok(()) };
        loop {
            let found = set.iter().map(|slot| (slot, slot.load(Relaxed)));
            // How far ahead of now a bucket's time is. More than any burst: it has been empty for long.
            let ahead = |bucket: u64| {
                let ahead = (bucket & TIME).wrapping_sub(now) & TIME;
                if ahead > micros(LONGEST_BURST) { 0 } else { ahead }
            };
            let best =
                found.min_by_key(|(_, bucket)| (*bucket == 0 || bucket & !TIME != tag, ahead(*bucket)));
            let Some((slot, bucket)) = best else { return Ok(()) };
            let used = if bucket != 0 && bucket & !TIME == tag { ahead(bucket) } else { 0 };
            let after = used + rate.interval;
            if after > rate.burst {
                return Err(Duration::from_micros(after - rate.burst));
            }
            let new = tag | (now.wrapping_add(after) & TIME);
            if slot.compare_exchange(bucket, new, Relaxed, Relaxed).is_ok() {
                return Ok(());
            }
            // Another thread has counted a request.
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn rate(per_second: u32, burst: u64) -> Rate {
        Rate::new(per_second.try_into().unwrap(), Duration::from_secs(burst))
    }

    /// Of so many requests at once, how many pass.
    fn passed(buckets: &Buckets, hash: u64, rate: Rate, now: u64, count: usize) -> usize {
        (0..count).filter(|_| buckets.take_at(hash, rate, now).is_ok()).count()
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let (buckets, rate) = (Buckets::default(), rate(5, 2));
        assert_eq!(passed(&buckets, 7, rate, 1, 100), 10);
        assert_eq!(buckets.take_at(7, rate, 1), Err(Duration::from_millis(200)));
        for second in 1..10 {
            assert_eq!(passed(&buckets, 7, rate, 1 + second * SECOND, 100), 5, "{second}");
        }
        assert_eq!(passed(&buckets, 7, rate, 100 * SECOND, 100), 10);
        // Another key has its own bucket, also in the same set.
        assert_eq!(passed(&buckets, 7 | 1 << 60, rate, 100 * SECOND, 100), 10);
    }

    #[test]
    fn at_least_one_request_passes() {
        let (buckets, rate) = (Buckets::default(), Rate::new(NonZeroU32::MIN, Duration::from_millis(1)));
        assert_eq!(passed(&buckets, 7, rate, 1, 100), 1);
        assert_eq!(passed(&buckets, 7, rate, 1 + SECOND, 100), 1);
    }

    #[test]
    fn a_bucket_is_empty_after_any_pause() {
        let (buckets, rate, mut now) = (Buckets::default(), rate(5, 2), 1);
        // Up to a hundred days, and past the end of the bits of a time.
        for power in (24..TIME_BITS).cycle().take(60) {
            assert_eq!(passed(&buckets, 7, rate, now, 100), 10, "{power}");
            now += 1 << power;
        }
    }

    #[test]
    fn of_many_keys_the_busiest_are_remembered() {
        let (buckets, rate) = (Buckets::default(), rate(5, 2));
        let key = |number: u64| number << TIME_BITS;
        for number in 0..WAYS as u64 - 1 {
            assert_eq!(passed(&buckets, key(number), rate, 1, 100), 10);
        }
        // A million others share the last place.
        for number in 100..1_000_100 {
            assert_eq!(buckets.take_at(key(number), rate, 2), Ok(()));
        }
        for number in 0..WAYS as u64 - 1 {
            assert_eq!(passed(&buckets, key(number), rate, 3, 1), 0);
        }
    }

    #[test]
    fn threads_share_a_bucket() {
        let (buckets, rate) = (Buckets::default(), rate(1, 3600));
        let count = || (0..3000).filter(|_| buckets.take("key", rate).is_ok()).count();
        let passed: usize = std::thread::scope(|scope| {
            let threads = [(); 4].map(|()| scope.spawn(count));
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        // A few seconds may have passed.
        assert!((3600..3660).contains(&passed), "{passed}");
    }
}
