//! Reads the two files: from bytes to a TOML document, and from there to the typed configuration.

use std::{fs, io, path::Path, sync::Arc};

use toml::{Spanned, de::DeTable};

use super::{
    blot, edge,
    place::{Place, Source},
    problem::{Problem, Severity},
    registry,
    settings::{Applications, Settings},
    table::{Reader, Table},
    vocabulary::{EDGE, Kind, REGISTRY},
};

/// Reads `edge.toml`.
///
/// The settings come only if none of the problems is an error.
#[must_use]
pub fn settings(path: &Path) -> (Option<Settings>, Vec<Problem>) {
    match read(path) {
        Ok(text) => parse(path, &text, EDGE, edge::read),
        Err(failure) => (None, vec![failure.at_its_own(path)]),
    }
}

/// Reads `applications.toml`, whose path is resolved already.
///
/// A file that cannot be read is a problem of the place that names it, which is `named_at`.
#[must_use]
pub fn applications(path: &Path, named_at: &Place) -> (Option<Applications>, Vec<Problem>) {
    match read(path) {
        Ok(text) => parse(path, &text, REGISTRY, registry::read),
        Err(failure) => (None, vec![failure.at(path, named_at)]),
    }
}

/// Why a file gave no text.
struct Failure {
    what: String,
    help: Option<&'static str>,
    /// What can be shown of the file, and where in it the failure is.
    shown: Option<(String, usize)>,
}

impl Failure {
    fn new(what: impl Into<String>, help: impl Into<Option<&'static str>>) -> Self {
        Self { what: what.into(), help: help.into(), shown: None }
    }

    /// The problem, where nothing but the command line names the file.
    fn at_its_own(self, path: &Path) -> Problem {
        let (text, at) = self.shown.unwrap_or_default();
        let span = at..at + text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        let place = Place { source: Arc::new(Source { path: path.to_owned(), text }), span };
        Problem { help: self.help.map(str::to_owned), ..Problem::error(&place, "", self.what) }
    }

    /// The problem, where a configuration names the file.
    fn at(self, path: &Path, named_at: &Place) -> Problem {
        if self.shown.is_some() {
            return self.at_its_own(path);
        }
        let what = format!("{}: {}", path.display(), self.what);
        Problem { help: self.help.map(str::to_owned), ..Problem::error(named_at, "trust.applications", what) }
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    let bytes = fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::new("there is no such file", None),
        io::ErrorKind::IsADirectory => Failure::new("found a directory, expected a TOML file", None),
        io::ErrorKind::PermissionDenied => Failure::new(
            "the file may not be read (permission denied)",
            "give the user that runs the edge the right to read it",
        ),
        _ => Failure::new(format!("the file cannot be read ({error})"), None),
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let mut text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        blot::lines(&mut text);
        Failure {
            shown: Some((text, at)),
            ..Failure::new("found a byte that is not UTF-8, expected TOML in UTF-8", "save the file as UTF-8")
        }
    })?;
    if text.trim().is_empty() {
        return Err(Failure::new(
            "the file is empty",
            "`mtls-edge init DIR` writes a configuration to start from",
        ));
    }
    Ok(text)
}

fn parse<T>(
    path: &Path,
    text: &str,
    kind: &'static Kind,
    read: impl FnOnce(&Table<'_>) -> Option<T>,
) -> (Option<T>, Vec<Problem>) {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut shown = text.to_owned();
    blot::values(&mut shown, kind, document.get_ref());
    if !errors.is_empty() {
        blot::lines(&mut shown);
    }
    let source = Arc::new(Source { path: path.to_owned(), text: shown });
    let reader = Reader::new(source);
    let value = if errors.is_empty() { walk(&reader, &document, kind, read) } else { None };
    report_syntax(&reader, &errors);
    let problems = reader.into_problems();
    let usable = problems.iter().all(|problem| problem.severity < Severity::Error);
    (value.filter(|_| usable), problems)
}

fn walk<T>(
    reader: &Reader,
    document: &Spanned<DeTable<'_>>,
    kind: &'static Kind,
    read: impl FnOnce(&Table<'_>) -> Option<T>,
) -> Option<T> {
    let root = Table::new(reader, kind, reader.end(), document.get_ref());
    let value = read(&root);
    root.finish();
    value
}

/// One slip can make the parser stumble several times: only its first error on each line is told.
fn report_syntax(reader: &Reader, errors: &[toml::de::Error]) {
    let end = reader.source.text.len();
    let mut places: Vec<_> = errors
        .iter()
        .map(|error| (reader.place(error.span().unwrap_or(end..end)), error.message()))
        .collect();
    places.sort_by_key(|(place, _)| place.span.start);
    places.dedup_by_key(|(place, _)| place.line());
    for (place, message) in places {
        reader.report(Problem::error(&place, "", format!("this is not TOML: {message}")));
    }
}
