//! Where a value stands in a configuration file.

use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use super::redact;

/// Finds the bytes of a text that are never to be shown.
type FindSecrets = fn(&str) -> Vec<Range<usize>>;

/// One configuration file as it was read.
pub struct Source {
    path: PathBuf,
    text: String,
    /// Finds what may be a secret: stars in all that is shown.
    find_secrets: FindSecrets,
    /// What it found, and where each line begins: asked for at the first problem.
    hidden: OnceLock<Vec<Range<usize>>>,
    lines: OnceLock<Vec<usize>>,
}

impl Source {
    /// A file of this path, as the operator wrote it joined to the folder of the file that names it, with its whole text.
    pub(super) fn new(path: impl Into<PathBuf>, text: impl Into<String>, find_secrets: FindSecrets) -> Self {
        let (hidden, lines) = (OnceLock::new(), OnceLock::new());
        Self { path: path.into(), text: text.into(), find_secrets, hidden, lines }
    }

    /// No text, for a value that no file has.
    #[cfg(test)]
    pub(crate) fn empty() -> Self {
        Self::new("edge.toml", "", |_| Vec::new())
    }

    /// The file's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The text with its secrets, for the reader alone.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The line on which a byte stands, from 0, and where that line begins.
    fn line_at(&self, at: usize) -> (usize, usize) {
        let lines = self.lines.get_or_init(|| {
            let ends = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            std::iter::once(0).chain(ends.map(|(end, _)| end + 1)).collect()
        });
        let line = lines.partition_point(|begin| *begin <= at).saturating_sub(1);
        (line, lines.get(line).copied().unwrap_or_default())
    }
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        (&self.path, &self.text) == (&other.path, &other.text)
    }
}

impl Eq for Source {}

impl fmt::Debug for Source {
    /// The path alone: the text may hold what is to be hidden.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.path).finish()
    }
}

/// A range of bytes in a [`Source`]: what a diagnostic points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The file.
    pub source: Arc<Source>,
    /// Byte offsets into the file's text.
    pub range: Range<usize>,
}

/// A value together with the place where the operator wrote it.
///
/// A value that was left to its default has the place of the table it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// The same place with another value, as when a name is resolved.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: f(self.value), span: self.span }
    }
}

impl Span {
    /// The line (from 1) on which the place starts.
    #[must_use]
    pub fn line(&self) -> usize {
        self.source.line_at(self.range.start).0 + 1
    }

    /// The column (from 1, in characters) at which the place starts.
    #[must_use]
    pub fn column(&self) -> usize {
        let (_, begin) = self.source.line_at(self.range.start);
        self.source.text.get(begin..self.range.start).unwrap_or_default().chars().count() + 1
    }

    /// The line on which the place starts, if nothing of it may be a secret.
    pub(super) fn plain_line(&self) -> Option<&str> {
        let Source { text, hidden, find_secrets, .. } = &*self.source;
        let (_, begin) = self.source.line_at(self.range.start);
        let line = text.get(begin..)?.lines().next()?;
        let is_hidden = |span: &Range<usize>| span.start < begin + line.len() && span.end > begin;
        (!hidden.get_or_init(|| find_secrets(text)).iter().any(is_hidden)).then_some(line)
    }

    /// Whether anything of the place may be a secret.
    pub(super) fn is_secret(&self) -> bool {
        let Source { text, hidden, find_secrets, .. } = &*self.source;
        let hidden = hidden.get_or_init(|| find_secrets(text));
        hidden.iter().any(|span| span.start < self.range.end && span.end > self.range.start)
    }

    /// The line as it may be shown, and which of its bytes are the place's. Nothing where there is no text to point into.
    pub(super) fn shown_line(&self) -> Option<(String, Range<usize>)> {
        let Source { text, hidden, find_secrets, .. } = &*self.source;
        if text.is_empty() {
            return None;
        }
        let (_, begin) = self.source.line_at(self.range.start);
        let line = text.get(begin..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let mut shown = line.to_owned();
        let within = |at: usize| at.saturating_sub(begin).min(line.len());
        for span in hidden.get_or_init(|| find_secrets(text)) {
            redact::mask(&mut shown, within(span.start)..within(span.end));
        }
        // A caret is to point, not to frame a paragraph: what goes on behind the line is left out.
        Some((shown, within(self.range.start)..within(self.range.end)))
    }
}

impl fmt::Display for Span {
    /// `edge.toml:12:15`; the path alone where there is no text to point into.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.source.path.display();
        if self.source.text.is_empty() {
            return write!(f, "{path}");
        }
        write!(f, "{path}:{}:{}", self.line(), self.column())
    }
}
