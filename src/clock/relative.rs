//! Times as people say them: `in 12 days`, `3 min ago`, `in 1 h 20 min`, `2 h ahead of the clock`.

use std::fmt;

use super::Timestamp;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const YEAR: u64 = 365 * DAY;

/// The units, their seconds, and their names after 1 and after other numbers.
const UNITS: [(u64, &str, &str); 5] =
    [(YEAR, "year", "years"), (DAY, "day", "days"), (HOUR, "h", "h"), (MINUTE, "min", "min"), (1, "s", "s")];

/// A time as seen from another: `in 12 days`, `3 min ago`, `now`. The last unit is rounded down.
#[derive(Clone, Copy, Debug)]
pub struct Relative {
    seconds: i64,
    /// How many units are shown at most.
    units: usize,
    /// Whether it is past by its nature, so that the clock was set back if it is not.
    is_of_past: bool,
}

impl Timestamp {
    /// This time as seen from `now`, in its largest unit.
    #[must_use]
    pub const fn relative_to(self, now: Self) -> Relative {
        Relative { seconds: self.seconds_since(now), units: 1, is_of_past: false }
    }

    /// The time of something that has happened, as seen from `now`: `3 min ago`. After the clock was set back: `1 year ahead of the clock`.
    #[must_use]
    pub const fn past_from(self, now: Self) -> Relative {
        Relative { is_of_past: true, ..self.relative_to(now) }
    }
}

impl Relative {
    /// The same with the next smaller unit: `in 12 days 3 h`. Below an hour it is exact to the second.
    #[must_use]
    pub const fn in_two_units(self) -> Self {
        Self { units: 2, ..self }
    }
}

impl fmt::Display for Relative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.seconds.unsigned_abs();
        if seconds == 0 {
            return f.write_str("now");
        }
        let mut rest = seconds;
        let (before, after) = match (self.seconds < 0, self.is_of_past) {
            (true, _) => ("", " ago"),
            (false, false) => ("in ", ""),
            (false, true) => ("", " ahead of the clock"),
        };
        let mut separator = before;
        for (size, one, several) in UNITS.iter().skip_while(|(size, ..)| *size > seconds).take(self.units) {
            let count = rest / size;
            rest %= size;
            if count > 0 {
                write!(f, "{separator}{count} {}", if count == 1 { one } else { several })?;
                separator = " ";
            }
        }
        f.write_str(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_whole_units_are_shown() {
        const HOURS: i64 = 3600;
        const DAYS: i64 = 24 * HOURS;
        for (seconds, one, two) in [
            (0, "now", "now"),
            (1, "in 1 s", "in 1 s"),
            (-59, "59 s ago", "59 s ago"),
            (60, "in 1 min", "in 1 min"),
            (-3599, "59 min ago", "59 min 59 s ago"),
            (3600 + 59, "in 1 h", "in 1 h"),
            (24 * HOURS - 1, "in 23 h", "in 23 h 59 min"),
            (-DAYS, "1 day ago", "1 day ago"),
            (12 * DAYS + 5, "in 12 days", "in 12 days"),
            (89 * DAYS + 2 * HOURS + 3167, "in 89 days", "in 89 days 2 h"),
            (364 * DAYS, "in 364 days", "in 364 days"),
            (-365 * DAYS - 24 * HOURS, "1 year ago", "1 year 1 day ago"),
            (800 * DAYS, "in 2 years", "in 2 years 70 days"),
        ] {
            let now = Timestamp::from_unix(1_800_000_000);
            let relative = Timestamp::from_unix(now.unix() + seconds).relative_to(now);
            assert_eq!((&*relative.to_string(), &*relative.in_two_units().to_string()), (one, two));
        }
        let (before, now) = (Timestamp::from_unix(1_000), Timestamp::from_unix(1_090));
        assert_eq!(before.past_from(now).to_string(), "1 min ago");
        assert_eq!(now.past_from(before).in_two_units().to_string(), "1 min 30 s ahead of the clock");
        assert_eq!(now.past_from(now).to_string(), "now");
        assert!(Timestamp::MIN.relative_to(Timestamp::MAX).to_string().ends_with("years ago"));
    }
}
