//! When a burst of events is over, so that the files can be read.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::{Duration, Instant},
};

/// A burst of events is over when none came for so long.
const QUIET: Duration = Duration::from_millis(30);
/// However long a burst, after so long the files are looked at.
const LONGEST: Duration = Duration::from_millis(300);
/// A file that was written to and not closed yet is waited for, so long after its last write.
const OPEN: Duration = Duration::from_secs(2);
/// However often it is written to.
const LONGEST_OPEN: Duration = Duration::from_secs(6);

/// What happened to a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Something.
    Any,
    /// It was written to; its writer may have more.
    Written(PathBuf),
    /// It was closed by its writer, or is another file now.
    Whole(PathBuf),
}

/// Events that came one soon after the other.
#[derive(Debug)]
pub(super) struct Burst<'a> {
    /// The files, as they are without links. What else is written nearby is waited for no longer than any event.
    files: &'a BTreeSet<PathBuf>,
    begin: Instant,
    last: Instant,
    /// Files that their writers have open, with the last write to each.
    open: BTreeMap<PathBuf, Instant>,
}

impl<'a> Burst<'a> {
    pub(super) fn new(files: &'a BTreeSet<PathBuf>, now: Instant) -> Self {
        Self { files, begin: now, last: now, open: BTreeMap::new() }
    }

    /// An event came.
    pub(super) fn take(&mut self, event: Event, now: Instant) {
        self.last = now;
        match event {
            Event::Written(path) if self.files.contains(&path) => {
                self.open.insert(path, now);
            }
            Event::Whole(path) => {
                self.open.remove(&path);
            }
            Event::Any | Event::Written(_) => {}
        }
    }

    /// How long to wait for more; nothing if it is over.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let left = |since: Instant, most: Duration| most.saturating_sub(now.saturating_duration_since(since));
        let open = self.open.values().map(|last| left(*last, OPEN)).max().unwrap_or_default();
        let wait = if open.is_zero() {
            left(self.last, QUIET).min(left(self.begin, LONGEST))
        } else {
            open.min(left(self.begin, LONGEST_OPEN))
        };
        (!wait.is_zero()).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn files() -> BTreeSet<PathBuf> {
        BTreeSet::from([PathBuf::from("/edge/applications.toml")])
    }

    #[test]
    fn a_burst_is_over_when_it_is_quiet_or_has_been_long() {
        let (files, start) = (files(), Instant::now());
        let mut burst = Burst::new(&files, start);
        assert_eq!(burst.wait(start), Some(QUIET));
        assert_eq!(burst.wait(start + QUIET), None);
        let mut now = start;
        while let Some(wait) = burst.wait(now) {
            assert!(now < start + LONGEST);
            now += wait.min(20 * MS);
            burst.take(Event::Any, now);
        }
        assert_eq!(now, start + LONGEST);
    }

    #[test]
    fn a_file_that_is_written_to_is_waited_for_until_it_is_closed() {
        let (files, start) = (files(), Instant::now());
        let mut burst = Burst::new(&files, start);
        burst.take(Event::Written("/edge/applications.toml".into()), start);
        assert_eq!(burst.wait(start + 1500 * MS), Some(500 * MS));
        burst.take(Event::Written("/edge/applications.toml".into()), start + 1500 * MS);
        assert_eq!(burst.wait(start + 1500 * MS), Some(OPEN));
        burst.take(Event::Whole("/edge/applications.toml".into()), start + 1700 * MS);
        assert_eq!(burst.wait(start + 1700 * MS), None);
    }

    #[test]
    fn a_file_that_its_writer_keeps_open_is_waited_for_in_bounds() {
        let (files, start) = (files(), Instant::now());
        let mut burst = Burst::new(&files, start);
        let written = || Event::Written("/edge/applications.toml".into());
        burst.take(written(), start);
        assert_eq!(burst.wait(start + OPEN), None, "after its last write");
        let mut now = start;
        while let Some(wait) = burst.wait(now) {
            now += wait.min(1000 * MS);
            burst.take(written(), now);
        }
        assert_eq!(now, start + LONGEST_OPEN, "and in all");
    }

    #[test]
    fn a_neighbour_that_is_written_to_holds_up_nothing() {
        let (files, start) = (files(), Instant::now());
        let mut burst = Burst::new(&files, start);
        burst.take(Event::Written("/elsewhere/applications.toml".into()), start);
        burst.take(Event::Written("/edge/.applications.toml.swp".into()), start);
        assert_eq!(burst.wait(start + QUIET), None);
    }
}
