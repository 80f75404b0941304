//! The two configuration files: any text gives settings, or errors at places that it has.
//!
//! An input is read as each of the two files.

use std::{
    cell::LazyCell,
    fs,
    path::{Path, PathBuf},
};

use mtls_edge::config::{self, Input, Problem, Severity, Spanned, file::of_registry};
use tempfile::TempDir;

/// The files that an input is written to, and the place in a valid `edge.toml` at which a registry is named.
struct Files {
    _folder: TempDir,
    edge: PathBuf,
    registry: Spanned<PathBuf>,
}

/// The least that is an `edge.toml`.
const MINIMAL: &str = r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "a.example"
certificate = "c"
private_key = "k"
"#;

impl Files {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let [edge, registry] = ["edge.toml", "applications.toml"].map(|name| folder.path().join(name));
        fs::write(&edge, MINIMAL).unwrap();
        let named_at =
            config::settings(&Input::from(edge.as_path())).settings.unwrap().trust.applications.span;
        Self { _folder: folder, edge, registry: Spanned { value: registry, span: named_at } }
    }
}

/// Checks an input.
pub fn check(input: &[u8]) {
    accepted(input);
}

/// Checks an input, and returns whether it is a valid `edge.toml`, and how many applications it has if it is a valid registry.
pub fn accepted(input: &[u8]) -> (bool, usize) {
    thread_local! {
        static FILES: LazyCell<Files> = LazyCell::new(Files::new);
    }
    FILES.with(|files| (edge(files, input), registry(files, input)))
}

fn edge(files: &Files, input: &[u8]) -> bool {
    fs::write(&files.edge, input).unwrap();
    let file = Input::from(files.edge.as_path());
    let config::Parsed { settings, problems, .. } = config::settings(&file);
    check_problems(&files.edge, input, &problems);
    assert_eq!(settings.is_some(), has_no_errors(&problems));
    let (operators, same) = config::operators(&file);
    assert_eq!(same, problems);
    if let Some(settings) = &settings {
        assert_eq!(operators.admin, settings.listen.admin.value);
        assert!(!settings.domains.is_empty() && !settings.upstreams.is_empty());
        for domain in &settings.domains {
            assert_eq!(config::domain_name(&domain.name.value).as_deref(), Ok(&*domain.name.value));
        }
    }
    settings.is_some()
}

fn registry(files: &Files, input: &[u8]) -> usize {
    fs::write(&files.registry.value, input).unwrap();
    let mut ids = Vec::new();
    let problems = config::applications(&files.registry, of_registry(&files.registry.value), |application| {
        ids.push(application.client_id.value);
    });
    check_problems(&files.registry.value, input, &problems);
    if !has_no_errors(&problems) {
        return 0;
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "one client_id twice");
    count
}

fn has_no_errors(problems: &[Problem]) -> bool {
    problems.iter().all(|problem| problem.severity == Severity::Warning)
}

/// Every problem is at a place of the text, and can be shown in each form.
fn check_problems(file: &Path, input: &[u8], problems: &[Problem]) {
    let text = std::str::from_utf8(input).map(|text| text.strip_prefix('\u{feff}').unwrap_or(text));
    for problem in problems {
        // A registry that cannot be read is a problem of the key that names it.
        let is_of_input = problem.span.to_string().starts_with(&*file.to_string_lossy());
        if let (Ok(text), true) = (text, is_of_input) {
            let range = problem.span.range.clone();
            assert!(text.get(range.clone()).is_some(), "{problem}: {range:?} of {} bytes", text.len());
        }
        assert!(!problem.what.is_empty());
        assert!(problem.span.line() >= 1 && problem.span.column() >= 1);
        assert!(!problem.to_string().contains('\n'), "{problem:?}");
    }
    for color in [false, true] {
        assert!(config::render(problems, color).contains(" error"));
    }
    assert_eq!(config::to_json(problems)["problems"].as_array().unwrap().len(), problems.len());
}
