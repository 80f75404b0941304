//! The state of reading one file: its source, and the problems found so far.
//!
//! Serde's derive stops at the first value that it cannot read and does not know its position. An operator wants all problems of a
//! file at once, each with its position; so the document is walked by hand.

use std::{
    cell::{Cell, OnceCell, RefCell},
    ops::Range,
    path::PathBuf,
    sync::Arc,
};

use super::{
    diagnostic::{Problem, Severity},
    span::{Source, Span},
};

/// Collects the problems of one file.
pub(super) struct Reader {
    /// The file.
    pub(super) source: Arc<Source>,
    /// The folder against which the file's paths are resolved.
    pub(super) folder: PathBuf,
    /// The offset of the current piece in the file, in bytes; the spans of the parser are relative to it.
    piece: Cell<usize>,
    problems: RefCell<Vec<Problem>>,
    /// How many syntax errors were found, and the first that is not listed.
    syntax_errors: Cell<usize>,
    unlisted: OnceCell<Span>,
}

/// The maximum number of syntax errors of one file that are listed: a file in another format has one on every line.
const MAX_SYNTAX_ERRORS: usize = 100;

impl Reader {
    /// A reader without problems.
    pub(super) fn new(source: Arc<Source>) -> Self {
        let folder = source.path().parent().map(PathBuf::from).unwrap_or_default();
        let (syntax_errors, unlisted) = (Cell::new(0), OnceCell::new());
        Self { source, folder, piece: Cell::new(0), problems: RefCell::default(), syntax_errors, unlisted }
    }

    /// Begins a piece of the file at this byte.
    pub(super) fn begin_piece(&self, at: usize) {
        self.piece.set(at);
    }

    /// Adds a problem.
    pub(super) fn report(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// Adds several problems.
    pub(super) fn report_all(&self, problems: Vec<Problem>) {
        self.problems.borrow_mut().extend(problems);
    }

    /// Whether a problem is an error.
    pub(super) fn has_errors(&self) -> bool {
        self.problems.borrow().iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Counts a syntax error, and returns whether it is to be listed.
    pub(super) fn lists_syntax_error(&self, span: &Span) -> bool {
        let count = self.syntax_errors.get() + 1;
        self.syntax_errors.set(count);
        if count > MAX_SYNTAX_ERRORS {
            self.unlisted.get_or_init(|| span.clone());
        }
        count <= MAX_SYNTAX_ERRORS
    }

    /// The position in the file of a span within the current piece.
    pub(super) fn span(&self, span: Range<usize>) -> Span {
        let piece = self.piece.get();
        Span { source: Arc::clone(&self.source), range: piece + span.start..piece + span.end }
    }

    /// The end of the file's text: where a missing table would be written.
    pub(super) fn end(&self) -> Span {
        let end = self.source.text().trim_end().len();
        Span { source: Arc::clone(&self.source), range: end..end }
    }

    /// All problems that were found since the last call.
    pub(super) fn take_problems(&self) -> Vec<Problem> {
        let mut problems = self.problems.take();
        problems.extend(self.unlisted.get().map(|span| {
            let count = self.syntax_errors.get() - MAX_SYNTAX_ERRORS;
            let what = format!("invalid TOML: errors from here on ({count}) are not listed");
            Problem::error(span, "", what).help("check that this is the right file, and that it is in TOML")
        }));
        problems
    }
}
