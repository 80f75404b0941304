//! Reads the files that a configuration references: regular files only, up to a size limit. Replaces those that the edge writes itself.
//!
//! Opening a FIFO would block until it has a writer, and reading `/dev/zero` would exhaust the memory.

mod registry;
mod replace;
mod unreadable;

use std::{
    fmt,
    fs::{File, Metadata},
    io::{self, BufRead, BufReader, ErrorKind, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::diagnostic::Fault;
use crate::text::suggest::shell_word;

pub use self::{
    registry::{is_of_registry, of_registry},
    replace::{Readers, create_folder, is_operators, replace, replaceable, resolved},
    unreadable::unreadable,
};

/// The maximum size of a file with certificates, a CRL, a key or a secret, in bytes.
pub const LIMIT: u64 = 64 << 20;

/// The maximum size of a TOML file in bytes: enough for more than a million applications.
pub(super) const TOML_LIMIT: u64 = 256 << 20;

/// A fault of a file. `what` is appended to the path without a separator.
pub fn fault(path: &Path, what: impl fmt::Display) -> Fault {
    Fault::new(format!("{}{what}", path.display()))
}

/// The advice to change the mode of a file or folder, as a command.
#[must_use]
pub fn chmod(change: &str, path: &Path) -> String {
    format!("run: chmod {change} {}", shell_word(&path.display().to_string()))
}

/// The content and the mode of a file.
pub struct Content {
    /// All bytes of the file.
    pub bytes: Zeroizing<Vec<u8>>,
    /// The permission bits, taken from the same open file as the bytes.
    pub mode: u32,
}

/// Reads all bytes of a file.
///
/// # Errors
///
/// The same as those of [`read_with_mode`].
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    Ok(std::mem::take(&mut *read_with_mode(path, limit)?.bytes))
}

/// Reads all bytes of a file, and its mode.
///
/// # Errors
///
/// Those of `File::open`; and if it is not a regular file, has more than `limit` bytes, or is world-writable ([`WorldWritable`]). The
/// text of the error follows "cannot be read: " in messages.
pub fn read_with_mode(path: &Path, limit: u64) -> io::Result<Content> {
    let (file, metadata) = open(path)?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o002 != 0 {
        return Err(io::Error::new(ErrorKind::PermissionDenied, WorldWritable { mode }));
    }
    if metadata.len() > limit {
        return Err(too_large(limit));
    }
    // Allocated once: growing the buffer would leave copies of a secret in freed memory.
    let mut bytes =
        Zeroizing::new(Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default() + 1));
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(too_large(limit)) } else { Ok(Content { bytes, mode }) }
}

/// The error for a world-writable file: any user of the machine could change what the edge trusts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is world-writable (mode {mode:03o})")]
pub struct WorldWritable {
    /// The permission bits of the file.
    pub mode: u32,
}

impl WorldWritable {
    /// The command that takes the right to write from the others.
    #[must_use]
    pub fn help(path: &Path) -> String {
        chmod("o-w", path)
    }

    /// The cause of an error of [`read_with_mode`], if it is this one.
    #[must_use]
    pub fn cause_of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

/// The SHA-256 of a file's content, and its mode, to detect changes. Of a file with more than [`LIMIT`] bytes, the metadata (inode,
/// size, times) is hashed instead of the content; of a folder, the names of the registry's files.
///
/// # Errors
///
/// Those of `File::open`, and if it is neither a regular file nor a folder.
pub fn fingerprint(path: &Path) -> io::Result<([u8; 32], u32)> {
    if path.is_dir() {
        return Ok((registry::fingerprint(path)?, path.metadata()?.mode()));
    }
    let (file, metadata) = open(path)?;
    let mut hash = Sha256::new();
    if metadata.len() > LIMIT {
        let numbers = [metadata.dev(), metadata.ino(), metadata.len()];
        let times = [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()];
        hash.update(numbers.map(u64::to_be_bytes).as_flattened());
        hash.update(times.map(i64::to_be_bytes).as_flattened());
        return Ok((hash.finalize().into(), metadata.mode()));
    }
    let mut reader = BufReader::with_capacity(1 << 16, file.take(LIMIT));
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return Ok((hash.finalize().into(), metadata.mode()));
        }
        hash.update(bytes);
        let count = bytes.len();
        reader.consume(count);
    }
}

