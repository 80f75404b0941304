//! Reads the files that a configuration names: ordinary files only, of a bounded size.
//!
//! A FIFO would hold the reader for ever and `/dev/zero` would fill the memory; both can stand where an operator means a file.

use std::{
    fs::{File, Metadata},
    io::{self, BufRead, BufReader, ErrorKind, Read},
    path::Path,
};

use sha2::{Digest, Sha256};

/// The most bytes of a file with certificates, a CRL, a key or a secret.
pub const LIMIT: u64 = 64 << 20;

/// The most bytes of a TOML file: some millions of applications.
pub(super) const TOML_LIMIT: u64 = 1 << 30;

/// All bytes of a file.
///
/// # Errors
///
/// As `File::open`; and if it is no ordinary file, or has more than `limit` bytes. The text is to stand behind "can't be read: ".
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let (file, metadata) = open(path, limit)?;
    // At once as large as is needed: no copy of a secret is left behind by growing.
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default() + 1);
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(too_large(limit)) } else { Ok(bytes) }
}

/// SHA-256 of a file, which need not fit into memory.
///
/// # Errors
///
/// As [`read`], for the limit of the largest kind of file.
pub fn sha256(path: &Path) -> io::Result<[u8; 32]> {
    let (file, _) = open(path, TOML_LIMIT)?;
    let mut reader = BufReader::with_capacity(1 << 16, file.take(TOML_LIMIT));
    let mut hash = Sha256::new();
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return Ok(hash.finalize().into());
        }
        hash.update(bytes);
        let count = bytes.len();
        reader.consume(count);
    }
}

fn open(path: &Path, limit: u64) -> io::Result<(File, Metadata)> {
    // Before it is opened, since opening a FIFO waits for a writer.
    let metadata = path.metadata()?;
    if metadata.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        return Err(io::Error::other("it is a FIFO, a socket or a device, expected an ordinary file"));
    }
    if metadata.len() > limit {
        return Err(too_large(limit));
    }
    Ok((File::open(path)?, metadata))
}

fn too_large(limit: u64) -> io::Error {
    io::Error::new(ErrorKind::FileTooLarge, format!("it has more than {} MiB", limit >> 20))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::net::UnixListener};

    use super::*;

    #[test]
    fn what_is_no_ordinary_file_is_refused_without_waiting_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let (socket, fifo) = (folder.path().join("socket"), folder.path().join("fifo"));
        let _listener = UnixListener::bind(&socket).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        for path in [&socket, &fifo, Path::new("/dev/zero"), Path::new("/dev/null")] {
            let expected = "it is a FIFO, a socket or a device, expected an ordinary file";
            assert_eq!(read(path, LIMIT).unwrap_err().to_string(), expected, "{path:?}");
            assert_eq!(sha256(path).unwrap_err().to_string(), expected, "{path:?}");
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
        assert_eq!(sha256(&path).unwrap(), <[u8; 32]>::from(Sha256::digest(b"12345678")));
        File::options().write(true).open(&path).unwrap().set_len(TOML_LIMIT + 1).unwrap();
        assert_eq!(read(&path, TOML_LIMIT).unwrap_err().to_string(), "it has more than 1024 MiB");
        assert_eq!(sha256(&path).unwrap_err().kind(), ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_large_file_is_hashed_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let bytes: Vec<u8> = (0..200_000_u32).flat_map(u32::to_be_bytes).collect();
        fs::write(&path, &bytes).unwrap();
        assert_eq!(sha256(&path).unwrap(), <[u8; 32]>::from(Sha256::digest(&bytes)));
    }
}
