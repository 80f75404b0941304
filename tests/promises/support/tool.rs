//! Command-line clients, run beside the test's own upstream.

use std::{
    ffi::OsStr,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use tokio::time::timeout;

use super::PATIENCE;

/// How a tool ended, and what it said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    /// Asserts exit 0.
    pub fn well(self) -> Self {
        assert_eq!(self.code, Some(0), "{}\n{}", self.out, self.err);
        self
    }
}

/// Runs a tool in a folder with this standard input. Fails, and never skips, where it is missing.
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
