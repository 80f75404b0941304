//! Files that are not TOML, cannot be read, or have several mistakes.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use proptest::prelude::*;

use super::edge_messages;
use crate::config::{
    render, settings,
    testing::{MINIMAL, all_applications, edge, named_at, registry},
};

messages! { edge_messages:
    a_syntax_error:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
client_auth = 
[listen
"#
=> r#"error: this is not TOML: the value is missing
 --> edge.toml:8:15
  |
8 | client_auth = 
  |               ^
  |
  = help: write a value behind it, such as client_auth = "required"

error: this is not TOML: unclosed table, expected `]`
 --> edge.toml:9:8
  |
9 | [listen
  |        ^
  |
  = help: write [listen]

2 errors, 0 warnings
"#;
    an_empty_file:
r#" 
"#
=> r#"error: the file is empty
--> edge.toml
 = help: `mtls-edge init DIR` writes a configuration to start from

1 error, 0 warnings
"#;
    all_mistakes_at_once:
r#"[listen]
workers = 0
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
client_auth = "of"
header_profile = "x"
"#
=> r#"error: listen.workers: found 0, expected a whole number from 1 to 1024
 --> edge.toml:2:11
  |
2 | workers = 0
  |           ^

error: domain.client_auth: found "of", expected "required", "optional" or "off"
  --> edge.toml:10:15
   |
10 | client_auth = "of"
   |               ^^^^
   |
   = help: did you mean "off"?

error: domain.header_profile: found "x", expected the name of a header profile
  --> edge.toml:11:18
   |
11 | header_profile = "x"
   |                  ^^^
   |
   = help: the profiles are auth0, rfc9440, envoy-xfcc, nginx, haproxy, haproxy-chain, apache, traefik, traefik-escaped, aws-alb or aws-alb-passthrough

3 errors, 0 warnings
"#;
}

#[test]
fn a_file_that_is_no_text_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let (_, problems) = all_applications(&folder.path().join("none.toml"), &named_at());
    let shown = problems[0].to_string().replace(&folder.path().display().to_string(), "");
    assert_eq!(shown, "edge.toml:2:16: trust.applications: /none.toml: there is no such file");
    let (_, problems) = settings(folder.path());
    assert_eq!(problems[0].what, "found a directory, expected a TOML file");
    let (_, problems, _) = edge(b"[listen]\nx = \"\xff\"\n");
    assert!(problems[0].to_string().ends_with(
        "edge.toml:2:6: found a byte that is not UTF-8, expected TOML in UTF-8; save the file as UTF-8"
    ));
}

#[test]
fn a_file_that_may_not_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let Some(path) = unreadable(folder.path()) else {
        eprintln!("skipped: this user may read every file; run the test as another user");
        return;
    };
    let rendered = |problems: &_| render(problems, false).replace(&path.display().to_string(), "FILE");
    let (none, problems) = settings(&path);
    assert!(none.is_none());
    let printed = rendered(&problems);
    assert!(
        printed.starts_with("error: the file may not be read (permission denied)\n--> FILE\n = help: "),
        "{printed}"
    );
    let (none, problems) = all_applications(&path, &named_at());
    assert!(none.is_none());
    let printed = rendered(&problems);
    let what = "error: trust.applications: FILE: the file may not be read (permission denied)\n --> edge.toml:2:16\n";
    assert!(printed.starts_with(what) && printed.contains("  = help: "), "{printed}");
}

/// A file that the user who runs the test may not read. Root may read any, but for the settings of
/// Linux that can only be written.
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
    fn no_text_makes_the_reader_panic(text in ".*", cut in 0..MINIMAL.len(), insert in "[\\[\\]{}=\"'.,#a-z0-9\\n ]{0,12}") {
        let _ = edge(&text);
        let _ = registry(&text);
        let mangled = format!("{}{insert}{}", &MINIMAL[..cut], &MINIMAL[cut..]);
        let _ = edge(&mangled);
    }
}
