//! When contents that were read may have another outcome, though no file has changed.

use crate::{clock::Timestamp, config::Problem, site::Generation};

/// When to build from the same contents again.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// One of the problems of the rejected contents ends then.
    rejected: Option<Timestamp>,
    /// The site's number before the contents conflicted with another source. They may be valid as soon as it has changed.
    pub(super) conflicted: Option<Generation>,
    /// One of the problems for which a start would refuse the active configuration ends then.
    tolerated: Option<Timestamp>,
}

impl Due {
    /// Contents were published, with these warnings.
    pub(super) fn published(problems: &[Problem]) -> Self {
        let tolerated = problems.iter().filter(|problem| problem.prevents_start);
        Self { tolerated: first_end(tolerated), ..Self::default() }
    }

    /// Contents were rejected for these problems.
    pub(super) fn set_rejected(&mut self, problems: &[Problem]) {
        self.rejected = first_end(problems.iter());
    }

    /// Contents conflict with another source, which this site comes from.
    pub(super) const fn set_conflicted(&mut self, site: Generation) {
        self.conflicted = Some(site);
    }

    /// Whether rejected contents may be valid by now. They may once.
    pub(super) fn take_rejected(&mut self, now: Timestamp, site: Generation) -> bool {
        let is_time = self.rejected.take_if(|end| *end <= now).is_some();
        let has_other_changed = self.conflicted.take_if(|known| *known != site).is_some();
        is_time || has_other_changed
    }

    /// Whether a start may accept the active configuration by now.
    pub(super) fn is_active_due(&self, now: Timestamp) -> bool {
        self.tolerated.is_some_and(|end| end <= now)
    }
}

fn first_end<'a>(problems: impl Iterator<Item = &'a Problem>) -> Option<Timestamp> {
    problems.filter_map(|problem| problem.ends).min()
}
