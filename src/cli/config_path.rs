//! Which configuration a command reads: the command line, else the environment, else the installed one.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;

use super::print;
use crate::config::Input;

/// The environment variable that names the configuration.
const VARIABLE: &str = "MTLS_EDGE_CONFIG";
/// Where the packages install it.
const INSTALLED: &str = "/etc/mtls-edge/edge.toml";

/// The configuration of a command that needs one.
#[derive(Debug, Args)]
pub(super) struct ConfigFile {
    /// The configuration file (edge.toml); - reads standard input. Default: $MTLS_EDGE_CONFIG, else /etc/mtls-edge/edge.toml.
    #[arg(short, long, value_name = "FILE", conflicts_with = "file")]
    config: Option<PathBuf>,
    /// The same as --config FILE.
    #[arg(value_name = "FILE", id = "file")]
    file: Option<PathBuf>,
}

impl ConfigFile {
    /// The configuration. Prints an error if there is none, and returns the exit code.
    pub(super) fn open(self) -> Result<Input, ExitCode> {
        self.find().and_then(open)
    }

    /// The path of the configuration. Prints an error if there is none, and returns the exit code.
    pub(super) fn find(self) -> Result<PathBuf, ExitCode> {
        find(self.config.or(self.file))
    }
}

/// The path of the configuration, which the command line may name. Prints an error if there is none, and returns the exit code.
pub(super) fn find(named: Option<PathBuf>) -> Result<PathBuf, ExitCode> {
    named.or_else(from_environment).or_else(installed).ok_or_else(|| {
        let code = print::failure(format_args!(
            "no configuration: the command line names none, {VARIABLE} is not set, and there is no {INSTALLED}"
        ));
        print::err(
            "help: give the file, such as --config edge.toml; `mtls-edge init DIR` writes one to start from\n",
        );
        code
    })
}

/// The configuration at a path, where `-` is standard input. Prints an error if that cannot be read, and returns the exit code.
pub(super) fn open(path: PathBuf) -> Result<Input, ExitCode> {
    if !is_standard_input(&path) {
        return Ok(path.into());
    }
    Input::standard_input().map_err(|error| {
        print::failure(format_args!("cannot read the configuration from standard input: {error}"))
    })
}

/// Whether the configuration is read from standard input. A file of that name is `./-`.
pub(super) fn is_standard_input(path: &Path) -> bool {
    path == Path::new("-")
}

/// Prints an error if a command's file and its configuration are both standard input, and returns the exit code.
pub(super) fn only_one_is_standard_input(file: &Path, config: Option<&Path>) -> Result<(), ExitCode> {
    if is_standard_input(file) && config.is_some_and(is_standard_input) {
        return Err(print::failure("standard input can be read only once: give FILE or --config as a file"));
    }
    Ok(())
}

/// The file that the environment names. An empty variable names none.
pub(super) fn from_environment() -> Option<PathBuf> {
    env::var_os(VARIABLE).filter(|path: &OsString| !path.is_empty()).map(PathBuf::from)
}

/// The installed configuration, also if it exists but cannot be read: the reader reports why.
fn installed() -> Option<PathBuf> {
    let path = Path::new(INSTALLED);
    path.try_exists().unwrap_or(true).then(|| path.to_owned())
}
