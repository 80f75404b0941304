//! Under systemd, each line on standard error has a priority, by which `journalctl -p` selects.

use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::Instant,
};

use crate::support::{EdgeBuilder, PATIENCE, Upstream, command::text, program, self_signed};

/// The program, with standard error as it would be if this file were the journal.
fn into(log: &Path, command: &str, config: &Path) -> Command {
    let file = File::create(log).unwrap();
    let facts = file.metadata().unwrap();
    let mut program = program();
    program
        .args([command, "--config", config.to_str().unwrap()])
        .env("JOURNAL_STREAM", format!("{}:{}", facts.dev(), facts.ino()))
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stderr(file);
    program
}

/// Kills the process when it goes out of scope.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_for(log: &Path, part: &str) -> String {
    let start = Instant::now();
    loop {
        let written = fs::read_to_string(log).unwrap();
        if let Some(line) = written.lines().find(|line| line.contains(part)) {
            return line.to_owned();
        }
        assert!(start.elapsed() < PATIENCE, "no line has {part}: {written}");
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn journald_gets_the_priority_of_each_line() {
    let upstream = Upstream::start().await;
    for (format, file) in [("text", ""), ("json", "file = \"edge.log\"\nto = \"both\"")] {
        let edge = EdgeBuilder::new(upstream.url())
            .usual_domain("auth0")
            .self_signed_application("billing", &[self_signed("billing").thumbprint()])
            .log(file);
        let output = edge.output("check");
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let (log, config) = (edge.path().join("journal"), edge.path().join("edge.toml"));
        let written = fs::read_to_string(&config).unwrap();
        let formatted = written.replace("format = \"json\"", &format!("format = \"{format}\""));
        fs::write(&config, formatted).unwrap();
        let mut run = into(&log, "run", &config);
        let _killed = Killed(run.stdout(Stdio::null()).spawn().unwrap());
        assert!(wait_for(&log, "HTTPS listener ready").starts_with("<6>"), "{format}");
        fs::write(edge.path().join("applications.toml"), "[[application]]\nclient_ids = \"b\"\n").unwrap();
        assert!(wait_for(&log, "reload rejected").starts_with("<3>"), "{format}");
        assert!(fs::read_to_string(&log).unwrap().lines().all(|line| line.starts_with('<')), "{format}");
        if !file.is_empty() {
            assert!(wait_for(&edge.path().join("edge.log"), "reload rejected").starts_with('{'));
        }
    }
}

#[test]
fn a_report_of_check_has_priorities_in_the_journal() {
    let edge = EdgeBuilder::new("http://127.0.0.1:1").usual_domain("auth0").listen("nonsens = 1");
    edge.output("check");
    let (log, config) = (edge.path().join("journal"), edge.path().join("edge.toml"));
    assert_eq!(into(&log, "check", &config).status().unwrap().code(), Some(1));
    let report = fs::read_to_string(&log).unwrap();
    assert!(report.starts_with("<3>error: ") && report.contains("unknown key \"nonsens\"\n<3> "), "{report}");
    // Another stream than the journal's, as in a shell that a service has started.
    let output = into(&log, "check", &config).stderr(Stdio::piped()).output().unwrap();
    let report = text(&output.stderr);
    assert!(report.starts_with("error: ") && !report.contains("<3>"), "{report}");
}
