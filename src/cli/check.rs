//! `check`: reports all problems of a configuration.

use std::{path::Path, process::ExitCode};

use clap::ValueEnum;

use super::{print, resolve::unresolved};
use crate::{
    clock::Clock,
    config::{Severity, to_json},
    load::{build, check_open_files, public_authorities},
};

/// How problems are printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

/// Builds everything that `run` would build, and prints the problems. Exits 1 if one is an error, or if `strict` and
/// there is one at all; else 0.
pub(super) fn check(config: &Path, format: Format, strict: bool) -> ExitCode {
    let mut built = build(config, None, &Clock::System);
    if let Some((settings, _)) = &built.site {
        built.problems.extend(public_authorities(settings));
        built.problems.extend(check_open_files(settings));
        built.problems.extend(unresolved(settings));
    }
    let is_failure = |severity| strict || severity == Severity::Error;
    let failed = built.problems.iter().any(|problem| is_failure(problem.severity));
    let code = if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    match format {
        Format::Json => print::result(format_args!("{:#}\n", to_json(&built.problems)), code),
        Format::Text if built.problems.is_empty() => {
            print::result(format_args!("{}: no problems\n", config.display()), code)
        }
        Format::Text => {
            print::problems(&built.problems);
            code
        }
    }
}
