//! What a reload says of problems: a file of 100,000 mistakes makes no log of as many lines.

use crate::config::{Problem, Severity};

/// Told of one reload. `check` tells all.
const MOST: usize = 20;

/// The errors, in one line.
pub(super) fn errors(problems: &[Problem]) -> String {
    let (told, more) = first(problems, Severity::Error);
    let told: Vec<String> = told.iter().map(ToString::to_string).collect();
    let told = told.join(" | ");
    if more == 0 { told } else { format!("{told} | and {more} more: `mtls-edge check` tells all") }
}

/// Logs the warnings, one a line.
pub(super) fn warnings(problems: &[Problem]) {
    let (told, more) = first(problems, Severity::Warning);
    for problem in told {
        tracing::warn!("{problem}");
    }
    if more > 0 {
        tracing::warn!("and {more} more warnings: `mtls-edge check` tells all");
    }
}

/// The first ones of a kind, and how many there are beside.
fn first(problems: &[Problem], severity: Severity) -> (Vec<&Problem>, usize) {
    let of_kind = || problems.iter().filter(|problem| problem.severity == severity);
    (of_kind().take(MOST).collect(), of_kind().skip(MOST).count())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::{Source, Span};

    #[test]
    fn of_many_problems_the_first_are_told() {
        let place = Span { source: Arc::new(Source::empty()), range: 0..0 };
        let problems: Vec<_> =
            (0..1000).map(|number| Problem::error(&place, "key", number.to_string())).collect();
        let told = errors(&problems);
        assert!(told.starts_with("edge.toml: key: 0 | edge.toml: key: 1 | "), "{told}");
        assert!(
            told.ends_with(" | edge.toml: key: 19 | and 980 more: `mtls-edge check` tells all"),
            "{told}"
        );
        assert_eq!(errors(&problems[..1]), "edge.toml: key: 0");
    }
}
