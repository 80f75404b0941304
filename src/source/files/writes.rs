//! Decides when the files can be read after events of their folders: not while a file is being written.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::{config::file::is_of_registry, source::debounce::Debounce};

/// A burst of events is over after this time without one.
const QUIET: Duration = Duration::from_millis(30);
/// The longest burst: then the files are read in any case.
const LONGEST: Duration = Duration::from_millis(300);
/// How long to wait, after its last write, for a file to be closed.
const OPEN: Duration = Duration::from_secs(2);
/// The longest wait for files to be closed.
const LONGEST_OPEN: Duration = Duration::from_secs(6);

/// What happened to a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Any other event.
    Any,
    /// It was written to, and its writer may continue.
    Written(PathBuf),
    /// Its writer closed it, or it was replaced.
    Complete(PathBuf),
}

/// Events in quick succession.
#[derive(Debug)]
pub(super) struct Writes<'a> {
    /// The files, without links. There is no wait for other files in their folders.
    files: &'a BTreeSet<PathBuf>,
    events: Debounce,
    /// Files that their writers have open, with the last write to each.
    open: BTreeMap<PathBuf, Instant>,
}

impl<'a> Writes<'a> {
    /// Begins with the first event.
    pub(super) fn new(files: &'a BTreeSet<PathBuf>, now: Instant) -> Self {
        Self { files, events: Debounce::new(QUIET, LONGEST, now), open: BTreeMap::new() }
    }

    /// Notes an event.
    pub(super) fn note(&mut self, event: Event, now: Instant) {
        self.events.restart(now);
        match event {
            Event::Written(path) if self.is_awaited(&path) => {
                self.open.insert(path, now);
            }
            Event::Complete(path) => {
                self.open.remove(&path);
            }
            Event::Any | Event::Written(_) => {}
        }
    }

    /// Whether a path is one of the files, or a new one in the folder of the registry.
    fn is_awaited(&self, path: &Path) -> bool {
        let is_new = || path.parent().is_some_and(|folder| self.files.contains(folder));
        self.files.contains(path) || (is_of_registry(path) && is_new())
    }

    /// How long to wait for further events; `None` if the burst is over.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let left = |last: &Instant| OPEN.saturating_sub(now.saturating_duration_since(*last));
        let open = self.open.values().map(left).max().unwrap_or_default();
        self.events.wait_at_least(open, LONGEST_OPEN, now)
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
    fn events_are_over_when_quiet_or_after_the_longest_time() {
        let (files, start) = (files(), Instant::now());
        let mut writes = Writes::new(&files, start);
        assert_eq!(writes.wait(start), Some(QUIET));
        assert_eq!(writes.wait(start + QUIET), None);
        let mut now = start;
        while let Some(wait) = writes.wait(now) {
            assert!(now < start + LONGEST);
            now += wait.min(20 * MS);
            writes.note(Event::Any, now);
        }
        assert_eq!(now, start + LONGEST);
    }

    #[test]
    fn the_files_are_not_read_while_one_is_open() {
        let (files, start) = (files(), Instant::now());
        let mut writes = Writes::new(&files, start);
        writes.note(Event::Written("/edge/applications.toml".into()), start);
        assert_eq!(writes.wait(start + 1500 * MS), Some(500 * MS));
        writes.note(Event::Written("/edge/applications.toml".into()), start + 1500 * MS);
        assert_eq!(writes.wait(start + 1500 * MS), Some(OPEN));
        writes.note(Event::Complete("/edge/applications.toml".into()), start + 1700 * MS);
        assert_eq!(writes.wait(start + 1700 * MS), None);
    }

    #[test]
    fn the_wait_for_an_open_file_is_bounded() {
        let (files, start) = (files(), Instant::now());
        let mut writes = Writes::new(&files, start);
        let written = || Event::Written("/edge/applications.toml".into());
        writes.note(written(), start);
        assert_eq!(writes.wait(start + OPEN), None, "after its last write");
        let mut now = start;
        while let Some(wait) = writes.wait(now) {
            now += wait.min(1000 * MS);
            writes.note(written(), now);
        }
        assert_eq!(now, start + LONGEST_OPEN, "and in all");
    }

    #[test]
    fn writes_to_other_files_do_not_delay_the_read() {
        let (files, start) = (files(), Instant::now());
        let mut writes = Writes::new(&files, start);
        writes.note(Event::Written("/elsewhere/applications.toml".into()), start);
        writes.note(Event::Written("/edge/.applications.toml.swp".into()), start);
        assert_eq!(writes.wait(start + QUIET), None);
    }

    #[test]
    fn a_new_file_of_the_registrys_folder_is_awaited() {
        let (files, start) = (BTreeSet::from([PathBuf::from("/edge/applications.d")]), Instant::now());
        let mut writes = Writes::new(&files, start);
        writes.note(Event::Written("/edge/applications.d/a.toml.tmp".into()), start);
        writes.note(Event::Written("/edge/applications.d/.b.toml".into()), start);
        assert_eq!(writes.wait(start + QUIET), None);
        writes.note(Event::Written("/edge/applications.d/a.toml".into()), start);
        assert_eq!(writes.wait(start), Some(OPEN));
    }
}
