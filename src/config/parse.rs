//! Reads `edge.toml` and `applications.toml`: from bytes to a TOML document, and from the document to the typed settings.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use toml::de::DeTable;

use super::{
    diagnostic::{Fault, Problem, Severity},
    edge, encoding, file,
    input::Input,
    node::Table,
    reader::Reader,
    redact,
    schema::{EDGE, REGISTRY, TableSchema},
    settings::{Application, Settings},
    span::{FindHidden, Source, Span, Spanned},
    split, syntax,
};

/// Reads `edge.toml`.
///
/// Returns settings only if none of the problems is an error.
#[must_use]
pub fn settings(input: &Input) -> (Option<Settings>, Vec<Problem>) {
    match read(input) {
        Ok(text) => {
            let source = Arc::new(Source::new(input.path(), text, redact::edge));
            let reader = Reader::new(Arc::clone(&source));
            let value = parse_table(&reader, source.text(), EDGE, edge::read).flatten();
            (value.filter(|_| reader.has_no_errors()), reader.into_problems())
        }
        Err(failure) => (None, vec![failure.in_file(input.path(), redact::edge)]),
    }
}

/// Reads the files of the registry that a path in `edge.toml` names ([`file::of_registry`]), and passes each application to `each` as soon as
/// it is read: of a large registry, only the texts are in memory at once.
///
/// If a problem is an error, some applications are missing, and the others must not be used. A file that cannot be read is reported at
/// `named_at`, the position of the path in `edge.toml`.
#[must_use]
pub fn applications(
    Spanned { value: path, span: named_at }: &Spanned<PathBuf>,
    files: io::Result<Vec<PathBuf>>,
    each: impl FnMut(Application),
) -> Vec<Problem> {
    let files = match files {
        Ok(files) => files,
        Err(error) => {
            let fault = if file::WorldWritable::cause_of(&error).is_some() {
                let what = format!(
                    "{}: {error}: anyone who can add a file decides which clients are accepted",
                    path.display()
                );
                Fault::new(what).help(file::WorldWritable::help(path))
            } else {
                file::unreadable(path, &error)
            };
            return vec![fault.at(named_at, "trust.applications")];
        }
    };
    if files.is_empty() {
        // A volume that is not mounted must not remove all applications.
        let fault = Fault::new(format!("{} has no file that ends in .toml", path.display()));
        let help = "write the applications into files there, such as one for each team";
        return vec![fault.help(help).at(named_at, "trust.applications")];
    }
    let (mut problems, mut end) = (Vec::new(), named_at.clone());
    let mut registry = super::applications::Registry::new(each);
    for path in files {
        let text = match read(&Input::from(&*path)) {
            Ok(text) => text,
            Err(failure) => {
                problems.push(failure.in_reference(&path, named_at));
                continue;
            }
        };
        let source = Arc::new(Source::new(path, text, redact::registry));
        let reader = Reader::new(Arc::clone(&source));
        registry.begin_file(&source);
        for piece in split::into_applications(source.text()) {
            reader.begin_piece(piece.start);
            let text = source.text().get(piece).unwrap_or_default();
            parse_table(&reader, text, REGISTRY, |root| registry.read(root));
        }
        end = reader.end();
        problems.extend(reader.into_problems());
    }
    if problems.iter().all(|problem| problem.severity != Severity::Error) {
        problems.extend(registry.finish(&end));
    }
    problems
}

const MISSING: &str = "there is no such file";
const EMPTY: &str = "the file is empty";
const DIRECTORY: &str = "found a directory, expected a TOML file";

/// Why a file could not be read as text.
pub(super) struct Failure {
    fault: Fault,
    /// The text to show, lossily decoded, and the byte at which the failure is.
    shown: Option<(String, usize)>,
}

impl Failure {
    fn new(what: impl Into<String>, help: impl Into<Option<&'static str>>) -> Self {
        Self::of(Fault { help: help.into().map(str::to_owned), ..Fault::new(what) })
    }

    fn of(fault: Fault) -> Self {
        Self { fault, shown: None }
    }

    /// The problem, positioned in the file itself.
    fn in_file(self, path: &Path, find_hidden: FindHidden) -> Problem {
        let (text, at) = self.shown.unwrap_or_default();
        let range = at..at + text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        let span = Span { source: Arc::new(Source::new(path, text, find_hidden)), range };
        let Fault { what, help, .. } = self.fault;
        // The command line names the file: there may be no configuration yet.
        let start = || {
            (what == MISSING).then(|| "`mtls-edge init DIR` writes a configuration to start from".to_owned())
        };
        let help = help.or_else(start);
        Problem { help, ..Problem::error(&span, "", what) }
    }

    /// The problem, positioned where `edge.toml` names the file, unless there is a text to show.
    fn in_reference(self, path: &Path, named_at: &Span) -> Problem {
        if self.shown.is_some() {
            return self.in_file(path, redact::registry);
        }
        let help = match &*self.fault.what {
            EMPTY => Some("write an [[application]] for each client, or a comment while there is none"),
            DIRECTORY => Some(
                "name the file in it, or give a folder of applications a name that does not end in .toml",
            ),
            MISSING if self.fault.help.is_none() => Some(
                "create it with an [[application]] for each client, or name another file as applications in [trust]",
            ),
            _ => None,
        };
        let fault = Fault { what: format!("{}: {}", path.display(), self.fault.what), ..self.fault };
        match help {
            Some(help) => fault.help(help),
            None => fault,
        }
        .at(named_at, "trust.applications")
    }
}

/// Reads a text as far as possible, also if it is not UTF-8: ASCII in UTF-16 is ASCII with NULs in between.
pub(super) fn read_lossy(input: &Input) -> Option<String> {
    let lossy = || {
        let bytes = input.read().ok()?;
        Some(String::from_utf8_lossy(&bytes).replace('\0', ""))
    };
    read(input).ok().or_else(lossy)
}

/// Reads the text of a file, or the one that was read.
fn read(input: &Input) -> Result<String, Failure> {
    let mut bytes = input.read().map_err(|error| {
        let unreadable = file::unreadable(input.path(), &error);
        let fault = |what: &str| Failure::of(Fault { what: what.to_owned(), ..unreadable.clone() });
        match error.kind() {
            _ if file::WorldWritable::cause_of(&error).is_some() => Failure::of(
                Fault::new(format!("{error}: anyone who can write it decides which clients are accepted"))
                    .help(file::WorldWritable::help(input.path())),
            ),
            io::ErrorKind::NotFound => fault(MISSING),
            io::ErrorKind::IsADirectory => Failure::new(DIRECTORY, "name the file in it, such as edge.toml"),
            io::ErrorKind::PermissionDenied => fault("the file cannot be read (permission denied)"),
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
        return Err(Failure::new(EMPTY, "`mtls-edge init DIR` writes a configuration to start from"));
    }
    Ok(text)
}

/// Parses a text as TOML and reads its root table. A syntax error is reported and gives `None`.
fn parse_table<T>(
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
