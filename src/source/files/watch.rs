//! Events of the folders that contain watched files.

use std::{collections::BTreeSet, path::PathBuf, sync::mpsc::Sender};

use notify::{
    EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode, ModifyKind},
};

use super::{Trigger, links, writes::Event};

/// Watches folders, not files: a file is replaced by a rename, and Kubernetes swaps the link `..data` beside it.
pub(super) struct Folders {
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
}

impl Folders {
    /// Sends events to `triggers`. If the system has none (no inotify), only the slow poll remains, and that is logged.
    pub(super) fn new(triggers: Sender<Trigger>) -> Self {
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            for event in events(event) {
                // The receiver is gone only when the edge stops.
                let _ = triggers.send(Trigger::Event(event));
            }
        });
        let watcher = watcher
            .map_err(|error| tracing::warn!(%error, "cannot watch files: they are polled every few seconds"))
            .ok();
        Self { watcher, watched: BTreeSet::new() }
    }

    /// Watches the folders of these files, and of the links that lead to them.
    pub(super) fn watch(&mut self, files: &BTreeSet<PathBuf>) {
        let Some(watcher) = &mut self.watcher else { return };
        let mut wanted: BTreeSet<PathBuf> = files.iter().flat_map(|file| links::folders(file)).collect();
        // The registry may be a folder, to which files are added.
        wanted.extend(files.iter().filter(|file| file.is_dir()).map(|folder| links::file(folder)));
        for gone in self.watched.difference(&wanted) {
            let _ = watcher.unwatch(gone);
        }
        // Watched again each time: a folder that was deleted and created again is a different folder with the same path.
        self.watched = wanted
            .into_iter()
            .filter(|folder| match watcher.watch(folder, RecursiveMode::NonRecursive) {
                Ok(()) => true,
                Err(error) => {
                    tracing::debug!(folder = %folder.display(), %error, "folder not watched");
                    false
                }
            })
            .collect();
    }
}

/// Translates an event. Reads are events too, including our own, and are ignored.
fn events(event: notify::Result<notify::Event>) -> Vec<Event> {
    // An error may mean lost events.
    let Ok(event) = event else { return vec![Event::Any] };
    let of = |what: fn(PathBuf) -> Event| event.paths.iter().cloned().map(what).collect();
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Name(_))
        | EventKind::Remove(_) => of(Event::Complete),
        EventKind::Access(_) => Vec::new(),
        EventKind::Modify(ModifyKind::Data(_)) => of(Event::Written),
        _ => vec![Event::Any],
    }
}
