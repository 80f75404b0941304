//! Problems of the log file.

use std::{io, path::Path};

use crate::config::{Problem, settings::Settings};

/// The problem of a log file that cannot be opened.
#[must_use]
pub fn cannot_open_log(settings: &Settings, file: &Path, error: &io::Error) -> Problem {
    let folder = file.parent().unwrap_or(file).display();
    let help = match error.kind() {
        io::ErrorKind::NotFound => format!(
            "make its folder: install -d -o mtls-edge -g mtls-edge -m 0750 {folder}; in the systemd unit: LogsDirectory=mtls-edge"
        ),
        io::ErrorKind::PermissionDenied => {
            format!(
                "the user of the edge must be allowed to write in {folder}; in the systemd unit: LogsDirectory=mtls-edge"
            )
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            format!("in the systemd unit write LogsDirectory=mtls-edge, or ReadWritePaths={folder}")
        }
        io::ErrorKind::StorageFull => "make room on its file system".to_owned(),
        _ => "write the path of a file that can be appended to".to_owned(),
    };
    let span = settings.spans.get("log.file").unwrap_or(&settings.listen.admin.span);
    Problem::error(span, "log.file", format!("cannot open {}: {error}", file.display())).help(help)
}