fn open(path: &Path) -> io::Result<(File, Metadata)> {
    // Checked before opening, which can have side effects on a device.
    require_regular(&path.metadata()?)?;
    // The path may have been replaced since the check: NONBLOCK, because opening a FIFO would wait for a writer.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let metadata = file.metadata()?;
    require_regular(&metadata)?;
    Ok((file, metadata))
}

fn require_regular(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        return Err(io::Error::other("it is a FIFO, a socket or a device, expected a regular file"));
    }
    Ok(())
}

/// The error for a file with more bytes than the limit.
pub(super) fn too_large(limit: u64) -> io::Error {
    io::Error::new(ErrorKind::FileTooLarge, format!("it has more than {} MiB", limit >> 20))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::net::UnixListener};

    use super::*;

    #[test]
    fn special_files_are_rejected_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let (socket, fifo) = (folder.path().join("socket"), folder.path().join("fifo"));
        let _listener = UnixListener::bind(&socket).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        for path in [&socket, &fifo, Path::new("/dev/zero"), Path::new("/dev/null")] {
            let expected = "it is a FIFO, a socket or a device, expected a regular file";
            assert_eq!(read(path, LIMIT).unwrap_err().to_string(), expected, "{path:?}");
            assert_eq!(fingerprint(path).unwrap_err().to_string(), expected, "{path:?}");
        }
        assert_eq!(read(folder.path(), LIMIT).unwrap_err().kind(), ErrorKind::IsADirectory);
        assert_eq!(read(&folder.path().join("none"), LIMIT).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "12345678").unwrap();
        assert_eq!(read(&path, 8).unwrap(), b"12345678");
        assert_eq!(read(&path, 7).unwrap_err().kind(), ErrorKind::FileTooLarge);
        assert_eq!(fingerprint(&path).unwrap().0, <[u8; 32]>::from(Sha256::digest(b"12345678")));
        File::options().write(true).open(&path).unwrap().set_len(TOML_LIMIT + 1).unwrap();
        assert_eq!(read(&path, TOML_LIMIT).unwrap_err().to_string(), "it has more than 256 MiB");
    }

    #[test]
    fn a_huge_file_is_rejected_unread() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        // A sparse file, larger than the disk and the memory.
        File::create(&path).unwrap().set_len(1 << 42).unwrap();
        let before = fingerprint(&path).unwrap();
        assert_eq!(before, fingerprint(&path).unwrap());
        assert_eq!(read(&path, LIMIT).unwrap_err().kind(), ErrorKind::FileTooLarge);
        File::options().write(true).open(&path).unwrap().set_len(1 << 41).unwrap();
        assert_ne!(before, fingerprint(&path).unwrap(), "a change of the size changes the fingerprint");
    }

    #[test]
    fn a_world_writable_file_is_not_read() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "x").unwrap();
        for (mode, is_world_writable) in
            [(0o666, true), (0o602, true), (0o777, true), (0o664, false), (0o644, false)]
        {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let read = read_with_mode(&path, LIMIT);
            match &read {
                Err(error) => {
                    assert_eq!(WorldWritable::cause_of(error), Some(&WorldWritable { mode }), "{mode:o}");
                }
                Ok(content) => assert_eq!(content.mode, mode),
            }
            assert_eq!(read.is_err(), is_world_writable, "{mode:o}");
            assert_eq!(fingerprint(&path).unwrap().1 & 0o777, mode, "the fingerprint contains the mode");
        }
    }

    #[test]
    fn a_large_file_is_hashed_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let bytes: Vec<u8> = (0..200_000_u32).flat_map(u32::to_be_bytes).collect();
        fs::write(&path, &bytes).unwrap();
        assert_eq!(fingerprint(&path).unwrap().0, <[u8; 32]>::from(Sha256::digest(&bytes)));
    }
}
