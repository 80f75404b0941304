//! Files that are missing, unreadable or not UTF-8.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use proptest::prelude::*;
use testkit::tool::not_tried;

use crate::config::{
    Parsed, render, settings,
    testing::{MINIMAL, all_applications, edge, named_at, registry},
};

#[test]
fn a_missing_file_a_folder_and_invalid_utf8_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let (_, problems) = all_applications(&folder.path().join("none.toml"), &named_at());
    let shown = problems[0].to_string().replace(&folder.path().display().to_string(), "");
    let what = "edge.toml:2:16: trust.applications: /none.toml: there is no such file; ";
    let help =
        "create it with an [[application]] for each client, or name another file as applications in [trust]";
    assert_eq!(shown, format!("{what}{help}"));
    let problems = settings(&folder.path().into()).problems;
    assert_eq!(problems[0].what, "found a directory, expected a TOML file");
    let (_, problems, _) = edge(b"[listen]\nx = \"\xff\"\n");
    assert!(problems[0].to_string().ends_with(
        "edge.toml:2:6: found a byte that is not UTF-8, expected TOML in UTF-8; save the file as UTF-8"
    ));
}

#[test]
fn an_unreadable_file_is_reported_with_help() {
    let folder = tempfile::tempdir().unwrap();
    let Some(path) = unreadable(folder.path()) else {
        not_tried("an unreadable file: this user can read every file (run as another user)");
        return;
    };
    let rendered = |problems: &_| render(problems, false).replace(&path.display().to_string(), "FILE");
    let Parsed { settings: none, problems, .. } = settings(&path.as_path().into());
    assert!(none.is_none());
    let printed = rendered(&problems);
    assert!(
        printed.starts_with("error: the file cannot be read (permission denied)\n--> FILE\n = help: "),
        "{printed}"
    );
    let (none, problems) = all_applications(&path, &named_at());
    assert!(none.is_none());
    let printed = rendered(&problems);
    let what =
        "error: trust.applications: FILE: the file cannot be read (permission denied)\n --> edge.toml:2:16\n";
    assert!(printed.starts_with(what) && printed.contains("  = help: "), "{printed}");
}

/// A file that the user who runs the test cannot read. Root can read every file except write-only sysctls.
fn unreadable(folder: &Path) -> Option<PathBuf> {
    let path = folder.join("edge.toml");
    fs::write(&path, MINIMAL).unwrap();
    #[cfg(unix)]
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    let denied = |path: &PathBuf| fs::read(path).is_err_and(|e| e.kind() == ErrorKind::PermissionDenied);
    [path, "/proc/sys/vm/compact_memory".into()].into_iter().find(denied)
}

proptest! {
    #[test]
    fn the_reader_never_panics(text in ".*", cut in 0..MINIMAL.len(), insert in "[\\[\\]{}=\"'.,#a-z0-9\\n ]{0,12}") {
        let _ = edge(&text);
        let _ = registry(&text);
        let mangled = format!("{}{insert}{}", &MINIMAL[..cut], &MINIMAL[cut..]);
        let _ = edge(&mangled);
    }
}

#[test]
fn the_errors_of_a_file_in_another_format_are_bounded() {
    let csv = "billing,hunter2,x5t\n".repeat(250);
    let (applications, problems, rendered) = registry(&csv);
    assert!(applications.is_none());
    assert_eq!(problems.len(), 101);
    let last = problems[100].to_string();
    assert!(
        last.contains(".toml:101:") && last.contains("errors from here on (150) are not listed"),
        "{last}"
    );
    assert!(rendered.ends_with("101 errors, 0 warnings\n") && !rendered.contains("hunter2"), "{rendered}");
}
