//! Wall-clock time: timestamps, and a clock that tests can set.
//!
//! Validity periods, CRLs, session tickets and reports use this clock. I/O deadlines use tokio's.

mod relative;

use std::{
    fmt,
    ops::{Add, Sub},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls::{pki_types::UnixTime, time_provider::TimeProvider};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

pub use relative::Relative;

/// A point in time, in whole seconds since 1970-01-01T00:00:00Z without leap seconds; negative before that.
///
/// Arithmetic saturates, so that [`Timestamp::MAX`] can mean "no end".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest value.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest value.
    pub const MAX: Self = Self(i64::MAX);

    /// From seconds since 1970.
    #[must_use]
    pub const fn from_unix(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970.
    #[must_use]
    pub const fn unix(self) -> i64 {
        self.0
    }

    /// One second earlier.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// One second later.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Seconds from `earlier` to `self`; negative if `earlier` is later.
    #[must_use]
    pub const fn seconds_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whole days from `earlier` to `self`, rounded down, so that half a day ago is -1.
    #[must_use]
    pub const fn days_since(self, earlier: Self) -> i64 {
        self.seconds_since(earlier).div_euclid(86_400)
    }
}

/// Adds the whole seconds of the duration.
impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add_unsigned(duration.as_secs()))
    }
}

/// Subtracts the whole seconds of the duration.
impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub_unsigned(duration.as_secs()))
    }
}

impl From<UnixTime> for Timestamp {
    fn from(time: UnixTime) -> Self {
        Self(i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self(0) + after,
            Err(before) => Self(0) - before.duration(),
        }
    }
}

impl From<OffsetDateTime> for Timestamp {
    fn from(time: OffsetDateTime) -> Self {
        Self(time.unix_timestamp())
    }
}

/// RFC 3339 in UTC. Values outside the years 0 to 9999 of RFC 3339 and X.509 (RFC 5280 section 4.1.2.5) print as the first or
/// last second of these.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const YEAR_0: i64 = -62_167_219_200;
        const END_OF_9999: i64 = 253_402_300_799;
        let time = OffsetDateTime::from_unix_timestamp(self.0.clamp(YEAR_0, END_OF_9999));
        f.write_str(&time.map_err(|_| fmt::Error)?.format(&Rfc3339).map_err(|_| fmt::Error)?)
    }
}

/// Serializes as [`fmt::Display`] prints.
impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Parses RFC 3339.
impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        OffsetDateTime::parse(&text, &Rfc3339).map(Self::from).map_err(D::Error::custom)
    }
}

/// The source of the current time, for the edge and for rustls.
///
/// An enum and not a trait object, so that reading the system's clock on the request path costs no indirect call.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The operating system's clock.
    #[default]
    System,
    /// A clock that only moves when a test sets it. Clones share it.
    Fixed(FixedClock),
}

impl Clock {
    /// The current time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => SystemTime::now().into(),
            Self::Fixed(clock) => clock.now(),
        }
    }

    /// Whole seconds since a point in time; 0 if the clock was set back.
    #[must_use]
    pub fn age(&self, since: Timestamp) -> u64 {
        u64::try_from(self.now().seconds_since(since)).unwrap_or_default()
    }
}

impl TimeProvider for Clock {
    /// rustls cannot express times before 1970, which become 1970.
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.now().unix()).unwrap_or_default();
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

/// A clock that tests set. Clones share the time.
#[derive(Clone, Debug)]
pub struct FixedClock(Arc<AtomicI64>);

impl FixedClock {
    /// A clock with this time.
    #[must_use]
    pub fn new(at: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(at.unix())))
    }

    /// The time that was set last.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Relaxed))
    }

    /// Sets the time, forwards or back.
    pub fn set(&self, to: Timestamp) {
        self.0.store(to.unix(), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn timestamps_print_as_rfc_3339() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_695_261_017, "2023-09-21T01:50:17Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            // RFC 5280 section 4.1.2.5: a certificate without a well-defined expiration date.
            (253_402_300_799, "9999-12-31T23:59:59Z"),
            (i64::MAX, "9999-12-31T23:59:59Z"),
            (i64::MIN, "0000-01-01T00:00:00Z"),
        ] {
            assert_eq!(Timestamp::from_unix(seconds).to_string(), text);
        }
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::MAX + HOUR, Timestamp::MAX);
        assert_eq!(Timestamp::MIN - HOUR, Timestamp::MIN);
        assert_eq!(Timestamp::from_unix(1) + Duration::MAX, Timestamp::MAX);
        assert_eq!(Timestamp::MAX.seconds_since(Timestamp::MIN), i64::MAX);
        assert_eq!(Timestamp::from_unix(3601) - HOUR, Timestamp::from_unix(1));
    }

    #[test]
    fn days_are_rounded_down() {
        let now = Timestamp::from_unix(1_000_000);
        for (seconds, days) in [(86_400, 1), (86_399, 0), (0, 0), (-1, -1), (-86_400, -1), (-86_401, -2)] {
            assert_eq!(Timestamp::from_unix(1_000_000 + seconds).days_since(now), days, "{seconds}");
        }
    }

    #[test]
    fn times_before_1970_are_negative() {
        assert_eq!(Timestamp::from(UNIX_EPOCH - HOUR), Timestamp::from_unix(-3600));
        assert_eq!(Timestamp::from(UNIX_EPOCH + HOUR), Timestamp::from_unix(3600));
    }

    #[test]
    fn a_fixed_clock_is_shared_by_its_clones() {
        let fixed = FixedClock::new(Timestamp::from_unix(10));
        let clock = Clock::Fixed(fixed.clone());
        fixed.set(Timestamp::from_unix(20));
        assert_eq!(clock.now(), Timestamp::from_unix(20));
        assert_eq!(clock.clone().current_time().unwrap().as_secs(), 20);
        fixed.set(Timestamp::from_unix(-20));
        assert_eq!(clock.current_time().unwrap().as_secs(), 0);
    }

    #[test]
    fn the_system_clock_is_that_of_rustls() {
        let before = UnixTime::now().as_secs();
        let now = Clock::System.now().unix();
        assert!((before..=UnixTime::now().as_secs()).contains(&u64::try_from(now).unwrap()));
    }
}
