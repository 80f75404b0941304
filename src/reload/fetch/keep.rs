//! Puts a list into its file, whole or not at all.

use std::{
    fs::{DirBuilder, Permissions},
    io::Write,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::Path,
};

use crate::{
    clock::Timestamp,
    config::settings::{CrlSource, Trust},
    load::judge_fetched,
};

/// Keeps what was fetched if it may take the place of what is there. Whether it is another list.
pub(super) fn keep(trust: &Trust, source: &CrlSource, bytes: &[u8], now: Timestamp) -> Result<bool, String> {
    let file = &source.file.value;
    let is_other = judge_fetched(trust, source, bytes, now)?;
    if is_other {
        write(file, bytes).map_err(|error| format!("{} can't be written: {error}", file.display()))?;
    }
    Ok(is_other)
}

/// Beside the file, then over it, so that nobody ever reads a part.
fn write(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Nobody else may replace what is in it, whatever the umask.
    DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    let mut beside = tempfile::NamedTempFile::new_in(folder)?;
    beside.write_all(bytes)?;
    // A list is public.
    beside.as_file().set_permissions(Permissions::from_mode(0o644))?;
    beside.as_file().sync_all()?;
    beside.persist(file)?;
    Ok(())
}
