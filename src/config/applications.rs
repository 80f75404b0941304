//! `applications.toml`: the registered applications and their credentials.

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
    node::Table,
    reader::Reader,
    schema::APPLICATION,
    settings::{Application, KeySetSource},
    span::{Span, Spanned},
    suggest::quote,
    variable::variable,
};
use crate::trust::ClientIdError;

/// Reads a registry piece by piece.
pub(super) struct Registry<F> {
    /// Called with each application.
    each: F,
    /// Each client_id with the byte of its first occurrence.
    ids: HashMap<String, usize>,
    /// Each file that caches a key set with the byte of its first occurrence.
    key_sets: HashMap<PathBuf, usize>,
    /// Whether the file has an application, valid or not.
    has_applications: bool,
    /// Whether the applications are one inline list, `application = [...]`, which no other piece can extend.
    is_inline: bool,
}

impl<F: FnMut(Application)> Registry<F> {
    /// An empty registry. Applications are passed to `each`.
    pub(super) fn new(each: F) -> Self {
        Self {
            each,
            ids: HashMap::new(),
            key_sets: HashMap::new(),
            has_applications: false,
            is_inline: false,
        }
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
        let at = id.span.range.start;
        let first = *self.ids.entry(id.value.clone()).or_insert(at);
        if first != at {
            let line = line_of(&id.span, first);
            let what = format!("found {} a second time; the first is on line {line}", quote(&id.value));
            let problem = Problem::error(&id.span, "application.client_id", what);
            table.reader.report(problem.help("put both credentials under one [[application]]"));
        }
        first == at
    }

    /// Records the file of a key set, and reports it if another application has it.
    fn record_key_set(&mut self, table: &Table<'_>, source: &KeySetSource) {
        let span = &source.file.span;
        let at = span.range.start;
        let first = *self.key_sets.entry(source.file.value.clone()).or_insert(at);
        if first != at {
            let what = format!(
                "{} is also named on line {}: one key set would overwrite the other",
                source.file.value.display(),
                line_of(span, first)
            );
            let problem = Problem::error(span, "application.jwks_uri.file", what);
            table.reader.report(problem.help("give each key set its own file"));
        }
    }

    /// Warns if there was no application.
    pub(super) fn finish(self, reader: &Reader) {
        if self.has_applications || !reader.has_no_errors() {
            return;
        }
        let what = "no application is registered: every request that requires authentication will be refused";
        reader.report(
            Problem::warning(&reader.end(), "application", what).help(
                "write [[application]] for each; `mtls-edge inspect CERT` prints a credential to paste",
            ),
        );
    }
}

/// The line of a byte of the file in which a span is.
fn line_of(span: &Span, at: usize) -> usize {
    Span { source: Arc::clone(&span.source), range: at..at }.line()
}

/// Warns about a variable: it is valid in a client_id, but probably not intended.
fn warn_if_variable(table: &Table<'_>, id: &Spanned<String>) {
    let text = id.value.as_str();
    let Some(variable) = variable(text) else { return };
    let what = format!("found {}: variables are not expanded", quote(text));
    let warning = Problem::warning(&id.span, "application.client_id", what)
        .help(format!("write the value itself in place of {variable}"));
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
