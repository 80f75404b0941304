//! Problems in the log, bounded: a file with 100,000 mistakes does not log as many lines.

use std::path::Path;

use crate::{
    config::{Problem, Severity, settings::Settings},
    source::Conflict,
};

/// Logged per reload. `check` prints all.
const MOST: usize = 20;

/// Why a configuration is reloaded: the names of the files that have changed.
pub(super) fn changed(names: &[String]) -> String {
    format!("changed: {}", listed(names))
}

fn listed(names: &[String]) -> String {
    let (first, more) = names.split_at(names.len().min(MOST));
    let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
    first.join(", ") + &more
}

/// The errors, in one line.
pub(super) fn errors(problems: &[Problem]) -> String {
    in_one_line(problems, |problem| problem.severity == Severity::Error)
}

/// Why the next start will be refused, in one line; none if it will not.
pub(super) fn of_start(problems: &[Problem]) -> Option<String> {
    let prevents = |problem: &Problem| problem.prevents_start;
    problems.iter().any(prevents).then(|| in_one_line(problems, prevents))
}

/// Files that are written to whenever they are read, in one line.
pub(super) fn rewritten(files: &[&Path]) -> String {
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let names = listed(&names);
    format!("{names}: written to whenever the edge reads it; write another file, and rename it to this one")
}

/// The files register what another source has registered.
pub(super) fn conflict(settings: &Settings, conflict: &Conflict) -> Problem {
    Problem::error(&settings.trust.applications.span, "trust.applications", conflict.to_string())
        .help("register each application in one place only")
}

fn in_one_line(problems: &[Problem], is_listed: impl Fn(&Problem) -> bool) -> String {
    let (listed, more) = first(problems, is_listed);
    let listed: Vec<String> = listed.iter().map(ToString::to_string).collect();
    let listed = listed.join(" | ");
    if more == 0 { listed } else { format!("{listed} | and {more} more: run `mtls-edge check` for all") }
}

/// Logs the warnings, one per line.
pub(super) fn warnings(problems: &[Problem]) {
    let (listed, more) = first(problems, |problem| problem.severity == Severity::Warning);
    for problem in listed {
        tracing::warn!("{problem}");
    }
    if more > 0 {
        tracing::warn!("and {more} more warnings: run `mtls-edge check` for all");
    }
}

/// The first of a kind, and the number of further ones.
fn first(problems: &[Problem], is_listed: impl Fn(&Problem) -> bool) -> (Vec<&Problem>, usize) {
    let of_kind = || problems.iter().filter(|problem| is_listed(problem));
    (of_kind().take(MOST).collect(), of_kind().skip(MOST).count())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::{Source, Span};

    #[test]
    fn the_first_of_many_problems_are_listed() {
        let place = Span { source: Arc::new(Source::empty()), range: 0..0 };
        let problems: Vec<_> =
            (0..1000).map(|number| Problem::error(&place, "key", number.to_string())).collect();
        let text = errors(&problems);
        assert!(text.starts_with("edge.toml: key: 0 | edge.toml: key: 1 | "), "{text}");
        assert!(
            text.ends_with(" | edge.toml: key: 19 | and 980 more: run `mtls-edge check` for all"),
            "{text}"
        );
        assert_eq!(errors(&problems[..1]), "edge.toml: key: 0");
    }
}
