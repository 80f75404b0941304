//! Whether the edge can write its files: nothing is written.

use std::{
    io,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access, statvfs};

use super::{Probed, ordering};
use crate::{
    config::{
        Problem, Spanned,
        settings::{Acme, Settings},
    },
    load::{WantedKeySet, cannot_open_log},
};

/// The free bytes below which a file system counts as full.
const ROOM: u64 = 1024 * 1024;
/// What is needed to create a file in a folder.
const WRITE_INTO: Access = Access::WRITE_OK.union(Access::EXEC_OK);

/// Tries each file and folder.
pub(super) fn probe(settings: &Settings, key_sets: &[WantedKeySet]) -> Vec<Probed> {
    let mut probed = Vec::from_iter(settings.log.to.file().map(|file| append(settings, file)));
    probed.extend(fetched(settings, key_sets).map(replace));
    probed.extend(ordering(settings).map(keep_state));
    probed
}

/// Checks that lines can be appended to the log file, or that it can be created.
fn append(settings: &Settings, file: &Path) -> Probed {
    let needed =
        if file.exists() { accept(file, Access::WRITE_OK) } else { accept(folder(file), WRITE_INTO) };
    let failure = needed.err().map(|error| cannot_open_log(settings, file, &error));
    Probed::new(format!("write {}", file.display()), failure)
}

/// The files that the edge fetches.
fn fetched<'a>(
    settings: &'a Settings,
    key_sets: &'a [WantedKeySet],
) -> impl Iterator<Item = &'a Spanned<PathBuf>> {
    let crls = settings.trust.crl_sources.iter().map(|source| &source.file);
    crls.chain(key_sets.iter().map(|wanted| &wanted.source.file))
}

/// Checks that a file can be replaced: it is written beside, and renamed.
fn replace(file: &Spanned<PathBuf>) -> Probed {
    let folder = folder(&file.value);
    let failure = accept(folder, WRITE_INTO).err().map(|error| {
        let what = format!("{}: cannot write into this folder: {error}", folder.display());
        let help = help(&error, "create it, and give the user that runs the edge the right to write into it");
        Problem::error(&file.span, "", what).help(help)
    });
    Probed::new(format!("write {}", file.value.display()), failure)
}

/// Checks that the folder of ACME's files can be written, or created.
fn keep_state(acme: &Acme) -> Probed {
    let state = acme.state.as_path();
    let existing = state.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    let failure = accept(existing, WRITE_INTO).err().map(|error| {
        let what = format!("{}: cannot write into this folder: {error}", existing.display());
        let help = help(
            &error,
            "give the user that runs the edge the right to write into it, or name another folder",
        );
        Problem::error(&acme.directory.span, "acme.state", what).help(help)
    });
    Probed::new(format!("write {}", state.display()), failure)
}

/// Fails if this process must not write there, or the file system has no room. A quota is not seen.
fn accept(path: &Path, needed: Access) -> io::Result<()> {
    access(path, needed)?;
    let found = statvfs(path)?;
    // Some file systems have no such number: all are zero.
    let is_full = found.f_blocks > 0 && found.f_bavail.saturating_mul(found.f_frsize) < ROOM;
    // Only a new file needs one.
    let has_no_inode = needed == WRITE_INTO && found.f_files > 0 && found.f_favail == 0;
    if is_full || has_no_inode {
        let what = "less than 1 MiB, or no inode, is free";
        return Err(io::Error::new(io::ErrorKind::StorageFull, what));
    }
    Ok(())
}

fn help(error: &io::Error, otherwise: &'static str) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull => "make room on its file system",
        _ => otherwise,
    }
}

fn folder(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
