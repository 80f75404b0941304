//! Messages about mistakes in the two configuration files, each compared with a file.
//!
//! `tests/messages/edge/NAME.toml` is read as an `edge.toml`, `tests/messages/applications/NAME.toml` as an
//! `applications.toml`, and a folder `tests/messages/NAME/` as both. What the edge reports of it is `NAME.stderr`.
//! `UPDATE_MESSAGES=1` rewrites those files.

use std::{
    collections::BTreeMap,
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use mtls_edge::config::{Parsed, Problem, Severity, applications, file::of_registry, render, settings};
use tempfile::TempDir;

/// A configuration without mistakes, beside an `applications.toml` with one.
const EDGE: &str = r#"[[upstream]]
name = "as"
urls = ["http://127.0.0.1:3000"]
[[domain]]
name = "mtls.example"
certificate = "server.pem"
private_key = "server.key"
"#;

/// A secret value of some cases, which must not be printed.
const SECRET: &str = "hunter2";

#[test]
fn messages_match_their_files() {
    let update = env::var_os("UPDATE_MESSAGES").is_some();
    let mut failures = String::new();
    for (expected, case) in cases() {
        let printed = case.messages();
        let before = fs::read_to_string(&expected).ok();
        if update && before.as_ref() != Some(&printed) {
            fs::write(expected, printed).unwrap();
        } else if before.as_ref() != Some(&printed) {
            let before = before.unwrap_or_else(|| "(no such file)\n".to_owned());
            writeln!(failures, "--- {}\n{before}+++ printed\n{printed}", expected.display()).unwrap();
        }
    }
    assert!(failures.is_empty(), "{failures}`UPDATE_MESSAGES=1` writes what is printed into the files");
}

#[test]
fn each_expected_message_has_its_input() {
    let cases = cases();
    for expected in files(&root()).into_iter().filter(|file| file.extension().is_some_and(|e| e == "stderr"))
    {
        assert!(cases.contains_key(&expected), "{}: there is no input beside it", expected.display());
    }
}

/// The input of one expected output.
enum Case {
    Edge(PathBuf),
    Applications(PathBuf),
    /// A folder with both files.
    Both(PathBuf),
}

impl Case {
    /// The messages of the edge, with paths relative to the folder.
    fn messages(&self) -> String {
        let folder = TempDir::new().unwrap();
        let (edge, registry) = (folder.path().join("edge.toml"), folder.path().join("applications.toml"));
        let problems = match self {
            Self::Edge(file) => {
                fs::copy(file, &edge).unwrap();
                let Parsed { settings: value, problems, .. } = settings(&edge.into());
                let usable = problems.iter().all(|problem| problem.severity == Severity::Warning);
                assert_eq!(value.is_some(), usable, "{}", file.display());
                problems
            }
            Self::Applications(file) => {
                fs::write(&edge, EDGE).unwrap();
                fs::copy(file, &registry).unwrap();
                all(&edge)
            }
            Self::Both(files) => {
                fs::copy(files.join("edge.toml"), &edge).unwrap();
                fs::copy(files.join("applications.toml"), &registry).unwrap();
                all(&edge)
            }
        };
        let printed = render(&problems, false).replace(&format!("{}/", folder.path().display()), "");
        assert!(!printed.contains(SECRET), "{printed}");
        for line in problems.iter().map(ToString::to_string) {
            assert!(
                !line.contains(SECRET) && !line.contains('\n'),
                "a log has each problem in one line: {line}"
            );
        }
        printed
    }
}

/// The problems of `edge.toml` and, if it is valid, of the `applications.toml` that it names.
fn all(edge: &Path) -> Vec<Problem> {
    let Parsed { settings, mut problems, .. } = settings(&edge.into());
    if let Some(settings) = settings {
        let file = &settings.trust.applications;
        problems.extend(applications(file, of_registry(&file.value), drop));
    }
    problems
}

/// The cases by the file of their expected output.
fn cases() -> BTreeMap<PathBuf, Case> {
    let mut cases = BTreeMap::new();
    for file in files(&root()) {
        let inside = file.strip_prefix(root()).unwrap();
        let name = inside.file_name().unwrap().to_str().unwrap();
        let folder = inside.parent().unwrap();
        let (expected, case) = match (folder.to_str().unwrap(), name.strip_suffix(".toml")) {
            (_, None) if name.ends_with(".stderr") => continue,
            ("edge", Some(name)) => (format!("edge/{name}"), Case::Edge(file)),
            ("applications", Some(name)) => (format!("applications/{name}"), Case::Applications(file)),
            (folder, Some("edge" | "applications")) if !folder.is_empty() => {
                (folder.to_owned(), Case::Both(root().join(folder)))
            }
            _ => panic!("{}: not part of a case", file.display()),
        };
        cases.insert(root().join(format!("{expected}.stderr")), case);
    }
    cases
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages")
}

/// All files of a folder, recursively.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
