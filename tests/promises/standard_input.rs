//! `-` as the configuration: standard input, read once, with paths relative to the working directory.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Output, Stdio},
};

use tempfile::TempDir;

use crate::{
    handover::replace,
    support::{
        Client, EdgeBuilder, Upstream,
        command::{edge, text},
        program, self_signed,
    },
};

/// The output of a command in this folder, with this text on its standard input.
fn given(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = program();
    command.args(arguments).current_dir(folder).env("MTLS_EDGE_CONFIG", "none.toml");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // An error means that it reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// A valid configuration, and its text.
fn written() -> (TempDir, String) {
    let folder = TempDir::new().unwrap();
    assert!(edge(&["init", folder.path().join("new").to_str().unwrap()]).status.success());
    let config = fs::read_to_string(folder.path().join("new/edge.toml")).unwrap();
    fs::remove_file(folder.path().join("new/edge.toml")).unwrap();
    (folder, config)
}

#[test]
fn check_reads_a_configuration_from_standard_input() {
    let (folder, config) = written();
    let new = folder.path().join("new");
    for arguments in [&["check", "-"][..], &["check", "-c", "-"], &["check", "--config=-"]] {
        let output = given(&new, arguments, &config);
        assert_eq!(text(&output.stdout), "<stdin>: no problems\n", "{}", text(&output.stderr));
    }
    // Paths are relative to the working directory.
    let output = given(folder.path(), &["check", "-"], &config);
    assert!(text(&output.stderr).contains("certs/server.pem cannot be read"), "{}", text(&output.stderr));
    let help = "help: the folder certs does not exist; a relative path is resolved against the working directory, since the configuration is on standard input\n";
    assert!(text(&output.stderr).contains(help), "{}", text(&output.stderr));

    let output = given(&new, &["check", "-"], &format!("lsten = 1\n{config}"));
    assert_eq!(output.status.code(), Some(1));
    let expected = " --> <stdin>:1:1\n  |\n1 | lsten = *\n  | ^^^^^\n";
    assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
    let output = given(&new, &["check", "--format", "json", "-"], &format!("lsten = 1\n{config}"));
    assert!(text(&output.stdout).contains("\"file\": \"<stdin>\""), "{}", text(&output.stdout));
    for (input, what) in [("", "the file is empty"), ("[listen\n", "<stdin>:1:8")] {
        let output = given(&new, &["check", "-"], input);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(what), "{}", text(&output.stderr));
    }
}

#[test]
fn other_commands_read_standard_input_once() {
    let (folder, config) = written();
    let new = folder.path().join("new");
    // No edge runs; the address is that of the configuration.
    let config = config.replace("127.0.0.1:9443", "127.0.0.1:1");
    let output = given(&new, &["status", "-"], &config);
    assert!(text(&output.stderr).contains("http://127.0.0.1:1"), "{}", text(&output.stderr));
    let output = given(&new, &["doctor", "-"], "lsten = 1");
    assert!(text(&output.stderr).contains("<stdin>:1:1"), "{}", text(&output.stderr));
    let output = given(&new, &["inspect", "certs/billing.pem", "--config", "-"], &config);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let output = given(&new, &["inspect", "-", "--config", "-"], &config);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("standard input can be read only once"),
        "{}",
        text(&output.stderr)
    );
}

#[tokio::test]
async fn run_keeps_its_text_and_reloads_what_it_names() {
    let upstream = Upstream::start().await;
    let (first, second) = (self_signed("billing"), self_signed("billing"));
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .limits("drain_timeout = \"300ms\"")
        .self_signed_application("billing", &[first.thumbprint()])
        .on_stdin()
        .start();
    let path = edge.folder.path().join("applications.toml");
    let applications = fs::read_to_string(&path).unwrap();
    // The file with that text is not the configuration.
    fs::write(edge.folder.path().join("edge.toml"), "[nonsense]").unwrap();
    edge.signal("HUP");
    edge.wait_for_log("\"reloaded\",\"generation\":2,");
    assert_eq!(Client::with(&edge, &first).token("billing").await.status, 200);
    // A file that it names is watched.
    edge.reload("applications.toml", &applications.replace(&first.thumbprint(), &second.thumbprint()));
    assert_eq!(Client::with(&edge, &first).token("billing").await.status, 401);
    assert_eq!(Client::with(&edge, &second).token("billing").await.status, 200);
    // The new process gets the text, and the one after it, too.
    for _ in 0..2 {
        replace(&edge);
        assert_eq!(Client::with(&edge, &second).token("billing").await.status, 200);
    }
    let lines = edge.logged();
    fs::write(&path, &applications).unwrap();
    edge.wait_for_log_after(lines, "\"reloaded\"");
    assert_eq!(Client::with(&edge, &first).token("billing").await.status, 200);
    let lines = edge.logged();
    fs::write(&path, "nonsense = 1\n").unwrap();
    edge.signal("USR2");
    let failed = edge.wait_for_log_after(lines, "\"mtls_edge::start\"");
    assert!(failed.contains("nonsense") && failed.contains("\"file\":\"applications.toml\""), "{failed}");
    edge.wait_for_log_after(lines, "upgrade failed");
    assert_eq!(Client::with(&edge, &first).token("billing").await.status, 200);
    edge.stop();
}
