//! Replaces a file that the edge writes itself, whole or not at all.

use std::{
    fs::{DirBuilder, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Component, Path, PathBuf},
};

use super::{LIMIT, read, unreadable};

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

/// The path without links and `..`, as far as its folders exist, and as they will be created: two paths of one file are the same.
#[must_use]
pub fn resolved(path: &Path) -> PathBuf {
    let Ok(path) = std::path::absolute(path) else { return path.to_owned() };
    let mut here = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(here.pop()),
            other => here.push(other),
        }
        here = here.canonicalize().unwrap_or(here);
    }
    here
}

/// The content of the file that a fetched document is to replace; empty if there is none.
///
/// # Errors
///
/// Why the file is not replaced: it is an operator's ([`is_operators`]), or cannot be read.
pub fn replaceable(path: &Path, label: Option<&str>) -> Result<Vec<u8>, String> {
    let content = match read(&resolved(path), LIMIT) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            return Err(format!(
                "{}; it is not replaced by the fetched document",
                unreadable(path, &error).what
            ));
        }
    };
    if is_operators(path, &content, label) {
        let what = "contains something else than a cached document, and is not replaced by the fetched one";
        return Err(format!("{} {what}", path.display()));
    }
    Ok(content)
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
