//! The state of the watched files, to detect a change, also one during a read.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::{clock::Timestamp, config::file};

/// The hash and mode of each file, since a secret can be rejected for its mode. `None`: the file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contents(BTreeMap<PathBuf, Option<([u8; 32], u32)>>);

impl Contents {
    /// Reads all files.
    pub(super) fn of(files: &BTreeSet<PathBuf>) -> Self {
        Self(files.iter().map(|path| (path.clone(), file::fingerprint(path).ok())).collect())
    }

    /// The contents of these files only.
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

    /// The files of either side whose contents differ.
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

    /// The stamps of the `wanted` files only; `files` are those of `self`.
    pub(super) fn only(self, files: &BTreeSet<PathBuf>, wanted: &BTreeSet<PathBuf>) -> Self {
        let stamps = files.iter().zip(self.0).filter(|(file, _)| wanted.contains(*file));
        Self(stamps.map(|(_, stamp)| stamp).collect())
    }

    /// Whether a file was written or replaced since then (by its ctime, which only the kernel sets).
    pub(super) fn any_since(&self, time: Timestamp) -> bool {
        self.0.iter().flatten().any(|[.., ctime]| Timestamp::from_unix(*ctime) >= time)
    }
}
