//! What is wrong with a configuration: what, where, found, expected, what to do.

mod json;

use std::{cmp::Reverse, fmt};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet, normalize_untrusted_str};

use super::span::Span;
use crate::clock::Timestamp;

pub use self::json::{records, to_json};

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration works, but is dangerous.
    Warning,
    /// The configuration cannot be used.
    Error,
}

impl Severity {
    /// Its name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One problem of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether it stops the configuration from being used.
    pub severity: Severity,
    /// The position; boxed to keep results small.
    pub span: Box<Span>,
    /// The key, such as `domain.client_auth`.
    pub key: String,
    /// What is wrong: found and expected, in one sentence without a full stop.
    pub what: String,
    /// How to fix it.
    pub help: Option<String>,
    /// When it ends without any change: a certificate that is not valid yet becomes valid.
    pub ends: Option<Timestamp>,
    /// Whether a start is refused for it, though a reload is not.
    pub prevents_start: bool,
}

impl Problem {
    /// An error.
    pub fn error(span: &Span, key: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            span: Box::new(span.clone()),
            key: key.into(),
            what: what.into(),
            help: None,
            ends: None,
            prevents_start: false,
        }
    }

    /// Makes an error of a start a warning of a reload: what was removed must not work any longer, even if an application still needs it.
    pub(crate) fn tolerate(&mut self) {
        if self.severity == Severity::Error {
            self.severity = Severity::Warning;
            self.prevents_start = true;
        }
    }

    /// A warning.
    pub fn warning(span: &Span, key: impl Into<String>, what: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(span, key, what) }
    }

    /// The same problem with this help.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// What is wrong with a text or a file, before it is known which key has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What was found and what was expected, in one sentence without a full stop.
    pub what: String,
    /// How to fix it.
    pub help: Option<String>,
    /// Whether the help ends with the rule by which relative paths are resolved, once it is known which file has the path.
    pub explains_base: bool,
}

impl Fault {
    /// A fault without help.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), help: None, explains_base: false }
    }

    /// The same fault with this help.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The same fault, with this help if it has none yet.
    #[must_use]
    pub fn or_help(self, help: impl Into<String>) -> Self {
        if self.help.is_some() { self } else { self.help(help) }
    }

    /// The error at the position of a key's value.
    #[must_use]
    pub fn at(self, span: &Span, key: impl Into<String>) -> Problem {
        let rule = |help| format!("{help}; a relative path is resolved against {}", span.source.base());
        let help = if self.explains_base { self.help.map(rule) } else { self.help };
        Problem { help, ..Problem::error(span, key, self.what) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Fault {}

impl fmt::Display for Problem {
    /// One line for the log: `edge.toml:12:15: domain.client_auth: found ...; did you mean ...?`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.span)?;
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.what)?;
        if let Some(help) = &self.help {
            write!(f, "; {}", help.replace('\n', " "))?;
        }
        Ok(())
    }
}

/// Renders problems for a terminal: each with its line and its help, then the number of errors and warnings.
///
/// They are sorted by file and position; of two at one position, the error is first.
#[must_use]
pub fn render(problems: &[Problem], color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut text = String::new();
    for problem in sorted(problems) {
        text.push_str(&renderer.render(&[report(problem)]));
        text.push_str("\n\n");
    }
    let errors = total(count(problems, Severity::Error), "error");
    text + &errors + ", " + &total(count(problems, Severity::Warning), "warning") + "\n"
}

/// By file and position; of two at one position, the error is first.
fn sorted(problems: &[Problem]) -> Vec<&Problem> {
    let mut sorted: Vec<&Problem> = problems.iter().collect();
    sorted.sort_by_key(|p| (p.span.source.path(), p.span.range.start, Reverse(p.severity)));
    sorted
}

fn count(problems: &[Problem], severity: Severity) -> usize {
    problems.iter().filter(|p| p.severity == severity).count()
}

fn report(problem: &Problem) -> Group<'_> {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let what = match problem.key.as_str() {
        "" => problem.what.clone(),
        key => format!("{key}: {}", problem.what),
    };
    let path = problem.span.source.path().display().to_string();
    let group = Group::with_title(level.primary_title(what));
    let group = match problem.span.shown_line() {
        None => group.element(Origin::path(path)),
        Some((line, span)) => {
            let shown = Snippet::source(line).path(path).line_start(problem.span.line());
            group.element(shown.annotation(AnnotationKind::Primary.span(span)))
        }
    };
    match &problem.help {
        Some(help) => group.element(Level::HELP.message(printable(help))),
        None => group,
    }
}

/// Escapes control characters: help may quote what an operator wrote.
fn printable(help: &str) -> String {
    help.split('\n').map(normalize_untrusted_str).collect::<Vec<_>>().join("\n")
}

fn total(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
