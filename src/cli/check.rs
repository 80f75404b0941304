//! `check`: reports all problems of a configuration.

use std::{path::Path, process::ExitCode};

use super::{print, resolve::unresolved};
use crate::{
    clock::Clock,
    config::Severity,
    load::{build, check_open_files, public_authorities},
};

/// Builds everything that `run` would build, and prints the problems. Exits 1 if one is an error, or if `strict` and
/// there is one at all; else 0.
pub(super) fn check(config: &Path, strict: bool) -> ExitCode {
    let mut built = build(config, None, &Clock::System);
    if let Some((settings, _)) = &built.site {
        built.problems.extend(public_authorities(settings));
        built.problems.extend(check_open_files(settings));
        built.problems.extend(unresolved(settings));
    }
    let failed = strict || built.problems.iter().any(|problem| problem.severity == Severity::Error);
    if built.problems.is_empty() {
        return print::result(format_args!("{}: no problems\n", config.display()), ExitCode::SUCCESS);
    }
    print::problems(&built.problems);
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
