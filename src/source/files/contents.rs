//! The state of the watched files, to detect a change, also one during a read.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use crate::{clock::Timestamp, config::file};

/// What was read of each file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contents(BTreeMap<PathBuf, Content>);

/// What was read of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    /// The hash, and the mode, for which a secret can be rejected.
    Read([u8; 32], u32),
    /// The file cannot be read.
    Unreadable,
    /// It changed between two reads: it is not known which content was used. Contents that were just read have none of these.
    Unknown,
}

impl Content {
    fn of(path: &Path) -> Self {
        file::fingerprint(path).map_or(Self::Unreadable, |(hash, mode)| Self::Read(hash, mode))
    }
}

impl Contents {
    /// Reads all files.
    pub(super) fn of(files: &BTreeSet<PathBuf>) -> Self {
        Self(files.iter().map(|path| (path.clone(), Content::of(path))).collect())
    }

    /// These contents, where they are the same as those read later; unknown where they are not. What includes them is never equal to
    /// contents that are read.
    pub(super) fn unless_changed(self, later: Self) -> Self {
        let known = |path: &PathBuf, content: &Content| self.0.get(path) == Some(content);
        let contents = later.0.into_iter().map(|(path, content)| {
            let content = if known(&path, &content) { content } else { Content::Unknown };
            (path, content)
        });
        Self(contents.collect())
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
pub(super) struct FileStamps(Vec<Option<[i64; SIZE]>>);

/// The numbers of a file's stamp, and how many of them stay the same as long as it is not replaced. An inode's number alone may be
/// that of a file that was removed.
const SIZE: usize = 8;
const IDENTITY: usize = 3;

impl FileStamps {
    /// Of all files, through links.
    pub(super) fn of(files: &BTreeSet<PathBuf>) -> Self {
        let stamp = |file: &PathBuf| {
            let meta = std::fs::metadata(file).ok()?;
            let (dev, ino, size) =
                (meta.dev().cast_signed(), meta.ino().cast_signed(), meta.size().cast_signed());
            let created = meta.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            let created = created.and_then(|since| i64::try_from(since.as_nanos()).ok()).unwrap_or_default();
            Some([dev, ino, created, size, meta.mtime(), meta.mtime_nsec(), meta.ctime_nsec(), meta.ctime()])
        };
        Self(files.iter().map(stamp).collect())
    }

    /// The stamps of the `wanted` files only; `files` are those of `self`.
    pub(super) fn only(self, files: &BTreeSet<PathBuf>, wanted: &BTreeSet<PathBuf>) -> Self {
        let stamps = files.iter().zip(self.0).filter(|(file, _)| wanted.contains(*file));
        Self(stamps.map(|(_, stamp)| stamp).collect())
    }

    /// The files that were not replaced since then; `files` are those of `self`.
    pub(super) fn kept<'a>(&self, files: &'a BTreeSet<PathBuf>) -> BTreeSet<&'a Path> {
        let is_kept = |before: [i64; SIZE], now: [i64; SIZE]| before[..IDENTITY] == now[..IDENTITY];
        let Self(now) = Self::of(files);
        let pairs = files.iter().zip(self.0.iter().zip(now));
        let kept = pairs.filter(|(_, (before, now))| before.zip(*now).is_some_and(|(b, n)| is_kept(b, n)));
        kept.map(|(file, _)| file.as_path()).collect()
    }

    /// Whether a file was written or replaced since then (by its ctime, which only the kernel sets).
    pub(super) fn any_since(&self, time: Timestamp) -> bool {
        self.0.iter().flatten().any(|[.., ctime]| Timestamp::from_unix(*ctime) >= time)
    }
}
