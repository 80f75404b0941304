//! Positions in configuration files.

use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use super::redact;

/// The path of a text that standard input had. Its folder is the working directory.
pub(super) const STANDARD_INPUT: &str = "<stdin>";

/// Finds the bytes of a text that messages must not show.
pub(super) type FindHidden = fn(&str) -> Vec<Range<usize>>;

/// One configuration file as it was read.
pub struct Source {
    path: PathBuf,
    text: String,
    find_hidden: FindHidden,
    /// Its result in order and without overlaps, and the byte at which each line begins. Computed for the first problem.
    hidden: OnceLock<Vec<Range<usize>>>,
    lines: OnceLock<Vec<usize>>,
}

impl Source {
    /// A file with its whole text. The path is the one that the operator wrote, resolved against the folder of the file that has it.
    pub(super) fn new(path: impl Into<PathBuf>, text: impl Into<String>, find_hidden: FindHidden) -> Self {
        let (hidden, lines) = (OnceLock::new(), OnceLock::new());
        Self { path: path.into(), text: text.into(), find_hidden, hidden, lines }
    }

    /// A file without text.
    #[cfg(test)]
    pub(crate) fn empty() -> Self {
        Self::new("edge.toml", "", |_| Vec::new())
    }

    /// The file's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Against what its relative paths are resolved, in words.
    pub(super) fn base(&self) -> &'static str {
        if self.path == Path::new(STANDARD_INPUT) {
            "the working directory, since the configuration is on standard input"
        } else {
            "the folder of the file that contains it"
        }
    }

    /// The text, with secrets: for the reader only.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The ranges of bytes that messages must not show and that overlap this one.
    fn hidden(&self, range: Range<usize>) -> &[Range<usize>] {
        let all = self.hidden.get_or_init(|| disjoint((self.find_hidden)(&self.text)));
        let first = all.partition_point(|span| span.end <= range.start);
        let end = all.partition_point(|span| span.start < range.end);
        all.get(first..end).unwrap_or_default()
    }

    /// The line of a byte, from 0, and the byte at which that line begins.
    fn line_at(&self, at: usize) -> (usize, usize) {
        let lines = self.lines.get_or_init(|| {
            let ends = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            std::iter::once(0).chain(ends.map(|(end, _)| end + 1)).collect()
        });
        let line = lines.partition_point(|begin| *begin <= at).saturating_sub(1);
        (line, lines.get(line).copied().unwrap_or_default())
    }
}

/// The same ranges in order, with those that overlap made one.
fn disjoint(mut spans: Vec<Range<usize>>) -> Vec<Range<usize>> {
    spans.retain(|span| !span.is_empty());
    spans.sort_unstable_by_key(|span| span.start);
    spans.dedup_by(|next, span| {
        let overlaps = next.start < span.end;
        if overlaps {
            span.end = span.end.max(next.end);
        }
        overlaps
    });
    spans
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        (&self.path, &self.text) == (&other.path, &other.text)
    }
}

impl Eq for Source {}

impl fmt::Debug for Source {
    /// The path only: the text may contain secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.path).finish()
    }
}

/// A range of bytes in a [`Source`], at which a diagnostic points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The file.
    pub source: Arc<Source>,
    /// Byte offsets into the file's text.
    pub range: Range<usize>,
}

/// A value with its position. A default has the position of its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Its position.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Maps the value and keeps the position.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: f(self.value), span: self.span }
    }
}

impl Span {
    /// The line on which the span starts, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.source.line_at(self.range.start).0 + 1
    }

    /// The column at which the span starts, in characters from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        let (_, begin) = self.source.line_at(self.range.start);
        self.source.text.get(begin..self.range.start).unwrap_or_default().chars().count() + 1
    }

    /// The line on which the span starts, with what is hidden: for the reader only.
    pub(super) fn line_text(&self) -> &str {
        let (_, begin) = self.source.line_at(self.range.start);
        self.source.text.get(begin..).and_then(|rest| rest.lines().next()).unwrap_or_default()
    }

    /// The line on which the span starts, without its comment, if nothing of it is hidden.
    pub(super) fn plain_line(&self) -> Option<&str> {
        let (begin, line) = self.code();
        self.source.hidden(begin..begin + line.len()).is_empty().then_some(line)
    }

    /// Whether anything of the span is hidden.
    pub(super) fn is_secret(&self) -> bool {
        !self.source.hidden(self.range.clone()).is_empty()
    }

    /// The line as messages show it, and the span within it; nothing if the file has no text, or if the span is after a comment: a message on
    /// what the file lacks.
    pub(super) fn shown_line(&self) -> Option<(String, Range<usize>)> {
        let (begin, line) = self.code();
        if self.source.text.is_empty() || (self.range.is_empty() && line.trim_start().starts_with('#')) {
            return None;
        }
        let mut shown = line.to_owned();
        let within = |at: usize| at.saturating_sub(begin).min(line.len());
        for span in self.source.hidden(begin..begin + line.len()) {
            redact::mask(&mut shown, within(span.start)..within(span.end));
        }
        // A span of several lines ends with the first.
        Some((shown, within(self.range.start)..within(self.range.end)))
    }

    /// The line on which the span starts, without its comment, and the byte at which it begins.
    fn code(&self) -> (usize, &str) {
        let text = &self.source.text;
        let (_, begin) = self.source.line_at(self.range.start);
        let line = self.line_text();
        let is_comment = |at: &usize| {
            text.get(*at..).is_some_and(|rest| rest.trim_start_matches([' ', '\t']).starts_with('#'))
        };
        let starts = self.source.hidden(begin..begin + line.len()).iter().map(|span| span.start);
        let comment = starts.filter(|at| *at >= begin).find(is_comment);
        match comment {
            // Unless the problem is in the comment.
            Some(at) if at >= self.range.end.min(begin + line.len()) => {
                (begin, line.get(..at - begin).unwrap_or_default().trim_end())
            }
            _ => (begin, line),
        }
    }
}

impl fmt::Display for Span {
    /// `edge.toml:12:15`; the path only if the file has no text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.source.path.display();
        if self.source.text.is_empty() {
            return write!(f, "{path}");
        }
        write!(f, "{path}:{}:{}", self.line(), self.column())
    }
}
