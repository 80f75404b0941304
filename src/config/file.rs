//! Reads the files that a configuration names: ordinary files only, of a bounded size.
//!
//! A FIFO would hold the reader for ever and `/dev/zero` would fill the memory; both can stand where an operator means a file.

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

pub use self::unreadable::unreadable;

/// The most bytes of a file with certificates, a CRL, a key or a secret.
pub const LIMIT: u64 = 64 << 20;

/// The most bytes of a TOML file: more than a million applications.
pub(super) const TOML_LIMIT: u64 = 256 << 20;

/// What is wrong with a file; `what` follows its name directly.
pub fn fault(path: &Path, what: impl fmt::Display) -> Fault {
    Fault::new(format!("{}{what}", path.display()))
}

/// A file that was read.
pub struct Content {
    /// All its bytes.
    pub bytes: Zeroizing<Vec<u8>>,
    /// Its permissions, of the very file that was read.
    pub mode: u32,
}

/// All bytes of a file.
///
/// # Errors
///
/// As [`read_with_mode`].
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    Ok(std::mem::take(&mut *read_with_mode(path, limit)?.bytes))
}

/// All bytes of a file, with its permissions.
///
/// # Errors
///
/// As `File::open`; if it is no ordinary file, has more than `limit` bytes, or can be written by others ([`Loose`]). The text is to
/// stand behind "can't be read: ".
pub fn read_with_mode(path: &Path, limit: u64) -> io::Result<Content> {
    let (file, metadata) = open(path)?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o002 != 0 {
        return Err(io::Error::new(ErrorKind::PermissionDenied, Loose { mode }));
    }
    if metadata.len() > limit {
        return Err(too_large(limit));
    }
    // At once as large as is needed: no copy of a secret is left behind by growing.
    let mut bytes =
        Zeroizing::new(Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default() + 1));
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(too_large(limit)) } else { Ok(Content { bytes, mode }) }
}

/// A file that anybody on the machine can write: who can write what is believed can let themselves in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is world-writable (mode {mode:03o})")]
pub struct Loose {
    /// Its permissions.
    pub mode: u32,
}

impl Loose {
    /// Whether this is why a file could not be read.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

/// SHA-256 of what a file holds, and its mode: another one where the file has changed. Of a file that is larger than any but a registry may be,
/// what the system says of it is hashed, and not a byte is read.
///
/// # Errors
///
/// As `File::open`, and if it is no ordinary file.
pub fn fingerprint(path: &Path) -> io::Result<([u8; 32], u32)> {
    let (file, metadata) = open(path)?;
    let mut hash = Sha256::new();
    if metadata.len() > LIMIT {
        let marks = [metadata.dev(), metadata.ino(), metadata.len()];
        let times = [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()];
        hash.update(marks.map(u64::to_be_bytes).as_flattened());
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
    // Before it is opened, since a device may do something then.
    ordinary(&path.metadata()?)?;
    // It may be another one by now: opening a FIFO would wait for its writer.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let metadata = file.metadata()?;
    ordinary(&metadata)?;
    Ok((file, metadata))
}

fn ordinary(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        return Err(io::Error::other("it is a FIFO, a socket or a device, expected an ordinary file"));
    }
    Ok(())
}

fn too_large(limit: u64) -> io::Error {
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
            let expected = "it is a FIFO, a socket or a device, expected an ordinary file";
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
        // More than any disk or memory here holds.
        File::create(&path).unwrap().set_len(1 << 42).unwrap();
        let before = fingerprint(&path).unwrap();
        assert_eq!(before, fingerprint(&path).unwrap());
        assert_eq!(read(&path, LIMIT).unwrap_err().kind(), ErrorKind::FileTooLarge);
        File::options().write(true).open(&path).unwrap().set_len(1 << 41).unwrap();
        assert_ne!(before, fingerprint(&path).unwrap(), "a change is seen");
    }

    #[test]
    fn a_file_that_anybody_can_write_is_not_read() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "x").unwrap();
        for (mode, is_loose) in [(0o666, true), (0o602, true), (0o777, true), (0o664, false), (0o644, false)]
        {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let read = read_with_mode(&path, LIMIT);
            match &read {
                Err(error) => assert_eq!(Loose::of(error), Some(&Loose { mode }), "{mode:o}"),
                Ok(content) => assert_eq!(content.mode, mode),
            }
            assert_eq!(read.is_err(), is_loose, "{mode:o}");
            assert_eq!(fingerprint(&path).unwrap().1 & 0o777, mode, "a change of mode is a change");
        }
    }

    #[test]
    fn a_large_file_is_hashed_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let bytes: Vec<u8> = (0..200_000_u32).flat_map(u32::to_be_bytes).collect();
        fs::write(&path, &bytes).unwrap();
        assert_eq!(fingerprint(&path).unwrap().0, <[u8; 32]>::from(Sha256::digest(&bytes)));
    }
}
