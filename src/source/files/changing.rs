//! Files that change during every read, because they change more often than a build takes.

use std::time::{Duration, Instant};

/// How long files are read again because they changed.
pub(super) const LONGEST: Duration = Duration::from_secs(3);

/// Since when files change during every read.
#[derive(Debug)]
pub(super) struct Changing {
    since: Instant,
    is_reported: bool,
}

/// What to do with files that changed while they were read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Read them again.
    Again,
    /// Use them as they were read: each was replaced as a whole, so that no half of one was read.
    Use,
    /// Report that they are written in place whenever they are read, and read them again.
    Report,
}

impl Changing {
    pub(super) const fn new(now: Instant) -> Self {
        Self { since: now, is_reported: false }
    }

    /// They changed once more. `are_replaced`: none of them was written in place.
    pub(super) fn judge(&mut self, are_replaced: bool, now: Instant) -> Verdict {
        if now.saturating_duration_since(self.since) < LONGEST {
            Verdict::Again
        } else if are_replaced {
            Verdict::Use
        } else if std::mem::replace(&mut self.is_reported, true) {
            Verdict::Again
        } else {
            Verdict::Report
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_written_in_place_are_reported_once() {
        let start = Instant::now();
        let mut changing = Changing::new(start);
        assert_eq!(changing.judge(true, start), Verdict::Again);
        assert_eq!(changing.judge(false, start + LONGEST / 2), Verdict::Again);
        assert_eq!(changing.judge(false, start + LONGEST), Verdict::Report);
        assert_eq!(changing.judge(false, start + 2 * LONGEST), Verdict::Again);
        assert_eq!(changing.judge(true, start + 2 * LONGEST), Verdict::Use);
    }
}
