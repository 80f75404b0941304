//! Reads `edge.toml` with the files that it includes, and `applications.toml`: from bytes to a TOML document, and from the document to the
//! typed settings.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use toml::de::DeTable;

use super::{
    diagnostic::{Fault, Problem, Severity},
    edge::{self, Roots},
    expand::expand_all,
    file, include,
    input::Input,
    node::Table,
    reader::Reader,
    redact,
    schema::{EDGE, INCLUDED, REGISTRY},
    settings::{Application, Settings},
    span::{Source, Spanned},
    split, syntax,
    toml_text::{Reference, read},
};

/// What was read of `edge.toml` and of the files that it includes.
#[derive(Debug)]
pub struct Parsed {
    /// The settings, if none of the problems is an error.
    pub settings: Option<Settings>,
    /// Errors and warnings.
    pub problems: Vec<Problem>,
    /// The files, and the folders that list some of them, as far as they are known.
    pub files: Vec<PathBuf>,
}

/// Reads `edge.toml` and the files that it includes.
#[must_use]
pub fn settings(input: &Input) -> Parsed {
    let mut files: Vec<PathBuf> = input.file().map(Path::to_owned).into_iter().collect();
    let text = match read(input) {
        Ok(text) => text,
        Err(failure) => {
            let problems = vec![failure.in_file(input.path(), redact::edge)];
            return Parsed { settings: None, problems, files };
        }
    };
    let reader = Reader::new(Arc::new(Source::new(input.path(), text, redact::edge)));
    let Some(document) = expanded_document(&reader) else {
        return Parsed { settings: None, problems: reader.take_problems(), files };
    };
    let root = Table::new(&reader, EDGE, reader.end(), &document);
    let included = include::files(&root, &mut files);
    // Each problem so far is of an included file.
    let readers: Vec<Reader> = included.iter().filter_map(|file| include::read(file, &reader)).collect();
    let is_readable = !reader.has_errors();
    let documents: Vec<_> = readers.iter().map(expanded_document).collect();
    let tables = readers.iter().zip(&documents).filter_map(|(reader, document)| {
        Some(Table::new(reader, INCLUDED, reader.end(), document.as_ref()?))
    });
    let tables: Vec<_> = tables.collect();
    let is_complete = is_readable && tables.len() == included.len();
    let roots = Roots::new(root, tables, is_complete);
    let settings = edge::read(&roots);
    roots.finish();
    Parsed {
        settings: settings.filter(|_| !roots.has_errors()),
        problems: std::iter::once(&reader).chain(&readers).flat_map(Reader::take_problems).collect(),
        files,
    }
}

/// Parses the text of an `edge.toml`, or of a file that one includes, and expands its variables. An error is reported and gives `None`.
fn expanded_document(reader: &Reader) -> Option<DeTable<'_>> {
    let mut document = parse_document(reader, reader.source.text())?;
    expand_all(&mut document, reader);
    // What is not expanded would only be reported a second time.
    (!reader.has_errors()).then_some(document)
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
                problems.push(failure.in_reference(&path, named_at, &Reference::REGISTRY));
                continue;
            }
        };
        let source = Arc::new(Source::new(path, text, redact::registry));
        let reader = Reader::new(Arc::clone(&source));
        registry.begin_file(&source);
        for piece in split::into_applications(source.text()) {
            reader.begin_piece(piece.start);
            let text = source.text().get(piece).unwrap_or_default();
            if let Some(document) = parse_document(&reader, text) {
                let root = Table::new(&reader, REGISTRY, reader.end(), &document);
                registry.read(&root);
                root.finish();
            }
        }
        end = reader.end();
        problems.extend(reader.take_problems());
    }
    if problems.iter().all(|problem| problem.severity != Severity::Error) {
        problems.extend(registry.finish(&end));
    }
    problems
}

/// Parses a text as TOML. A syntax error is reported and gives `None`.
fn parse_document<'a>(reader: &Reader, text: &'a str) -> Option<DeTable<'a>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Some(document.into_inner());
    }
    syntax::report(reader, text, document.get_ref(), &errors);
    None
}
