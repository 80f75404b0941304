//! Errors of PEM and DER files, with instructions for the operator.

use std::fmt;

use super::kind::{Kind, Wanted};
use crate::text::suggest::shell_word;

/// Why a file cannot be used.
///
/// `Display` directly follows the file's name: `, line 3: found ...` or ` is empty`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    line: Option<usize>,
    what: String,
    help: Option<&'static str>,
}

impl Fault {
    /// An error of the whole file: a predicate, such as `is empty`.
    pub(super) fn of_file(what: impl Into<String>) -> Self {
        Self { line: None, what: what.into(), help: None }
    }

    /// An error at a line, from 1.
    pub(super) fn at(line: usize, what: impl Into<String>) -> Self {
        Self { line: Some(line), what: what.into(), help: None }
    }

    /// An error in the section that begins on this line, or in a DER file.
    pub(super) fn of_object(line: Option<usize>, what: &str) -> Self {
        match line {
            Some(line) => Self::at(line, what),
            None => Self::of_file(format!("cannot be used: {what}")),
        }
    }

    pub(super) fn help(self, help: &'static str) -> Self {
        Self { help: Some(help), ..self }
    }

    /// An object of another kind; without a line, the whole file.
    pub(super) fn unexpected(wanted: Wanted, kind: &Kind, line: Option<usize>) -> Self {
        let what = match line {
            Some(_) => format!("found {kind}, expected {wanted}"),
            None => format!("is {kind}, expected {wanted}"),
        };
        Self { line, what, help: Some(kind.help(wanted, line.is_none())) }
    }

    /// The file does not contain what is wanted.
    pub(super) fn missing(wanted: Wanted) -> Self {
        let (noun, boundary) = wanted.described();
        Self::of_file(format!("contains no {noun} (no \"{boundary}\" line)"))
    }

    pub(super) fn second_key(line: usize, first: usize) -> Self {
        let what = format!("found a second private key; the first begins on line {first}, expected one");
        Self::at(line, what).help("leave the key of the certificate in the file, and remove the other one")
    }

    pub(super) fn second_public_key(line: usize, first: usize) -> Self {
        let what =
            format!("found a second key or certificate; the first begins on line {first}, expected one");
        Self::at(line, what).help("keep one in the file, and register the other as a second credential")
    }

    /// How to fix the file, if known: a command or step for a file with this name.
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
