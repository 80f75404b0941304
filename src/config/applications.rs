//! `applications.toml`, or the files of a folder: the registered applications and their credentials.

mod application;
mod certificates;
mod credential;
mod fields;
mod method;
mod request_key;
mod secret;

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use self::application::application;
use super::{
    diagnostic::{Fault, Problem},
    file,
    node::Table,
    schema::APPLICATION,
    settings::{Application, KeySetSource},
    span::{Source, Span, Spanned},
    suggest::quote,
    variable::{in_place_of, variable},
};
use crate::trust::ClientIdError;

/// Reads a registry file by file, and each file piece by piece.
pub(super) struct Registry<F> {
    /// Called with each application.
    each: F,
    /// The files that were begun. The last one is being read.
    files: Vec<Arc<Source>>,
    /// Each client_id with its first occurrence.
    ids: HashMap<String, Place>,
    /// Each file that caches a key set with its first occurrence.
    key_sets: HashMap<PathBuf, Place>,
    /// Whether there is an application, valid or not.
    has_applications: bool,
    /// Whether the applications of this file are one inline list, `application = [...]`, which no other piece can extend.
    is_inline: bool,
}

/// A byte of one of the registry's files.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    /// The number of the file, from 1.
    file: usize,
    at: usize,
}

impl<F: FnMut(Application)> Registry<F> {
    /// An empty registry. Applications are passed to `each`.
    pub(super) fn new(each: F) -> Self {
        Self {
            each,
            files: Vec::new(),
            ids: HashMap::new(),
            key_sets: HashMap::new(),
            has_applications: false,
            is_inline: false,
        }
    }

    /// Begins a file.
    pub(super) fn begin_file(&mut self, source: &Arc<Source>) {
        self.files.push(Arc::clone(source));
        self.is_inline = false;
    }

    /// Reads a piece of the file.
    pub(super) fn read(&mut self, root: &Table<'_>) {
        let tables = root.tables(APPLICATION, "application");
        let Some(span) = root.key_span("application") else { return };
        if self.is_inline {
            let problem = Problem::error(&span, "application", "invalid TOML: duplicate key");
            root.reader.report(problem.help("write all applications as [[application]], or all in one list"));
        }
        let after_key = root.reader.source.text().get(span.range.end..).unwrap_or_default();
        self.is_inline = after_key.trim_start().starts_with('=');
        self.has_applications = true;
        for table in tables.unwrap_or_default() {
            let client_id =
                table.require("client_id").and_then(|value| value.parse("a client_id", client_id));
            if let Some(id) = &client_id {
                warn_if_variable(&table, id);
            }
            let is_first = client_id.as_ref().is_none_or(|id| self.record_id(&table, id));
            // The credentials of a second entry may equal those of the first: one problem is enough.
            if let Some(application) = application(&table, client_id).filter(|_| is_first) {
                if let Some(source) = &application.jwks_uri {
                    self.record_key_set(&table, source);
                }
                (self.each)(application);
            }
        }
    }

    /// Records a client_id, and reports it if it occurred before. Returns whether it is the first occurrence.
    fn record_id(&mut self, table: &Table<'_>, id: &Spanned<String>) -> bool {
        let here = self.here(&id.span);
        let first = *self.ids.entry(id.value.clone()).or_insert(here);
        if first != here {
            let first = self.shown(first);
            let what = format!("found {} a second time; the first is on {first}", quote(&id.value));
            let problem = Problem::error(&id.span, "application.client_id", what);
            table.reader.report(problem.help("put both credentials under one [[application]]"));
        }
        first == here
    }

    /// Records the file of a key set, and reports it if another application has it.
    fn record_key_set(&mut self, table: &Table<'_>, source: &KeySetSource) {
        let span = &source.file.span;
        let here = self.here(span);
        let first = *self.key_sets.entry(file::resolved(&source.file.value)).or_insert(here);
        if first != here {
            let what = format!(
                "{} is also named on {}: one key set would overwrite the other",
                source.file.value.display(),
                self.shown(first)
            );
            let problem = Problem::error(span, "application.jwks_uri.file", what);
            table.reader.report(problem.help("give each key set its own file"));
        }
    }

    /// A span's begin. It is in the file that is being read.
    const fn here(&self, span: &Span) -> Place {
        Place { file: self.files.len(), at: span.range.start }
    }

    /// The line of a place, with its file if that is not the one that is being read.
    fn shown(&self, Place { file, at }: Place) -> String {
        let Some(source) = self.files.get(file.saturating_sub(1)) else { return String::new() };
        let line = Span { source: Arc::clone(source), range: at..at }.line();
        if file == self.files.len() {
            format!("line {line}")
        } else {
            format!("line {line} of {}", source.path().display())
        }
    }

    /// A warning if there was no application. `end` is where one could be written.
    pub(super) fn finish(self, end: &Span) -> Option<Problem> {
        let what = "no application is registered: every request that requires authentication will be refused";
        let problem = Problem::warning(end, "application", what)
            .help("write [[application]] for each; `mtls-edge inspect CERT` prints a credential to paste");
        (!self.has_applications).then_some(problem)
    }
}

/// Warns about a variable: it is valid in a client_id, but probably not intended.
fn warn_if_variable(table: &Table<'_>, id: &Spanned<String>) {
    let text = id.value.as_str();
    let Some(variable) = variable(text) else { return };
    let what = format!("found {}: such variables are not expanded", quote(text));
    let warning =
        Problem::warning(&id.span, "application.client_id", what).help(in_place_of(variable, false));
    table.reader.report(warning);
}

fn client_id(text: &str) -> Result<String, Fault> {
    let Some(error) = ClientIdError::of(text) else { return Ok(text.to_owned()) };
    Err(match error {
        ClientIdError::OuterSpace => Fault::new(format!("found {}, expected no leading or trailing space", quote(text)))
            .help("remove the space: some servers trim it and would identify another client"),
        ClientIdError::Empty | ClientIdError::TooLong(_) => Fault::new(format!("found {error}"))
            .help("register a shorter client_id at the authorization server"),
        ClientIdError::Character(bad) => Fault::new(format!(
            "found {} with {bad:?} in it, expected printable ASCII (RFC 6749, appendix A.1)",
            quote(text)
        ))
        .help("register a client_id of printable ASCII characters at the authorization server, and write it here"),
    })
}
