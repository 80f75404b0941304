//! Events of the folders in which watched files stand.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::mpsc::Sender,
};

use notify::{
    EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode, ModifyKind},
};

use super::Trigger;

/// Watches folders, not files: a file is replaced by a rename, and Kubernetes swaps the link `..data` beside it.
pub(super) struct Folders {
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
}

impl Folders {
    /// Events go to `triggers`. Without the system's help (no inotify) the slow poll is all there is, and that is logged.
    pub(super) fn new(triggers: Sender<Trigger>) -> Self {
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            for trigger in reasons(event) {
                // The reloader is gone only when the edge ends.
                let _ = triggers.send(trigger);
            }
        });
        let watcher = watcher
            .map_err(
                |error| tracing::warn!(%error, "files can't be watched: they are polled every few seconds"),
            )
            .ok();
        Self { watcher, watched: BTreeSet::new() }
    }

    /// Watches the folders of these files: those that the paths name, and those to which links lead.
    pub(super) fn watch(&mut self, files: &BTreeSet<PathBuf>) {
        let Some(watcher) = &mut self.watcher else { return };
        let wanted: BTreeSet<PathBuf> = files.iter().flat_map(|file| folders(file)).collect();
        for gone in self.watched.difference(&wanted) {
            let _ = watcher.unwatch(gone);
        }
        // Watched anew each time: a folder that was deleted and made again is another one under the same name.
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

/// What an event is a reason for. Reads are events too, our own among them: they are none.
fn reasons(event: notify::Result<notify::Event>) -> Vec<Trigger> {
    // An error may stand for lost events.
    let Ok(event) = event else { return vec![Trigger::Event] };
    let of = |reason: fn(PathBuf) -> Trigger| event.paths.iter().cloned().map(reason).collect();
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Name(_))
        | EventKind::Remove(_) => of(Trigger::Whole),
        EventKind::Access(_) => Vec::new(),
        EventKind::Modify(ModifyKind::Data(_)) => of(Trigger::Written),
        _ => vec![Trigger::Event],
    }
}

fn folders(file: &Path) -> Vec<PathBuf> {
    let parent = |path: &Path| match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Some(PathBuf::from(".")),
        Some(parent) => Some(parent.to_owned()),
        None => None,
    };
    let real = file.canonicalize().ok();
    parent(file).into_iter().chain(real.as_deref().and_then(parent)).collect()
}
