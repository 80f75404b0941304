//! Events of the folders in which watched files stand.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::mpsc::Sender,
};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

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
            // Reads are events too, our own among them; an error may stand for lost events.
            let read =
                event.is_ok_and(|event| matches!(event.kind, EventKind::Access(access) if !is_write(access)));
            if !read {
                // The reloader is gone only when the edge ends.
                let _ = triggers.send(Trigger::Event);
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

fn is_write(access: notify::event::AccessKind) -> bool {
    use notify::event::{AccessKind, AccessMode};
    access == AccessKind::Close(AccessMode::Write)
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
