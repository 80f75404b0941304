//! Passes the facts of the build to `src/build_facts.rs`. The same sources and tools give the same facts: no time, no path, no host.

use std::{env, fs, path::Path, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=Cargo.lock");
    let (commit, date) = commit().unwrap_or_default();
    let lock = fs::read_to_string("Cargo.lock").unwrap_or_default();
    let rustc = env::var("RUSTC").ok().and_then(|rustc| output(&rustc, &["--version"]));
    for (name, value) in [
        ("COMMIT", Some(commit)),
        ("COMMIT_DATE", Some(date)),
        ("RUSTC", rustc.and_then(|text| text.split(' ').nth(1).map(str::to_owned))),
        ("TARGET", env::var("TARGET").ok()),
        ("PROFILE", env::var("PROFILE").ok()),
        ("RUSTLS", locked(&lock, "rustls")),
        ("AWS_LC_RS", locked(&lock, "aws-lc-rs")),
        (
            "FEATURES",
            env::var("CARGO_CFG_FEATURE").ok().filter(|names| !names.is_empty()).or(Some("none".to_owned())),
        ),
    ] {
        let value = value.filter(|value| !value.is_empty()).unwrap_or_else(|| "unknown".to_owned());
        println!("cargo::rustc-env=BUILD_{name}={value}");
    }
}

/// The commit that is checked out, and its date: as `MTLS_EDGE_COMMIT` has them (`HASH DATE`, where the sources come without git's data,
/// as in the Dockerfile), or as git does. Nothing if the sources are not a git checkout of their own: a source archive may be
/// unpacked within another one.
fn commit() -> Option<(String, String)> {
    println!("cargo::rerun-if-env-changed=MTLS_EDGE_COMMIT");
    let given = env::var("MTLS_EDGE_COMMIT").unwrap_or_default();
    if let Some((commit, date)) = given.split_once(' ') {
        return Some((commit.to_owned(), date.to_owned()));
    }
    if !Path::new(".git").exists() {
        return None;
    }
    // The log of HEAD changes with every commit and checkout, and with nothing else.
    let log = output("git", &["rev-parse", "--git-path", "logs/HEAD"])?;
    if Path::new(&log).exists() {
        println!("cargo::rerun-if-changed={log}");
    }
    let commit = output("git", &["log", "-1", "--no-show-signature", "--format=%h %cs", "--abbrev=12"])?;
    let (commit, date) = commit.split_once(' ')?;
    Some((commit.to_owned(), date.to_owned()))
}

/// The version of a package in `Cargo.lock`.
fn locked(lock: &str, package: &str) -> Option<String> {
    let (_, entry) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    entry.split('"').next().map(str::to_owned)
}

/// The first line that a program prints, if it succeeds.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    text.lines().next().map(str::to_owned)
}
