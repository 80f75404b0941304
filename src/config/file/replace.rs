//! Replaces a file that the edge writes itself, whole or not at all.

use std::{
    fs::{DirBuilder, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Everybody: a public document.
    All,
    /// The edge's own user.
    Owner,
}

/// Whether a file is one that an operator writes: TOML, or PEM without a section of this kind. A document that was fetched does not replace
/// it, however its path is spelt.
#[must_use]
pub fn is_operators(file: &Path, content: &[u8], label: Option<&str>) -> bool {
    let has = |text: &[u8]| content.windows(text.len()).any(|window| window == text);
    let is_pem =
        has(b"-----BEGIN ") && !label.is_some_and(|label| has(format!("-----BEGIN {label}").as_bytes()));
    is_pem || file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"))
}

/// The path with all links resolved, or if it does not exist, with those of its folder: two paths of one file are the same.
#[must_use]
pub fn resolved(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let in_folder = || Some(folder.canonicalize().ok()?.join(path.file_name()?));
    path.canonicalize().ok().or_else(in_folder).unwrap_or_else(|| path.to_owned())
}

/// Writes beside the file, then renames over it, so that nobody ever reads a part.
///
/// # Errors
///
/// Those of the file system. The file has not changed then.
pub fn replace(file: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create_folder(folder)?;
    let mut beside = tempfile::NamedTempFile::new_in(folder)?;
    beside.write_all(bytes)?;
    let mode = match readers {
        Readers::All => 0o644,
        Readers::Owner => 0o600,
    };
    beside.as_file().set_permissions(Permissions::from_mode(mode))?;
    beside.as_file().sync_all()?;
    beside.persist(file)?;
    Ok(())
}

/// Creates a folder in which nobody else may replace files, whatever the umask. One that exists stays as it is.
///
/// # Errors
///
/// Those of the file system.
pub fn create_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(folder)
}
