//! The program's commands, as an operator types them.

use std::{path::Path, process::Output};

use super::program;

pub fn edge(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

pub fn check(config: &Path) -> Output {
    edge(&["check", "--config", config.to_str().unwrap()])
}

pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}
