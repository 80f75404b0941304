//! Reports invalid contents only if they stay: they may be half of a change, such as a certificate before its key.

use std::time::{Duration, Instant};

use crate::source::debounce::Debounce;

/// How long the same contents must stay invalid.
const STAYS: Duration = Duration::from_millis(250);
/// Invalid contents that change repeatedly are reported after this time.
const LONGEST: Duration = Duration::from_secs(2);

/// Invalid contents that may still change.
#[derive(Clone, Debug)]
pub(super) struct Settling<C> {
    contents: C,
    changes: Debounce,
}

impl<C: PartialEq> Settling<C> {
    /// These contents are invalid now; `before` is what was invalid until now.
    pub(super) fn of(contents: C, before: Option<Self>, now: Instant) -> Self {
        match before {
            Some(before) if before.contents == contents => before,
            Some(Self { mut changes, .. }) => {
                changes.restart(now);
                Self { contents, changes }
            }
            None => Self { contents, changes: Debounce::new(STAYS, LONGEST, now) },
        }
    }

    /// How long to wait for a change; nothing if they have settled.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        self.changes.wait(now)
    }

    /// The contents.
    pub(super) fn into_contents(self) -> C {
        self.contents
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn unchanged_invalid_contents_settle_in_time() {
        let start = Instant::now();
        let mut settling = Settling::of("half", None, start);
        for at in [30, 60, 200, 249] {
            settling = Settling::of("half", Some(settling), start + at * MS);
            assert_eq!(settling.wait(start + at * MS), Some((250 - at) * MS));
        }
        assert_eq!(settling.wait(start + STAYS), None);
    }

    #[test]
    fn changing_invalid_contents_settle_in_bounded_time() {
        let start = Instant::now();
        let mut settling = Settling::of(0, None, start);
        for at in (1..20).map(|round| round * 100) {
            settling = Settling::of(at, Some(settling), start + at * MS);
            assert_eq!(settling.wait(start + at * MS), Some(STAYS.min((2000 - at) * MS)));
        }
        assert_eq!(settling.wait(start + LONGEST), None);
        assert_eq!(settling.into_contents(), 1900);
    }
}
