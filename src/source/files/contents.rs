//! The state of the watched files, to detect a change, also one during a read.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::{clock::Timestamp, config::file};

/// Contents of files by their hash, and their mode, for which a secret may be rejected; none of a file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contents(BTreeMap<PathBuf, Option<([u8; 32], u32)>>);

impl Contents {
    /// Reads all files.
    pub(super) fn of(files: &BTreeSet<PathBuf>) -> Self {
        Self(files.iter().map(|path| (path.clone(), file::fingerprint(path).ok())).collect())
    }

    /// The same without the files that are not in this list.
    pub(super) fn only(mut self, files: &BTreeSet<PathBuf>) -> Self {
        self.0.retain(|file, _| files.contains(file));
        self
    }

    /// The files.
    pub(super) fn files(&self) -> BTreeSet<PathBuf> {
        self.0.keys().cloned().collect()
    }

    /// Whether the other's files are among these, with the same contents.
    pub(super) fn include(&self, other: &Self) -> bool {
        other.0.iter().all(|(file, content)| self.0.get(file) == Some(content))
    }

    /// The files whose contents differ, of either.
    pub(super) fn differing<'a>(&'a self, other: &'a Self) -> Vec<&'a Path> {
        let both: BTreeSet<&PathBuf> = self.0.keys().chain(other.0.keys()).collect();
        both.into_iter()
            .filter(|file| self.0.get(*file) != other.0.get(*file))
            .map(PathBuf::as_path)
            .collect()
    }
}

/// Metadata of files: enough for the slow poll, without reading them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FileStamps(Vec<Option<[i64; 7]>>);

impl FileStamps {
    /// Of all files, through links.
    pub(super) fn of(files: &BTreeSet<PathBuf>) -> Self {
        let stamp = |file: &PathBuf| {
            let meta = std::fs::metadata(file).ok()?;
            let (dev, ino, size) =
                (meta.dev().cast_signed(), meta.ino().cast_signed(), meta.size().cast_signed());
            Some([dev, ino, size, meta.mtime(), meta.mtime_nsec(), meta.ctime_nsec(), meta.ctime()])
        };
        Self(files.iter().map(stamp).collect())
    }

    /// The same without the files that are not `kept`; `files` are those of `self`.
    pub(super) fn only(self, files: &BTreeSet<PathBuf>, kept: &BTreeSet<PathBuf>) -> Self {
        let stamps = files.iter().zip(self.0).filter(|(file, _)| kept.contains(*file));
        Self(stamps.map(|(_, stamp)| stamp).collect())
    }

    /// Whether a file was written or replaced since then (by its ctime, which only the kernel sets).
    pub(super) fn any_since(&self, time: Timestamp) -> bool {
        self.0.iter().flatten().any(|[.., ctime]| Timestamp::from_unix(*ctime) >= time)
    }
}
