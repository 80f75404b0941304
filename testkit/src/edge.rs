//! A running edge: started from a command, watched through its log, ended by its process id.

mod log;

use std::{
    net::{Ipv4Addr, SocketAddr},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use log::{Log, Read};

use crate::{PATIENCE, client::Answer};

/// The message of the log line that has the address for applications; its second form is that of older builds.
const HTTPS_READY: [&str; 2] = ["HTTPS listener ready", "listening for applications"];
/// The log message when the admin address is ready, that of older builds, and the one of an edge without it.
const ADMIN_READY: [&str; 3] = ["admin listener ready", "listening for the operator", "admin listener off"];
/// The log message when the address of health checks is ready.
const HEALTH_READY: &str = "health listener ready";

/// A running edge that logs in JSON. It is killed when dropped.
pub struct Edge {
    /// The address for applications.
    pub https: SocketAddr,
    /// The address for operators; unspecified if it is off.
    pub admin: SocketAddr,
    child: Child,
    /// Its command line, which processes that replace it have, too.
    arguments: Vec<Vec<u8>>,
    log: Log,
    patience: Duration,
}

impl Edge {
    /// Starts this command, and waits until it listens.
    pub fn start(command: &mut Command) -> Self {
        Self::start_within(PATIENCE, command)
    }

    /// Starts this command, and waits until it listens. Any wait for it may take `patience`.
    pub fn start_within(patience: Duration, command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Log::of(child.stderr.take().unwrap());
        let address = |messages: &[&str]| {
            let (_, line) =
                log.wait_for(patience, 0, |line| messages.iter().any(|message| line.contains(message)));
            address_in(&line)
        };
        let https = address(&HTTPS_READY).unwrap();
        let admin = address(&ADMIN_READY).unwrap_or_else(|| (Ipv4Addr::UNSPECIFIED, 0).into());
        let arguments = command.get_args().map(|argument| argument.as_encoded_bytes().to_vec()).collect();
        Self { https, admin, child, arguments, log, patience }
    }

    /// The address of health checks.
    pub fn health(&self) -> SocketAddr {
        address_in(&self.wait_for_log(HEALTH_READY)).unwrap()
    }

    /// Everything that was logged so far.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// How many lines were logged so far.
    pub fn logged(&self) -> usize {
        self.log.count()
    }

    /// Waits for a log line with this text.
    pub fn wait_for_log(&self, text: &str) -> String {
        self.wait_for_log_after(0, text)
    }

    /// Waits for a log line with this text, after the first `lines` lines.
    pub fn wait_for_log_after(&self, lines: usize, text: &str) -> String {
        self.log.wait_for(self.patience, lines, |line| line.contains(text)).1
    }

    /// Waits for this many log lines with this text.
    pub fn wait_for_logs(&self, text: &str, count: usize) {
        let mut after = 0;
        for _ in 0..count {
            after = self.log.wait_for(self.patience, after, |line| line.contains(text)).0 + 1;
        }
    }

    /// The access log line of the request that got this answer.
    pub fn log_of(&self, answer: &Answer) -> serde_json::Value {
        let id = format!("\"request_id\":\"{}\"", answer.headers["x-request-id"].to_str().unwrap());
        serde_json::from_str(&self.wait_for_log(&id)).unwrap()
    }

    /// Stops reading the log after its next line: further lines stay in the pipe.
    pub fn stop_reading(&self) {
        self.log.set(Read::Pauses);
    }

    /// Reads the log again.
    pub fn resume_reading(&self) {
        self.log.set(Read::GoesOn);
    }

    /// Closes the log's pipe after its next line.
    pub fn close_log(&self) {
        self.log.set(Read::Ends);
    }

    /// The id of the process that serves.
    pub fn id(&self) -> u32 {
        self.ids().pop().unwrap_or_else(|| self.child.id())
    }

    /// Resident memory in bytes.
    pub fn memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }

    /// The ids of the processes that replaced the first, in their order.
    fn ids(&self) -> Vec<u32> {
        let text = self.log();
        let ids = text
            .split("\"successor\":")
            .skip(1)
            .filter_map(|rest| rest.split([',', '}']).next()?.parse().ok());
        ids.collect()
    }

    /// Whether this process has the edge's command line, and not another one that got its number.
    fn is_ours(&self, id: u32) -> bool {
        let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        let arguments: Vec<_> =
            line.split(|byte| *byte == 0).skip(1).filter(|argument| !argument.is_empty()).collect();
        // The command may have been a shell's that runs the edge.
        let from = self.arguments.len().saturating_sub(arguments.len());
        !arguments.is_empty() && self.arguments[from..] == arguments
    }

    /// The process's standard input, if it has any.
    pub fn input(&mut self) -> Option<&mut ChildStdin> {
        self.child.stdin.as_mut()
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        self.signal_process(self.id(), name);
    }

    /// Sends a signal to one of the edge's processes.
    pub fn signal_process(&self, id: u32, name: &str) {
        assert!(
            Command::new("kill").args([&format!("-{name}"), &id.to_string()]).status().unwrap().success()
        );
    }

    /// Stops all threads of the edge, after they have read everything that arrived. The signal `CONT` continues them: by then
    /// everything that clients sent meanwhile has arrived.
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

    /// Waits until this many connections have bytes that the edge has not read.
    pub fn wait_for_unread(&self, connections: usize) {
        until("the bytes do not arrive", || self.unread() >= connections);
    }

    /// The number of connections that have bytes which the edge has not read.
    fn unread(&self) -> usize {
        // sl local_address rem_address st tx_queue:rx_queue ...; 01 is ESTABLISHED.
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let port = format!(":{:04X}", self.https.port());
        let rows = table.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
        rows.filter(|row| row[1].ends_with(&port) && row[3] == "01" && !row[4].ends_with(":00000000")).count()
    }

    /// Waits for the end of the process, even if another process holds its log open or nothing reads it.
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
        self.log.wait_for_end(self.patience);
        self.child.wait().unwrap()
    }

    /// Ends the edge as an operator does, and returns its whole log.
    pub fn stop(mut self) -> String {
        self.signal("TERM");
        assert_eq!(self.wait().code(), Some(0), "{}", self.log());
        self.log()
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.log.set(Read::Ends);
        for id in self.ids().into_iter().filter(|id| self.is_ours(*id)) {
            let _ = Command::new("kill").args(["-KILL", &id.to_string()]).status();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the edge's log:\n{}", self.log());
        }
    }
}

/// The address that a log line names.
fn address_in(line: &str) -> Option<SocketAddr> {
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    line["address"].as_str().map(|address| address.parse().unwrap())
}

fn until(complaint: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "{complaint}");
        std::thread::yield_now();
    }
}
