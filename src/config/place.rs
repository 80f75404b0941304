//! Where a value stands in a configuration file.

use std::{fmt, ops::Range, path::PathBuf, sync::Arc};

/// One configuration file as it was read.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// The file's path as the operator wrote it, joined to the folder of the file that names it.
    pub path: PathBuf,
    /// The whole text, from which diagnostics show the line.
    pub text: String,
}

/// A range of bytes in a [`Source`]: what a diagnostic points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub source: Arc<Source>,
    /// Byte offsets into [`Source::text`].
    pub span: Range<usize>,
}

/// A value together with the place where the operator wrote it.
///
/// A value that was left to its default has the place of the table it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub place: Place,
}

impl<T> Located<T> {
    /// The same place with another value, as when a name is resolved.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Located<U> {
        Located { value: f(self.value), place: self.place }
    }
}

impl Place {
    /// The line (from 1) on which the place starts.
    #[must_use]
    pub fn line(&self) -> usize {
        let before = self.source.text.as_bytes().get(..self.span.start).unwrap_or_default();
        before.split(|b| *b == b'\n').count()
    }

    /// The column (from 1, in characters) at which the place starts.
    #[must_use]
    pub fn column(&self) -> usize {
        let before = self.source.text.get(..self.span.start).unwrap_or_default();
        before.chars().rev().take_while(|c| *c != '\n').count() + 1
    }
}

impl fmt::Display for Place {
    /// `edge.toml:12:15`; the path alone where there is no text to point into.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.source.path.display();
        if self.source.text.is_empty() {
            return write!(f, "{path}");
        }
        write!(f, "{path}:{}:{}", self.line(), self.column())
    }
}
