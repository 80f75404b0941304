//! `completions`: prints the completion script of a shell.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, print};

/// Prints the script, as the shell sources it.
pub(super) fn completions(shell: Shell) -> ExitCode {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    // Into memory first: clap_complete panics if it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    print::result(String::from_utf8_lossy(&script), ExitCode::SUCCESS)
}
