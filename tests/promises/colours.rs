//! Colours in a terminal, and none where the operator asks for none.

use std::process::{Command, Stdio};

use crate::support::{DOMAIN, EdgeBuilder, command::text, program};

/// What `check` prints in a terminal about a configuration with an error.
fn shown(variables: &[(&str, &str)]) -> String {
    let edge = EdgeBuilder::new("http://127.0.0.1:1").domain(DOMAIN, "").limits("connection = 5");
    assert_eq!(edge.output("check").status.code(), Some(1));
    let command = format!("'{}' check --config edge.toml", program().get_program().to_str().unwrap());
    let output = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .current_dir(edge.path())
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("the tests need the command script: {error}"));
    let shown = text(&output.stdout).to_owned();
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(shown.contains("unknown key \"connection\""), "{shown}");
    shown
}

#[test]
fn errors_in_a_terminal_have_colours_unless_unwanted() {
    let coloured = shown(&[]);
    assert!(coloured.contains("\x1b["), "{coloured:?}");
    for variable in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let plain = shown(&[variable]);
        assert!(!plain.contains('\x1b'), "{variable:?}: {plain:?}");
    }
    // An empty NO_COLOR is not set (no-color.org).
    assert!(shown(&[("NO_COLOR", "")]).contains("\x1b["));
}
