//! What is wrong with a file, in words for its operator.

use std::fmt;

use super::kind::{Kind, Wanted};
use crate::text::suggest::shell_word;

/// Why a file can't be used.
///
/// Displayed, it is to follow the file's name directly: `, line 3: found ...` or ` is empty`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    line: Option<usize>,
    what: String,
    help: Option<&'static str>,
}

impl Fault {
    /// Of the file as a whole: a predicate, such as `is empty`.
    pub(super) fn of_file(what: impl Into<String>) -> Self {
        Self { line: None, what: what.into(), help: None }
    }

    /// At a line, from 1.
    pub(super) fn at(line: usize, what: impl Into<String>) -> Self {
        Self { line: Some(line), what: what.into(), help: None }
    }

    /// In the section that begins on this line, or in a DER file.
    pub(super) fn of_object(line: Option<usize>, what: &str) -> Self {
        match line {
            Some(line) => Self::at(line, what),
            None => Self::of_file(format!("can't be used: {what}")),
        }
    }

    pub(super) fn help(self, help: &'static str) -> Self {
        Self { help: Some(help), ..self }
    }

    /// Something else than what is wanted; without a line: the whole file is it.
    pub(super) fn unexpected(wanted: Wanted, kind: &Kind, line: Option<usize>) -> Self {
        let what = match line {
            Some(_) => format!("found {kind}, expected {wanted}"),
            None => format!("is {kind}, expected {wanted}"),
        };
        Self { line, what, help: Some(kind.help(wanted, line.is_none())) }
    }

    /// Nothing of what is wanted.
    pub(super) fn missing(wanted: Wanted) -> Self {
        let (noun, boundary) = wanted.described();
        Self::of_file(format!("holds no {noun} (no \"{boundary}\" line)"))
    }

    pub(super) fn second_key(line: usize, first: usize) -> Self {
        let what = format!("found a second private key; the first begins on line {first}, expected one");
        Self::at(line, what).help("leave the key of the certificate in the file, and remove the other one")
    }

    /// How to make a file that can be used of this one, if that can be said, for a file of this name.
    #[must_use]
    pub fn help_for(&self, file: &str) -> Option<String> {
        let new = shell_word(&format!("{file}.new"));
        Some(self.help?.replace("{file}", &shell_word(file)).replace("{new}", &new))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, ", line {line}: {}", self.what),
            None => write!(f, " {}", self.what),
        }
    }
}
