//! The real program, started with a real configuration.

mod builder;
mod log;

use std::{
    net::SocketAddr,
    process::{Child, Command, ExitStatus},
    time::Instant,
};

use tempfile::TempDir;

use super::{Answer, Ca, Credentials, DOMAIN, PATIENCE, self_signed, test_process};
pub use builder::EdgeBuilder;
use log::{Log, Read};

/// The program: cargo's, or the one that `MTLS_EDGE_BIN` names, such as a release.
pub fn program() -> Command {
    let cargos = env!("CARGO_BIN_EXE_mtls-edge");
    Command::new(std::env::var_os("MTLS_EDGE_BIN").unwrap_or_else(|| cargos.into()))
}

/// The usual route, and one whose bodies are streamed.
const ROUTES: &str = "[[domain.route]]\n[[domain.route]]\npath = \"/any/*\"\nmethods = [\"GET\", \"HEAD\", \"POST\"]\nauthenticate = \"certificate\"";

/// An edge in front of an upstream, and the credentials of its one application, "billing". `upstream` is lines of `[[upstream]]`.
pub fn edge_before(url: impl std::fmt::Display, upstream: &str) -> (Edge, Credentials) {
    with_client(EdgeBuilder::new(url).upstream(upstream))
}

/// The same for an edge with further settings.
pub fn with_client(edge: EdgeBuilder) -> (Edge, Credentials) {
    let credentials = self_signed("billing");
    let edge =
        edge.domain(DOMAIN, ROUTES).self_signed_application("billing", &[credentials.thumbprint()]).start();
    (edge, credentials)
}

/// A running edge. It is killed when it goes out of scope.
pub struct Edge {
    pub https: SocketAddr,
    pub admin: SocketAddr,
    /// The CA of the domains' certificates.
    pub server_ca: rustls::pki_types::CertificateDer<'static>,
    /// The same, to issue another certificate by.
    pub issuer: Ca,
    pub folder: TempDir,
    child: Child,
    log: Log,
}

impl Edge {
    /// Everything that was logged so far.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Waits for a log line with this text.
    pub fn wait_for_log(&self, text: &str) -> String {
        self.log.wait_for(|line| line.contains(text))
    }

    /// Waits for so many log lines with this text.
    pub fn wait_for_logs(&self, text: &str, count: usize) {
        self.log.wait_for_count(text, count);
    }

    /// Writes a file of the edge's folder, and waits until that is in force.
    pub fn reload(&self, file: &str, text: &str) {
        let generation = self.log().matches("\"reloaded\"").count() + 2;
        std::fs::write(self.folder.path().join(file), text).unwrap();
        self.wait_for_log(&format!("\"reloaded\",\"generation\":{generation},"));
    }

    /// Sets the clock of an edge that was built with [`EdgeBuilder::clock`], and waits until it is set.
    pub fn set_clock(&mut self, time: time::OffsetDateTime) {
        self.execute(&format!("clock {}", time.unix_timestamp()));
    }

    /// Publishes an update from the second source of an edge that was built with [`EdgeBuilder::second_source`]: a command of
    /// [`test_process`]. Returns the conflict by which it was rejected, once that is known or the update is active.
    pub fn publish(&mut self, command: &str) -> Option<String> {
        let line: serde_json::Value = serde_json::from_str(&self.execute(command)).unwrap();
        Some(line["answer"].as_str().unwrap().to_owned()).filter(|conflict| !conflict.is_empty())
    }

    /// Waits until a command has been executed, and gives its log line.
    fn execute(&mut self, command: &str) -> String {
        let before = self.log().matches(test_process::EXECUTED).count();
        test_process::send(self.child.stdin.as_mut().unwrap(), command);
        self.wait_for_logs(test_process::EXECUTED, before + 1);
        self.log().lines().rfind(|line| line.contains(test_process::EXECUTED)).unwrap().to_owned()
    }

    /// The line of the access log about the request that got this answer.
    pub fn log_of(&self, answer: &Answer) -> serde_json::Value {
        let id = format!("\"request_id\":\"{}\"", answer.headers["x-request-id"].to_str().unwrap());
        serde_json::from_str(&self.wait_for_log(&id)).unwrap()
    }

    /// From the next line on nobody reads the log: it stays in the pipe.
    pub fn stop_reading(&self) {
        self.log.set(Read::Pauses);
    }

    /// Reads the log again.
    pub fn read_on(&self) {
        self.log.set(Read::GoesOn);
    }

    /// With the next line the pipe of the log is closed.
    pub fn close_log(&self) {
        self.log.set(Read::Ends);
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Stops all its threads, once they have read all that came. What clients send from now on has come, all of it, when the signal
    /// `CONT` lets them go on.
    pub fn freeze(&self) {
        until("something is left unread", || self.unread() == 0);
        self.signal("STOP");
        let threads = format!("/proc/{}/task", self.id());
        let is_stopped = |thread: std::io::Result<std::fs::DirEntry>| {
            let stat = std::fs::read_to_string(thread.unwrap().path().join("stat")).unwrap();
            stat.rsplit_once(") ").unwrap().1.starts_with('T')
        };
        until("it does not stop", || std::fs::read_dir(&threads).unwrap().all(is_stopped));
    }

    /// Waits until so many connections hold octets that the edge has not read.
    pub fn wait_for_unread(&self, connections: usize) {
        until("the octets do not come", || self.unread() >= connections);
    }

    /// How many connections hold octets that the edge has not read.
    fn unread(&self) -> usize {
        // sl local_address rem_address st tx_queue:rx_queue ...; 01 is ESTABLISHED.
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let port = format!(":{:04X}", self.https.port());
        let rows = table.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
        rows.filter(|row| row[1].ends_with(&port) && row[3] == "01" && !row[4].ends_with(":00000000")).count()
    }

    /// Waits for the end of the process, whoever reads its log.
    pub fn wait_unread(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "the process does not end");
            std::thread::yield_now();
        }
    }

    /// Waits for the end of the process.
    pub fn wait(&mut self) -> ExitStatus {
        // The end of the log is the event: it is the process's standard error.
        self.log.wait_for_end();
        self.child.wait().unwrap()
    }

    /// Ends the edge as an operator would, and gives its whole log.
    pub fn stop(mut self) -> String {
        self.signal("TERM");
        assert_eq!(self.wait().code(), Some(0), "{}", self.log());
        self.log()
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.log.set(Read::Ends);
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the edge's log:\n{}", self.log());
        }
    }
}

fn until(complaint: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "{complaint}");
        std::thread::yield_now();
    }
}
