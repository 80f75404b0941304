//! Times as people say them: `in 12 days`, `3 min ago`.

use std::fmt;

use super::Timestamp;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const YEAR: u64 = 365 * DAY;

/// A time as seen from another: `in 12 days`, `3 min ago`, `now`. Units are rounded down.
#[derive(Clone, Copy, Debug)]
pub struct Relative(i64);

impl Timestamp {
    /// This time as seen from `now`.
    #[must_use]
    pub const fn relative_to(self, now: Self) -> Relative {
        Relative(self.seconds_since(now))
    }
}

impl fmt::Display for Relative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.unsigned_abs();
        let (count, unit) = match seconds {
            0 => return f.write_str("now"),
            1..MINUTE => (seconds, "s"),
            MINUTE..HOUR => (seconds / MINUTE, "min"),
            HOUR..DAY => (seconds / HOUR, "h"),
            DAY..YEAR => (seconds / DAY, if seconds < 2 * DAY { "day" } else { "days" }),
            YEAR.. => (seconds / YEAR, if seconds < 2 * YEAR { "year" } else { "years" }),
        };
        if self.0 < 0 { write!(f, "{count} {unit} ago") } else { write!(f, "in {count} {unit}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_whole_unit_is_shown() {
        const HOURS: i64 = 3600;
        const DAYS: i64 = 24 * HOURS;
        for (seconds, text) in [
            (0, "now"),
            (1, "in 1 s"),
            (-59, "59 s ago"),
            (60, "in 1 min"),
            (-3599, "59 min ago"),
            (24 * HOURS - 1, "in 23 h"),
            (-DAYS, "1 day ago"),
            (12 * DAYS + 5, "in 12 days"),
            (364 * DAYS, "in 364 days"),
            (-365 * DAYS, "1 year ago"),
            (800 * DAYS, "in 2 years"),
        ] {
            let now = Timestamp::from_unix(1_800_000_000);
            let time = Timestamp::from_unix(now.unix() + seconds);
            assert_eq!(time.relative_to(now).to_string(), text);
        }
        assert!(Timestamp::MIN.relative_to(Timestamp::MAX).to_string().ends_with("years ago"));
    }
}
