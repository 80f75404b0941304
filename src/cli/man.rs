//! `man`: writes the man pages.

use std::{fs, path::Path, process::ExitCode};

use clap::CommandFactory;

use super::{Cli, folder::cannot_write, print};

/// Writes `mtls-edge.1` and one page for each command into `dir`, which is created if it does not exist.
pub(super) fn man(dir: &Path) -> ExitCode {
    // The pages of help would be of `help` alone.
    let command = Cli::command().disable_help_subcommand(true);
    let written = fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(command, dir));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => print::unusable(cannot_write(dir, error)),
    }
}
