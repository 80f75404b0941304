//! Whether the path of the log file still leads to the open file: one that was deleted or renamed is written to without anybody reading it.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
    time::{Duration, Instant},
};

/// The least time between two looks at the path.
const EVERY: Duration = Duration::from_secs(2);
/// How long the path may lead elsewhere: a rotation renames the file first, and sends SIGUSR1 at its end.
const ROTATION: Duration = Duration::from_secs(60);

/// Looks at the path of one open file.
#[derive(Debug, Default)]
pub(super) struct Watch {
    looked: Option<Instant>,
    /// Since when the path leads elsewhere.
    lost: Option<Instant>,
}

/// What a look at the path has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The open file.
    Same,
    /// It is not time to decide.
    Undecided,
    /// Another file, or none, for longer than a rotation takes.
    Lost,
}

impl Watch {
    /// Looks at the path from time to time.
    pub(super) fn look(&mut self, file: &File, path: &Path, now: Instant) -> Found {
        if self.looked.is_some_and(|at| now.saturating_duration_since(at) < EVERY) {
            return Found::Undecided;
        }
        self.looked = Some(now);
        if leads_to(path, file) {
            self.lost = None;
            return Found::Same;
        }
        let since = *self.lost.get_or_insert(now);
        if now.saturating_duration_since(since) < ROTATION { Found::Undecided } else { Found::Lost }
    }
}

/// Whether the path leads to the file, as far as this process may see it.
fn leads_to(path: &Path, file: &File) -> bool {
    match (fs::metadata(path), file.metadata()) {
        (Ok(found), Ok(open)) => (found.dev(), found.ino()) == (open.dev(), open.ino()),
        (Err(error), _) => !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
        (_, Err(_)) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deleted_or_renamed_file_is_lost_after_a_minute() {
        let folder = tempfile::TempDir::new().unwrap();
        let (path, renamed) = (folder.path().join("edge.log"), folder.path().join("edge.log.1"));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for replaced in [false, true] {
            let file = File::create(&path).unwrap();
            let mut watch = Watch::default();
            assert_eq!(watch.look(&file, &path, at(0)), Found::Same);
            fs::rename(&path, &renamed).unwrap();
            if replaced {
                fs::write(&path, "").unwrap();
            }
            assert_eq!(watch.look(&file, &path, at(1)), Found::Undecided, "it does not look yet");
            assert_eq!(watch.look(&file, &path, at(2)), Found::Undecided);
            assert_eq!(watch.look(&file, &path, at(61)), Found::Undecided);
            // A rotation that is undone or over.
            fs::rename(&renamed, &path).unwrap();
            assert_eq!(watch.look(&file, &path, at(63)), Found::Same);
            fs::remove_file(&path).unwrap();
            assert_eq!(watch.look(&file, &path, at(70)), Found::Undecided);
            assert_eq!(watch.look(&file, &path, at(131)), Found::Lost);
        }
    }
}
