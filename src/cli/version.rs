//! `version`: the facts of this build, for a bug report.

use std::{fmt::Write, process::ExitCode};

use super::print;
use crate::build_facts::FACTS;

/// Prints one fact per line, or all as a JSON object.
pub(super) fn version(json: bool) -> ExitCode {
    if json {
        let facts: serde_json::Map<_, _> =
            FACTS.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        return print::result(format_args!("{:#}\n", serde_json::Value::Object(facts)), ExitCode::SUCCESS);
    }
    let mut text = format!("mtls-edge {}\n", env!("CARGO_PKG_VERSION"));
    for (name, value) in FACTS.iter().filter(|(name, _)| *name != "version") {
        let _ = writeln!(text, "  {name:<12} {value}");
    }
    print::result(text, ExitCode::SUCCESS)
}
