//! The program's commands, as an operator types them.

use std::{path::Path, process::Output};

use serde_json::Value;

use super::program;

pub fn edge(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

pub fn check(config: &Path) -> Output {
    edge(&["check", "--config", config.to_str().unwrap()])
}

/// The problems of a start that failed, which the log's format makes JSON lines: key, message and help of each.
pub fn start_problems(output: &Output) -> String {
    let member = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let lines = text(&output.stderr).lines().map(|line| serde_json::from_str(line).unwrap());
    let shown = |line: Value| {
        let [key, message, help] = ["key", "message", "help"].map(|name| member(&line, name));
        format!("{key}: {message}\nhelp: {help}\n")
    };
    lines.map(shown).collect()
}

pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}
