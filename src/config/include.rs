//! The files that `edge.toml` includes: further domains and upstreams, such as one file for each team.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use toml::de::DeValue;

use super::{
    diagnostic::Fault,
    file,
    node::{Table, Value},
    reader::Reader,
    span::{Source, Spanned},
    toml_text::{self, Reference},
};

const KEY: &str = Reference::INCLUDED.key;

/// The files that `include` names, with their places in it: files, and those that end in `.toml` of folders, in the order of their names. They and
/// the folders are added to `known`, also if they cannot be read.
pub(super) fn files(root: &Table<'_>, known: &mut Vec<PathBuf>) -> Vec<Spanned<PathBuf>> {
    let Some(value) = root.get(KEY) else { return Vec::new() };
    let named = match value.toml {
        DeValue::Array(_) => value.filled_list(Value::path).unwrap_or_default(),
        _ => value.path().into_iter().collect(),
    };
    let mut files: Vec<Spanned<PathBuf>> = Vec::new();
    for Spanned { value: path, span } in named {
        known.push(path.clone());
        let report = |fault: Fault| root.reader.report(fault.at(&span, KEY));
        match file::of_registry(&path) {
            // A volume that is not mounted must not remove domains.
            Ok(listed) if listed.is_empty() => report(
                Fault::new(format!("{} has no file that ends in .toml", path.display()))
                    .help("write [[domain]] or [[upstream]] tables into files there, or remove the folder from include"),
            ),
            Ok(listed) => {
                for file in listed {
                    if is_same(&file, root.reader.source.path()) {
                        let what = format!("{} is the file that includes others", file.display());
                        report(Fault::new(what).help("include other files, or a folder of their own"));
                    } else if files.iter().any(|earlier| earlier.value == file) {
                        let what = format!("{} is included a second time", file.display());
                        report(Fault::new(what).help("name each file once, by itself or by its folder"));
                    } else {
                        known.push(file.clone());
                        files.push(Spanned { value: file, span: span.clone() });
                    }
                }
            }
            Err(error) if file::WorldWritable::cause_of(&error).is_some() => {
                let what = format!("{}: {error}: anyone can add a domain to the edge", path.display());
                report(Fault::new(what).help(file::WorldWritable::help(&path)));
            }
            Err(error) => report(file::unreadable(&path, &error)),
        }
    }
    files
}

/// Whether two paths lead to the same file.
fn is_same(one: &Path, other: &Path) -> bool {
    one == other
        || one.canonicalize().ok().is_some_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

/// Reads the text of an included file. An error is reported at its name, and gives `None`.
pub(super) fn read(file: &Spanned<PathBuf>, root: &Reader) -> Option<Reader> {
    let Spanned { value: path, span } = file;
    match toml_text::read(&path.into()) {
        Ok(text) => Some(Reader::new(Arc::new(Source::new(path, text, Reference::INCLUDED.find_hidden)))),
        Err(failure) => {
            root.report(failure.in_reference(path, span, &Reference::INCLUDED));
            None
        }
    }
}
