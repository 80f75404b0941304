//! Problems as a JSON document, for programs. docs/operate.md documents its members.

use serde_json::{Map, Value};

use super::{Problem, Severity, count, sorted};

/// All problems in the order of [`render`](super::render), and how many are errors and warnings.
#[must_use]
pub fn to_json(problems: &[Problem]) -> Map<String, Value> {
    let members = [
        ("problems", records(problems).into()),
        ("errors", count(problems, Severity::Error).into()),
        ("warnings", count(problems, Severity::Warning).into()),
    ];
    members.into_iter().map(|(name, value): (&str, Value)| (name.to_owned(), value)).collect()
}

/// The members of each problem, in the same order.
#[must_use]
pub fn records(problems: &[Problem]) -> Vec<Map<String, Value>> {
    sorted(problems).into_iter().map(record).collect()
}

fn record(problem: &Problem) -> Map<String, Value> {
    let span = &problem.span;
    // Secrets in it are masked.
    let shown = span.shown_line();
    let found = shown.as_ref().and_then(|(line, within)| line.get(within.clone()));
    // Messages have this form if something else was expected. What was found, and may be quoted, is before it.
    let expected = problem.what.rsplit_once(", expected ").map(|(_, expected)| expected);
    let members = [
        ("severity", problem.severity.name().into()),
        ("file", span.source.path().to_string_lossy().into()),
        ("line", shown.is_some().then(|| span.line()).into()),
        ("column", shown.is_some().then(|| span.column()).into()),
        ("key", Some(&*problem.key).filter(|key| !key.is_empty()).into()),
        ("message", problem.what.as_str().into()),
        ("found", found.filter(|found| !found.is_empty()).into()),
        ("expected", expected.into()),
        ("help", problem.help.as_deref().into()),
    ];
    members.into_iter().map(|(name, value): (&str, Value)| (name.to_owned(), value)).collect()
}
