//! What the tests of the configuration share.

use std::{fs, path::Path};

use super::{
    Parsed, Problem, Severity, Source, Span, Spanned, applications, file, render, settings,
    settings::{Application, Settings},
};

/// The least that is an `edge.toml`.
pub(super) const MINIMAL: &str = "[[upstream]]\nname = \"a\"\nurls = [\"http://127.0.0.1:1\"]\n[[domain]]\nname = \"M.example.\"\ncertificate = \"c\"\nprivate_key = \"k\"\n";

/// What comes of no mistake.
pub(super) const NO_PROBLEM: &str = "0 errors, 0 warnings\n";

/// Writes an `edge.toml` and reads it; the folder's name is left out of the rendered problems.
pub(super) fn edge(text: impl AsRef<[u8]>) -> (Option<Settings>, Vec<Problem>, String) {
    read("edge.toml", text.as_ref(), |path| {
        let Parsed { settings, problems, .. } = settings(&path.into());
        (settings, problems)
    })
}

/// Writes an `applications.toml` and reads it.
pub(super) fn registry(text: &str) -> (Option<Vec<Application>>, Vec<Problem>, String) {
    read("applications.toml", text.as_ref(), |path| all_applications(path, &named_at()))
}

/// The applications of a file, if none of the problems is an error.
pub(super) fn all_applications(path: &Path, named_at: &Span) -> (Option<Vec<Application>>, Vec<Problem>) {
    let mut all = Vec::new();
    let named = Spanned { value: path.to_owned(), span: named_at.clone() };
    let problems = applications(&named, file::of_registry(path), |application| all.push(application));
    let usable = problems.iter().all(|problem| problem.severity == Severity::Warning);
    (usable.then_some(all), problems)
}

/// The place in an `edge.toml` that names an `applications.toml`.
pub(super) fn named_at() -> Span {
    let text = "[trust]\napplications = \"a.toml\"\n".to_owned();
    let source = Source::new("edge.toml", text, |_| Vec::new());
    Span { source: source.into(), range: 23..31 }
}

fn read<T>(
    name: &str,
    text: &[u8],
    read: impl FnOnce(&Path) -> (Option<T>, Vec<Problem>),
) -> (Option<T>, Vec<Problem>, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    let (value, problems) = read(&path);
    assert_eq!(value.is_some(), problems.iter().all(|p| p.severity == Severity::Warning));
    let rendered = render(&problems, false).replace(&format!("{}/", folder.path().display()), "");
    (value, problems, rendered)
}
