//! `check`: reports all problems of a configuration.

mod probe;

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::Value;

use self::probe::Probed;
use super::{print, resolve::unresolved};
use crate::{
    acme::Outlook,
    clock::Clock,
    config::{Input, Severity, to_json},
    load::{Purpose, build, check_backlog, check_memory, check_open_files, public_authorities},
};

/// How problems are printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// What to check, and how to print the problems.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// How to print the problems: as text on standard error, or as one JSON object on standard output.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Exit 1 on warnings, too.
    #[arg(long)]
    strict: bool,
    /// Also bind the addresses, connect to the upstreams, fetch CRLs, key sets and the ACME directory, check that their files can be written, and that the kernel queues enough connections.
    #[arg(long)]
    probe: bool,
}

/// Builds everything that `run` would build, and prints the problems. Exits 1 if one is an error, or if `strict` and
/// there is one at all; else 0.
pub(super) fn check(config: &Input, options: &Options) -> ExitCode {
    let mut built = build(config, Purpose::Check, &Clock::System);
    let (mut probed, mut outlook) = (Vec::new(), Vec::<Outlook>::new());
    if let Some((settings, site)) = &built.site {
        outlook = Outlook::of(settings, Clock::System.now()).collect();
        built.problems.extend(public_authorities(settings));
        built.problems.extend(check_open_files(settings));
        if options.probe {
            built.problems.extend(check_backlog(settings).into_iter().chain(check_memory(settings)));
            match probe::probe(settings, site, &built.key_sets) {
                Ok(all) => probed = all,
                Err(error) => return print::failure(error),
            }
        } else {
            built.problems.extend(unresolved(settings));
        }
    }
    let members: Vec<_> = probed.iter().map(Probed::to_json).collect();
    let orders = serde_json::json!(outlook);
    let lines = outlook.iter().map(Outlook::to_string).chain(probed.iter().map(Probed::line));
    let results = lines.collect::<String>();
    built.problems.extend(probed.into_iter().filter_map(|probed| probed.failure));
    let is_failure = |severity| options.strict || severity == Severity::Error;
    let failed = built.problems.iter().any(|problem| is_failure(problem.severity));
    let code = if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    match options.format {
        Format::Json => {
            let mut document = to_json(&built.problems);
            document.insert("acme".to_owned(), orders);
            document.insert("probes".to_owned(), members.into());
            print::result(format_args!("{:#}\n", Value::Object(document)), code)
        }
        Format::Text if built.problems.is_empty() => {
            print::result(format_args!("{results}{}: no problems\n", config.path().display()), code)
        }
        Format::Text => {
            print::problems(&built.problems);
            print::result(results, code)
        }
    }
}
