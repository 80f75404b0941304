//! What is wrong with a configuration: what, where, found, expected, what to do.

use super::place::Place;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It works, but is dangerous.
    Warning,
    /// The configuration cannot be used.
    Error,
}

/// One problem, for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether it stops the configuration from being used.
    pub severity: Severity,
    /// Where; boxed since most results carry none.
    pub place: Box<Place>,
    /// The key, as `domain.client_auth`.
    pub key: String,
    /// What is wrong: found and expected, in one sentence without a full stop.
    pub what: String,
    /// What would do.
    pub help: Option<String>,
}

impl Problem {
    /// A problem that stops the configuration from being used.
    pub fn error(place: &Place, key: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            place: Box::new(place.clone()),
            key: key.into(),
            what: what.into(),
            help: None,
        }
    }

    /// Something that works but is dangerous.
    pub fn warning(place: &Place, key: impl Into<String>, what: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(place, key, what) }
    }

    /// The same problem with what would do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
