//! Problems as a JSON document, for programs. docs/operate.md documents its members.

use serde_json::{Value, json};

use super::{Problem, Severity, count, sorted};

/// All problems in the order of [`render`](super::render), and how many are errors and warnings.
#[must_use]
pub fn to_json(problems: &[Problem]) -> Value {
    json!({
        "problems": sorted(problems).into_iter().map(problem).collect::<Vec<_>>(),
        "errors": count(problems, Severity::Error),
        "warnings": count(problems, Severity::Warning),
    })
}

fn problem(problem: &Problem) -> Value {
    let span = &problem.span;
    // Secrets in it are masked.
    let shown = span.shown_line();
    let found = shown.as_ref().and_then(|(line, within)| line.get(within.clone()));
    json!({
        "severity": match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "file": span.source.path().to_string_lossy(),
        "line": shown.is_some().then(|| span.line()),
        "column": shown.is_some().then(|| span.column()),
        "key": (!problem.key.is_empty()).then_some(&problem.key),
        "message": problem.what,
        "found": found.filter(|found| !found.is_empty()),
        "help": problem.help,
    })
}
