//! The real program on a development configuration of its own, watched through its log.

#![allow(dead_code, reason = "no bench needs all of it")]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Beyond this, something is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// The real program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_mtls-edge");

/// A folder as `mtls-edge init` makes it, on free ports.
pub struct Folder {
    folder: tempfile::TempDir,
    /// The applications that `init` registers: "payments" with `certs/payments.pem` is one.
    pub applications: String,
}

impl Folder {
    /// Makes one whose upstream is at this address.
    pub fn new(upstream: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made =
            Command::new(PROGRAM).arg("init").arg(folder.path()).stdout(Stdio::null()).status().unwrap();
        assert!(made.success());
        let applications = fs::read_to_string(folder.path().join("applications.toml")).unwrap() + "\n";
        let folder = Self { folder, applications };
        folder.edit(|text| {
            text.replace("0.0.0.0:8443", "127.0.0.1:0")
                .replace("127.0.0.1:9443", "127.0.0.1:0")
                .replace("127.0.0.1:3000", upstream)
                .replace("\n[log]\n", "\n[log]\nformat = \"json\"\n")
        });
        folder
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Changes the text of its configuration.
    pub fn edit(&self, change: impl FnOnce(String) -> String) {
        let config = self.config();
        fs::write(&config, change(fs::read_to_string(&config).unwrap())).unwrap();
    }

    /// The configuration's file.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("edge.toml")
    }

    /// Writes the registry: the applications of `init`, then these.
    pub fn register(&self, more: &str) {
        fs::write(self.registry(), [self.applications.as_str(), more].concat()).unwrap();
    }

    /// The registry's file.
    pub fn registry(&self) -> PathBuf {
        self.folder.path().join("applications.toml")
    }
}

/// A running edge; ended when dropped.
pub struct Edge {
    child: Child,
    /// Where applications call it.
    pub https: String,
    /// What the log says of each reload.
    outcomes: Receiver<String>,
    drain: Option<JoinHandle<()>>,
}

impl Edge {
    /// Starts it, and waits until it listens.
    pub fn start(folder: &Folder) -> Self {
        Self::start_under(Command::new(PROGRAM), folder)
    }

    /// Starts it by a command whose last argument so far is [`PROGRAM`], or which is it, and waits until it listens.
    pub fn start_under(mut command: Command, folder: &Folder) -> Self {
        let mut child = command
            .args(["run", "--config"])
            .arg(folder.config())
            .env_remove("RUST_LOG")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        // Before and since they were renamed: builds of either kind are measured against each other.
        let mut address = |[what, before]: [&str; 2]| {
            let is_address = |line: &String| line.contains(what) || line.contains(before);
            let line = lines.find(is_address).expect("the edge starts");
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            line["address"].as_str().unwrap().to_owned()
        };
        let https = address(["HTTPS listener ready", "listening for applications"]);
        address(["admin listener ready", "listening for the operator"]);
        let (outcome, outcomes) = channel();
        let drain = Some(std::thread::spawn(move || {
            for line in lines.filter(|line| line.contains("\"reload")) {
                let _ = outcome.send(line);
            }
        }));
        Self { child, https, outcomes, drain }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as an operator does, and waits for its end.
    pub fn stop(mut self) {
        assert!(Command::new("kill").arg(self.id().to_string()).status().unwrap().success());
        assert!(self.child.wait().unwrap().success(), "the edge drains and ends");
    }

    /// Makes a change, and gives the time from its end until it is told to be in force.
    pub fn take_up(&self, change: impl FnOnce()) -> Duration {
        change();
        let start = Instant::now();
        let line = self.outcomes.recv_timeout(PATIENCE).expect("the change is taken up");
        assert!(!line.contains("refused"), "{line}");
        start.elapsed()
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.drain.take().map(JoinHandle::join);
    }
}

/// `count` applications with two thumbprints each, which differ from round to round.
pub fn applications(count: usize, round: usize) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for number in 0..count {
        let _ = writeln!(
            text,
            "\n[[application]]\nclient_id = \"app-{number}\"\nauth_method = \"self_signed_tls_client_auth\"\n\
             [[application.credential]]\nname = \"2026-q3\"\nthumbprint = \"{:032x}{number:032x}\"\n\
             [[application.credential]]\nname = \"2026-q4\"\nthumbprint = \"{:032x}{number:032x}\"",
            2 * round,
            2 * round + 1,
        );
    }
    text
}
