//! Command-line tools, run to their end. A missing tool fails the test; nothing is skipped.

use std::{
    ffi::OsStr,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use tokio::time::timeout;

use crate::PATIENCE;

/// Runs `openssl` in a folder and returns its standard output.
pub fn openssl(folder: &Path, arguments: &[&str]) -> String {
    run(folder, "openssl", arguments)
}

/// Runs `keytool` in a folder without a question. Its Java starts fast and optimizes little.
pub fn keytool(folder: &Path, arguments: &[&str]) {
    let fast = ["-J-XX:-UsePerfData", "-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC", "-noprompt"];
    run(folder, "keytool", &[&fast, arguments].concat());
}

/// SHA-256 of a text in hex, as an operator computes it with `openssl dgst`.
pub fn openssl_sha256(text: &str) -> String {
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-r"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("the tests need the command openssl: {error}"));
    openssl.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = openssl.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

/// Runs a tool in a folder and returns its standard output.
pub fn run(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap_or_else(|error| panic!("the tests need the command {program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Exit code and output of a tool.
#[derive(Debug)]
pub struct Said {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Said {
    /// Asserts exit code 0.
    pub fn well(self) -> Self {
        assert_eq!(self.code, Some(0), "{}\n{}", self.out, self.err);
        self
    }
}

/// Runs a tool in a folder with this standard input, beside the servers of the test's own runtime.
pub async fn run_tool(
    folder: &Path,
    program: &str,
    arguments: &[impl AsRef<OsStr>],
    input: impl Into<Vec<u8>>,
) -> Said {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("the tests need the command {program}: {error}"));
    let (pid, input, mut stdin) = (child.id(), input.into(), child.stdin.take().unwrap());
    let ended = tokio::task::spawn_blocking(move || {
        // A tool that ends early reads no input.
        let _ = stdin.write_all(&input);
        drop(stdin);
        child.wait_with_output()
    });
    let Ok(output) = timeout(PATIENCE, ended).await else {
        let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
        panic!("{program} does not end");
    };
    let output = output.unwrap().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

/// Whether a process of a test can have mounts of its own. If not, it says so in one line.
pub fn has_mount_namespaces() -> bool {
    let tried = Command::new("unshare").args(["--mount", "mount", "--bind", "/", "/"]).output();
    let has = tried.is_ok_and(|output| output.status.success());
    if !has {
        not_tried("`unshare --mount` is not permitted here (run as root)");
    }
    has
}

/// Reports in one line what a test could not try on this machine. `.ci/run` repeats these lines at its end.
pub fn not_tried(what: &str) {
    // Not by a macro: of a test that succeeds the harness discards what these print.
    let _ = std::io::stderr().write_all(format!("NOT TRIED: {what}\n").as_bytes());
}
