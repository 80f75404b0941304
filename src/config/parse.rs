//! Reads the two files: from bytes to a TOML document, and from there to the typed configuration.

use std::{io, net::SocketAddr, path::Path, sync::Arc};

use toml::de::DeTable;

use crate::admin;

use super::{
    diagnostic::Problem,
    edge, encoding, file,
    node::Table,
    reader::Reader,
    redact,
    schema::{EDGE, REGISTRY, TableSchema},
    settings::{Application, Settings},
    span::{FindHidden, Source, Span},
    split, syntax,
};

/// Reads `edge.toml`.
///
/// The settings come only if none of the problems is an error.
#[must_use]
pub fn settings(path: &Path) -> (Option<Settings>, Vec<Problem>) {
    match read(path) {
        Ok(text) => {
            let source = Arc::new(Source::new(path, text, redact::edge));
            let reader = Reader::new(Arc::clone(&source));
            let value = table(&reader, source.text(), EDGE, edge::read).flatten();
            (value.filter(|_| reader.has_no_errors()), reader.into_problems())
        }
        Err(failure) => (None, vec![failure.at_its_own(path, redact::edge)]),
    }
}

/// The admin address of an `edge.toml` that may be wrong otherwise, and all that is wrong with it. None if the address can't be found.
#[must_use]
pub fn admin(path: &Path) -> (Option<SocketAddr>, Vec<Problem>) {
    let problems = match settings(path) {
        (Some(settings), problems) => return (Some(settings.listen.admin.value), problems),
        (None, problems) => problems,
    };
    let Some(text) = read(path).ok().or_else(|| lossy(path)) else { return (None, problems) };
    let (document, errors) = DeTable::parse_recoverable(&text);
    let admin = document.get_ref().get("listen").and_then(|listen| listen.get_ref().get("admin"));
    let written = match admin.map(|value| value.get_ref().as_str()) {
        Some(Some(text)) => Some(text.to_owned()),
        // A table of another name, or a syntax error by which the line is lost or read as something else. No other table has such a key.
        found if found.is_none() || !errors.is_empty() => {
            let line = text.lines().find_map(admin_line);
            line.or_else(|| found.is_none().then(|| admin::DEFAULT_ADDRESS.to_string()))
        }
        _ => None,
    };
    (written.and_then(|written| without_quotes(&written).parse().ok()), problems)
}

/// What can be read of a text in another encoding: ASCII in UTF-16 is ASCII with NULs in between.
fn lossy(path: &Path) -> Option<String> {
    let bytes = file::read(path, file::TOML_LIMIT).ok()?;
    Some(String::from_utf8_lossy(&bytes).replace('\0', ""))
}

/// The value of a line `admin = "..."`.
fn admin_line(line: &str) -> Option<String> {
    let key = line.trim().trim_start_matches("listen.").trim_start_matches(['"', '\'']);
    let value = key.strip_prefix("admin")?;
    // Not that of another key, such as admin_hosts.
    let separators = [' ', '\t', '"', '\'', '=', ':'];
    let value = value.strip_prefix(separators)?.trim_start_matches(separators);
    Some(value.split('#').next().unwrap_or_default().to_owned())
}

/// An address without blanks and quotes around it, whatever theirs are.
fn without_quotes(address: &str) -> &str {
    address.trim_matches(|c: char| !(c.is_ascii_hexdigit() || matches!(c, '.' | ':' | '[' | ']')))
}

