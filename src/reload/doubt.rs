//! What does not validate counts as broken only if it stays so: it may be half of a change, such as a certificate whose key is
//! still to come.

use std::time::{Duration, Instant};

/// How long the same contents have to stay.
const STAYS: Duration = Duration::from_millis(250);
/// Contents that change all the time are told of in the end.
const LONGEST: Duration = Duration::from_secs(2);

/// Contents that do not validate.
#[derive(Clone, Debug)]
pub(super) struct Doubt<C> {
    contents: C,
    /// Since when they stand there.
    since: Instant,
    /// Since when nothing has validated.
    began: Instant,
}

impl<C: PartialEq> Doubt<C> {
    /// These contents do not validate, now; `before` is what was doubted until now.
    pub(super) fn of(contents: C, before: Option<Self>, now: Instant) -> Self {
        match before {
            Some(before) if before.contents == contents => before,
            Some(before) => Self { contents, since: now, began: before.began },
            None => Self { contents, since: now, began: now },
        }
    }

    /// How long to wait for something better; nothing if they are broken.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let left = |since: Instant, most: Duration| most.saturating_sub(now.saturating_duration_since(since));
        let wait = left(self.since, STAYS).min(left(self.began, LONGEST));
        (!wait.is_zero()).then_some(wait)
    }

    pub(super) fn into_contents(self) -> C {
        self.contents
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_same_contents_are_broken_after_a_while_however_often_they_are_looked_at() {
        let start = Instant::now();
        let mut doubt = Doubt::of("half", None, start);
        for at in [30, 60, 200, 249] {
            doubt = Doubt::of("half", Some(doubt), start + at * MS);
            assert_eq!(doubt.wait(start + at * MS), Some((250 - at) * MS));
        }
        assert_eq!(doubt.wait(start + STAYS), None);
    }

    #[test]
    fn other_contents_are_doubted_anew_but_not_for_ever() {
        let start = Instant::now();
        let mut doubt = Doubt::of(0, None, start);
        for at in (1..20).map(|round| round * 100) {
            doubt = Doubt::of(at, Some(doubt), start + at * MS);
            assert_eq!(doubt.wait(start + at * MS), Some(STAYS.min((2000 - at) * MS)));
        }
        assert_eq!(doubt.wait(start + LONGEST), None);
        assert_eq!(doubt.into_contents(), 1900);
    }
}
