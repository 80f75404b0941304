//! Writes a fetched document into its file, whole or not at all.

use std::{
    fs::{DirBuilder, Permissions},
    io::Write,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::Path,
};

/// Writes beside the file, then renames over it, so that nobody ever reads a part.
pub(super) fn write(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Nobody else may replace files in it, whatever the umask.
    DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    let mut beside = tempfile::NamedTempFile::new_in(folder)?;
    beside.write_all(bytes)?;
    // The document is public.
    beside.as_file().set_permissions(Permissions::from_mode(0o644))?;
    beside.as_file().sync_all()?;
    beside.persist(file)?;
    Ok(())
}
