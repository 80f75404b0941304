//! What a command says that cannot do what it was asked for: what was found, what was expected, and what to do.

use std::{fs, net::TcpListener};

use tempfile::TempDir;
use testkit::Refusing;

use crate::support::{
    EdgeBuilder, Upstream,
    command::{edge, text},
    program, self_signed,
};

/// What `init` writes.
fn written() -> TempDir {
    let folder = TempDir::new().unwrap();
    assert!(edge(&["init", folder.path().join("new").to_str().unwrap()]).status.success());
    folder
}

/// What a command reports, and its exit code.
fn failure(folder: &TempDir, arguments: &[&str]) -> (Option<i32>, String) {
    let output = program().current_dir(folder.path()).args(arguments).output().unwrap();
    (output.status.code(), text(&output.stderr).to_owned())
}

#[test]
fn a_value_of_an_option_names_what_is_expected() {
    let folder = written();
    for (arguments, expected) in [
        (
            &["status", "--admin", "localhost:9443"][..],
            "as the log of the edge has it; write \"127.0.0.1:9443\"",
        ),
        (&["status", "--admin", "http://127.0.0.1:9443/"], "write \"127.0.0.1:9443\""),
        (&["status", "--admin", "9000"], "write \"127.0.0.1:9000\""),
        (&["status", "--expiring", "x"], "expected a number of days from 0 to "),
        (&["status", "--watch", "0"], "expected a number of seconds from 1 to 3600"),
        (&["status", "--page", "0"], "expected a page from 1 to "),
        (&["run", "--workers", "many"], "expected a number of threads from 1 to 1024"),
        (&["dev-cert", "a", "--days", "0"], "expected a number of days from 1 to 3650"),
        (&["demo", "--port", "65536"], "expected a port from 0 to 65535"),
        (&["demo", "--token-endpoint", "http"], "expected a port from 0 to 65535"),
    ] {
        let (code, error) = failure(&folder, arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {error}");
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
}

#[test]
fn a_file_of_another_kind_is_named_with_the_command_for_it() {
    let folder = written();
    let other = "error: found [[application]], which belongs to applications.toml; expected an edge.toml";
    let that = "help: give the file that names this one as [trust] applications, such as new/edge.toml";
    let configuration = "new/applications.toml is a configuration, expected what a client presents";
    for (arguments, what, help) in [
        (&["check", "new/applications.toml"][..], other, that),
        (&["run", "new/applications.toml"], other, that),
        (&["doctor", "new/applications.toml"], other, that),
        (&["inspect", "new"], "error: new is a folder, expected a file", "help: name a file in it"),
        (&["inspect", "new/applications.toml"], configuration, "`mtls-edge check --config FILE`"),
        (
            &["explain", "new/applications.toml", "-c", "new/edge.toml"],
            configuration,
            "help: give a certificate",
        ),
    ] {
        let (code, error) = failure(&folder, arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {error}");
        assert!(error.contains(what) && error.contains(help), "{arguments:?}: {error}");
        assert!(!error.contains("missing"), "{arguments:?}: {error}");
    }
}

#[test]
fn demo_names_the_program_that_has_its_port() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, error) = failure(&written(), &["demo", "--token-endpoint", &port]);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.starts_with(&format!("error: 127.0.0.1:{port}: cannot bind: ")), "{error}");
    assert!(error.contains(&format!(" (process {})", std::process::id())), "{error}");
    assert!(error.contains("\nhelp: stop it, or use another port\n"), "{error}");
}

#[tokio::test]
async fn status_says_what_to_do_where_there_is_none() {
    let folder = written();
    let closed = Refusing::bind();
    let closed = closed.address.to_string();
    for arguments in [&["status", "--admin", &closed][..], &["status", "--ready", "--admin", &closed]] {
        let (code, error) = failure(&folder, arguments);
        assert_eq!(code, Some(1), "{error}");
        assert!(
            error.contains("Connection refused") && error.contains("\nhelp: start the edge ("),
            "{error}"
        );
    }
    let upstream = Upstream::start().await;
    let other = upstream.address.to_string();
    let (_, error) = failure(&folder, &["status", "--admin", &other]);
    assert!(error.contains("\nhelp: give the admin address of an edge"), "{error}");

    let running = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .self_signed_application("billing", &[self_signed("billing").thumbprint()])
        .start();
    let admin = running.admin.to_string();
    let (code, error) = failure(&folder, &["status", "--admin", &admin, "--page", "9"]);
    assert_eq!(code, Some(1), "{error}");
    let expected = "error: there is no page 9 of applications, expected 1 to 1\nhelp: for the last page write: --page 1\n";
    assert_eq!(error, expected);
}

#[test]
fn the_advice_on_a_mode_leaves_the_owner_and_group_alone() {
    let folder = written();
    let at = |name: &str| folder.path().join("new").join(name);
    let modes = |name: &str, mode: u32| {
        fs::set_permissions(at(name), std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    modes("certs/server.key", 0o644);
    let (_, error) = failure(&folder, &["check", "new/edge.toml"]);
    assert!(error.contains("help: run: chmod o= new/certs/server.key\n"), "{error}");
    modes("certs/server.key", 0o640);
    for (name, mode) in [("applications.toml", 0o646), ("certs/client-ca.pem", 0o606)] {
        modes(name, mode);
        let (_, error) = failure(&folder, &["check", "new/edge.toml"]);
        assert!(error.contains(&format!("help: run: chmod o-w new/{name}\n")), "{error}");
        modes(name, 0o644);
    }
    let (code, error) = failure(&folder, &["check", "--strict", "new/edge.toml"]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
}