/// Reads `applications.toml`, whose path is resolved already, and hands out each application as it comes: no more of
/// a large registry is in memory at once than its text.
///
/// If a problem is an error, some applications are left out, and the rest is not to be used. A file that cannot be
/// read is a problem of the place that names it, which is `named_at`.
#[must_use]
pub fn applications(path: &Path, named_at: &Span, each: impl FnMut(Application)) -> Vec<Problem> {
    let text = match read(path) {
        Ok(text) => text,
        Err(failure) => return vec![failure.at(path, named_at)],
    };
    let source = Arc::new(Source::new(path, text, redact::registry));
    let reader = Reader::new(Arc::clone(&source));
    let mut registry = super::applications::Registry::new(each);
    for piece in split::into_applications(source.text()) {
        reader.begin_piece(piece.start);
        let text = source.text().get(piece).unwrap_or_default();
        table(&reader, text, REGISTRY, |root| registry.read(root));
    }
    registry.finish(&reader);
    reader.into_problems()
}

const MISSING: &str = "there is no such file";

/// Why a file gave no text.
struct Failure {
    what: String,
    help: Option<String>,
    /// What can be shown of the file, and where in it the failure is.
    shown: Option<(String, usize)>,
}

impl Failure {
    fn new(what: impl Into<String>, help: impl Into<Option<&'static str>>) -> Self {
        Self { what: what.into(), help: help.into().map(str::to_owned), shown: None }
    }

    /// The problem, where nothing but the command line names the file.
    fn at_its_own(self, path: &Path, find_hidden: FindHidden) -> Problem {
        let (text, at) = self.shown.unwrap_or_default();
        let range = at..at + text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        let span = Span { source: Arc::new(Source::new(path, text, find_hidden)), range };
        // Nothing but the command line names it: there may be none yet.
        let start = || {
            (self.what == MISSING)
                .then(|| "`mtls-edge init DIR` writes a configuration to start from".to_owned())
        };
        let help = self.help.clone().or_else(start);
        Problem { help, ..Problem::error(&span, "", self.what) }
    }

    /// The problem, where a configuration names the file.
    fn at(self, path: &Path, named_at: &Span) -> Problem {
        if self.shown.is_some() {
            return self.at_its_own(path, redact::registry);
        }
        let what = format!("{}: {}", path.display(), self.what);
        let create = || {
            let help = "create it with an [[application]] for each client, or name another file as applications in [trust]";
            (self.what == MISSING).then(|| help.to_owned())
        };
        Problem {
            help: self.help.clone().or_else(create),
            ..Problem::error(named_at, "trust.applications", what)
        }
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    let mut bytes = file::read(path, file::TOML_LIMIT).map_err(|error| {
        let help = file::unreadable(path, &error).help;
        let fault = |what: &str| Failure { help: help.clone(), ..Failure::new(what, None) };
        match error.kind() {
            _ if file::Loose::of(&error).is_some() => Failure::new(
                format!("{error}: anyone who can write it decides which clients are accepted"),
                "run: chmod o-w on the file",
            ),
            io::ErrorKind::NotFound => fault(MISSING),
            io::ErrorKind::IsADirectory => Failure::new(
                "found a directory, expected a TOML file",
                "name the file in it, such as edge.toml",
            ),
            io::ErrorKind::PermissionDenied => fault("the file may not be read (permission denied)"),
            _ => fault(&format!("the file cannot be read ({error})")),
        }
    })?;
    if let Some(wide) = encoding::wide(&bytes) {
        let what = format!("the file is in {}, expected TOML in UTF-8", wide.name);
        return Err(Failure::new(what, "save the file as UTF-8 (iconv -f UTF-16 -t UTF-8)"));
    }
    let bytes = match encoding::strip_bom(&bytes).len() {
        length if length < bytes.len() => bytes.split_off(bytes.len() - length),
        _ => bytes,
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
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

/// Reads a text that is TOML of its own; `None` if it is not, which is reported.
fn table<T>(
    reader: &Reader,
    text: &str,
    kind: &'static TableSchema,
    read: impl FnOnce(&Table<'_>) -> T,
) -> Option<T> {
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        syntax::report(reader, text, document.get_ref(), &errors);
        return None;
    }
    let root = Table::new(reader, kind, reader.end(), document.get_ref());
    let value = read(&root);
    root.finish();
    Some(value)
}
