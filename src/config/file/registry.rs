//! The files of the registry: one file, or those of a folder.

use std::{
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::WorldWritable;

/// The files that contain the applications: the path itself, or each `*.toml` of a folder (in either case), in the order of their names. Hidden files are
/// not read. A folder that is named `*.toml` was made by mistake, as Docker makes one where a file to be mounted is missing: it counts as a
/// file, which cannot be read.
///
/// # Errors
///
/// If the folder cannot be read, or is world-writable ([`WorldWritable`]).
pub fn of_registry(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() || is_of_registry(path) {
        return Ok(vec![path.to_owned()]);
    }
    let mode = path.metadata()?.mode() & 0o777;
    if mode & 0o002 != 0 {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, WorldWritable { mode }));
    }
    let entries: Vec<_> = path.read_dir()?.collect::<io::Result<_>>()?;
    let mut files: Vec<_> = entries.iter().map(std::fs::DirEntry::path).collect();
    files.retain(|file| is_of_registry(file));
    files.sort_unstable();
    Ok(files)
}

/// Whether a folder's file with this name is read.
#[must_use]
pub fn is_of_registry(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    !name.starts_with(b".")
        && path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"))
}

/// The SHA-256 of the names of a folder's files, which changes when one is added or removed.
pub(super) fn fingerprint(folder: &Path) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    for file in of_registry(folder)? {
        hash.update(file.as_os_str().as_encoded_bytes());
        hash.update([0]);
    }
    Ok(hash.finalize().into())
}
