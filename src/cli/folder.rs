//! Why a command cannot write into a folder, and what to do.

use std::{fmt::Display, path::Path};

use crate::config::Fault;

/// The fault of a folder that is created if it does not exist.
pub(super) fn cannot_write(path: &Path, error: impl Display) -> Fault {
    let file = path.ancestors().find(|path| path.exists()).filter(|path| !path.is_dir());
    match file {
        Some(file) => Fault::new(format!(
            "{} is not a folder: nothing was written; expected a folder, or a name that does not exist yet",
            file.display()
        ))
        .help("give another folder, which is created if it does not exist"),
        None => Fault::new(format!("cannot write into the folder {}: {error}", path.display()))
            .help("give a folder in which this user can create files, on a disk with free space"),
    }
}
