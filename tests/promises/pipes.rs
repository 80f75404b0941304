//! A closed pipe and a full disk: no command panics.

use std::{
    fs::{self, OpenOptions},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

use crate::support::{EdgeBuilder, program};

/// A folder with a configuration and a certificate.
fn initialized() -> TempDir {
    let folder = TempDir::new().unwrap();
    let output = program().args(["init", "edge"]).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success());
    folder
}

const COMMANDS: [&[&str]; 9] = [
    &["check", "--config", "edge/edge.toml"],
    &["inspect", "edge/certs/billing.pem"],
    &["init", "another"],
    &["demo", "--once"],
    &["--help"],
    &["help", "run"],
    &["run", "--help"],
    &["--version"],
    &["completions", "bash"],
];

/// A pipe whose reader has closed.
fn closed() -> Stdio {
    std::io::pipe().unwrap().1.into()
}

fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

fn run(folder: &TempDir, arguments: &[&str], stdout: Stdio, stderr: Stdio) -> Output {
    let _ = std::fs::remove_dir_all(folder.path().join("another"));
    let mut command: Command = program();
    command.args(arguments).current_dir(folder.path()).stdin(Stdio::null()).stdout(stdout).stderr(stderr);
    command.spawn().unwrap().wait_with_output().unwrap()
}

#[test]
fn a_closed_pipe_is_not_a_failure() {
    let folder = initialized();
    for arguments in COMMANDS {
        let output = run(&folder, arguments, closed(), Stdio::piped());
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {errors}");
        assert!(!errors.contains("panicked") && !errors.contains("error"), "{arguments:?}: {errors}");
    }
}

#[test]
fn a_full_disk_is_reported_as_an_error() {
    let folder = initialized();
    for arguments in COMMANDS {
        let output = run(&folder, arguments, full(), Stdio::piped());
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {errors}");
        let message = "error: cannot write to standard output: No space left on device";
        assert!(errors.contains(message), "{arguments:?}: {errors}");
    }
}

#[test]
fn status_to_a_closed_pipe_succeeds_to_a_full_disk_fails() {
    let edge = EdgeBuilder::new("http://127.0.0.1:9").usual_domain("auth0").start();
    let (folder, admin) = (TempDir::new().unwrap(), edge.admin.to_string());
    // A configuration file with the admin port of the running edge.
    let text = fs::read_to_string(edge.folder.path().join("edge.toml")).unwrap();
    let config = edge.folder.path().join("asked.toml");
    let line = text.lines().find(|line| line.starts_with("admin = ")).unwrap();
    fs::write(&config, text.replace(line, &format!("admin = \"{admin}\""))).unwrap();
    for arguments in [["status", "--admin", &admin], ["status", "--config", config.to_str().unwrap()]] {
        let output = run(&folder, &arguments, closed(), Stdio::piped());
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), errors.as_str()), (Some(0), ""), "{arguments:?}");
        let output = run(&folder, &arguments, full(), Stdio::piped());
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {errors}");
        let message = "error: cannot write to standard output: No space left on device";
        assert!(errors.contains(message), "{arguments:?}: {errors}");
    }
}

#[test]
fn messages_that_cannot_be_written_change_no_exit_code() {
    let folder = initialized();
    for (arguments, code) in [
        (&["check", "--config", "none.toml"][..], 1),
        (&["run", "--config", "none.toml"], 1),
        (&["inspect", "none.pem"], 1),
        (&["init", "edge"], 1),
        (&["status", "--config", "none.toml"], 1),
        (&["status", "--admin", "127.0.0.1:1"], 1),
        (&["chek"], 2),
        (&[], 2),
    ] {
        for stderr in [closed, full] {
            let output = run(&folder, arguments, Stdio::piped(), stderr());
            assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        }
    }
}
