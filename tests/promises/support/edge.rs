//! The real program, started with a real configuration.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tempfile::TempDir;

use super::{Answer, Ca, DOMAIN, PATIENCE, set_clock};
use mtls_edge::clock::Timestamp;

/// The program: cargo's, or the one that `MTLS_EDGE_BIN` names, such as a release.
pub fn program() -> Command {
    let cargos = env!("CARGO_BIN_EXE_mtls-edge");
    Command::new(std::env::var_os("MTLS_EDGE_BIN").unwrap_or_else(|| cargos.into()))
}

/// What an edge is started with. Text is TOML; files go into the configuration's folder.
pub struct EdgeBuilder {
    folder: TempDir,
    server_ca: Ca,
    listen: String,
    limits: String,
    trust: String,
    upstream: String,
    upstream_url: String,
    domains: String,
    applications: String,
    client_cas: Vec<String>,
    applications_file: String,
    extra: String,
    environment: Vec<(String, String)>,
    workers: usize,
    open_files: Option<String>,
    clock: Option<Timestamp>,
}

impl EdgeBuilder {
    /// An edge before this upstream, without domains yet.
    pub fn new(upstream: impl std::fmt::Display) -> Self {
        Self {
            folder: TempDir::new().unwrap(),
            server_ca: Ca::new("Server CA"),
            listen: String::new(),
            limits: String::new(),
            trust: String::new(),
            upstream: String::new(),
            upstream_url: format!("\"{upstream}\""),
            domains: String::new(),
            applications: String::new(),
            client_cas: Vec::new(),
            applications_file: "applications.toml".to_owned(),
            extra: String::new(),
            environment: Vec::new(),
            workers: 2,
            open_files: None,
            clock: None,
        }
    }

    /// Adds a domain with a server certificate of its own. `settings` are further lines of `[[domain]]`, and its routes.
    pub fn domain(mut self, name: &str, settings: &str) -> Self {
        self.server_ca.server(&[name]).write(self.folder.path(), name);
        let _ = writeln!(
            self.domains,
            "[[domain]]\nname = \"{name}\"\ncertificate = \"{name}.pem\"\nprivate_key = \"{name}.key\"\n{settings}\n"
        );
        self
    }

    /// The usual domain: a certificate required, `/oauth/token` by POST for the client itself, under this profile.
    pub fn usual_domain(self, profile: &str) -> Self {
        let settings = format!(
            "header_profile = \"{profile}\"\n[[domain.route]]\npath = \"/oauth/token\"\nmethods = [\"POST\"]\nauthenticate = \"client\""
        );
        self.domain(DOMAIN, &settings)
    }

    /// Adds an application: `credentials` are the lines of each `[[application.credential]]` but its name.
    pub fn application(mut self, client_id: &str, method: &str, credentials: &[String]) -> Self {
        let _ = writeln!(
            self.applications,
            "[[application]]\nclient_id = \"{client_id}\"\nauth_method = \"{method}\""
        );
        for (number, credential) in credentials.iter().enumerate() {
            let _ =
                writeln!(self.applications, "[[application.credential]]\nname = \"c{number}\"\n{credential}");
        }
        self
    }

    /// An application with these registered thumbprints.
    pub fn self_signed_application(self, client_id: &str, thumbprints: &[String]) -> Self {
        let credentials: Vec<String> =
            thumbprints.iter().map(|print| format!("thumbprint = \"{print}\"")).collect();
        self.application(client_id, "self_signed_tls_client_auth", &credentials)
    }

    /// An application with one registered subject, such as `subject_dn = "CN=a"`.
    pub fn ca_application(self, client_id: &str, credential: &str) -> Self {
        self.application(client_id, "tls_client_auth", &[credential.to_owned()])
    }

    /// Trusts a client CA; its file is `NAME.pem`.
    pub fn trust(mut self, name: &str, pem: &str) -> Self {
        self = self.file(&format!("{name}.pem"), pem);
        self.client_ca(&format!("\"{name}.pem\""))
    }

    /// An item of `client_ca` as it is written.
    pub fn client_ca(mut self, item: &str) -> Self {
        self.client_cas.push(item.to_owned());
        self
    }

    /// Names a file that was written besides as a client CA's.
    pub fn trust_file(mut self, name: &str) -> Self {
        self.client_cas.push(format!("\"{name}\""));
        self
    }

    /// Writes a file beside the configuration.
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// The same for its owner alone.
    pub fn secret_file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.folder.path().join(name);
        let builder = self.file(name, content);
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        builder
    }

    /// Lines of `[listen]`, beside the addresses.
    pub fn listen(mut self, lines: &str) -> Self {
        self.listen.push_str(lines);
        self.listen.push('\n');
        self
    }

    /// Lines of `[limits]`.
    pub fn limits(mut self, lines: &str) -> Self {
        self.limits.push_str(lines);
        self.limits.push('\n');
        self
    }

    /// Lines of `[trust]`, beside the client CAs and the applications, such as `crls`.
    pub fn trust_settings(mut self, lines: &str) -> Self {
        self.trust.push_str(lines);
        self.trust.push('\n');
        self
    }

    /// Lines of `[[upstream]]`, beside name and urls.
    pub fn upstream(mut self, lines: &str) -> Self {
        self.upstream.push_str(lines);
        self.upstream.push('\n');
        self
    }

    /// Another origin of the upstream.
    pub fn also_upstream(mut self, url: impl std::fmt::Display) -> Self {
        let _ = write!(self.upstream_url, ", \"{url}\"");
        self
    }

    /// Whole tables, such as a `[[header_profile]]` or `[trust]` additions by their own name.
    pub fn extra(mut self, text: &str) -> Self {
        self.extra.push_str(text);
        self.extra.push('\n');
        self
    }

    /// Logs what an operator sees only, for tests of many requests.
    pub fn quiet(self) -> Self {
        self.environment("RUST_LOG", "mtls_edge=info,mtls_edge::access=off")
    }

    /// Names another file of applications, which the test writes itself.
    pub fn applications_file(mut self, path: &str) -> Self {
        path.clone_into(&mut self.applications_file);
        self
    }

    /// The folder of the configuration.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A variable of the edge's environment.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With so many workers instead of two.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Under another limit of open files, in the words of the shell's `ulimit`: `-n 256`.
    pub fn open_files(mut self, ulimit: &str) -> Self {
        self.open_files = Some(ulimit.to_owned());
        self
    }

    /// With a clock that stands still at this time until [`Edge::set_clock`] sets it.
    pub fn clock(mut self, at: time::OffsetDateTime) -> Self {
        self.clock = Some(at.into());
        self
    }

    /// The program that serves.
    fn server(&self) -> Command {
        let config = self.folder.path().join("edge.toml");
        if self.clock.is_some() {
            return set_clock::program(&config, self.workers);
        }
        let mut program = self.program();
        program.args(["run", "--workers", &self.workers.to_string(), "--config"]).arg(config);
        program
    }

    /// The program, under the limits that were asked for.
    fn program(&self) -> Command {
        let Some(ulimit) = &self.open_files else { return program() };
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit {ulimit} && exec \"$0\" \"$@\"")]).arg(program().get_program());
        shell
    }

    fn write(&self) {
        let config = format!(
            "[listen]\nhttps = [\"127.0.0.1:0\"]\nadmin = \"127.0.0.1:0\"\n{}\n[limits]\n{}\n[log]\nformat = \"json\"\nlevel = \"debug\"\n\
             [trust]\nclient_ca = [{}]\napplications = \"{}\"\n{}\n[[upstream]]\nname = \"as\"\nurls = [{}]\n{}\n{}\n{}",
            self.listen,
            self.limits,
            self.client_cas.join(", "),
            self.applications_file,
            self.trust,
            self.upstream_url,
            self.upstream,
            self.domains,
            self.extra
        );
        std::fs::write(self.folder.path().join("edge.toml"), config).unwrap();
        let applications =
            if self.applications.is_empty() { "# nobody\n".to_owned() } else { self.applications.clone() };
        std::fs::write(self.folder.path().join("applications.toml"), applications).unwrap();
    }

    /// Runs a command that ends by itself, such as `check`, on this configuration, in its folder.
    pub fn output(&self, command: &str) -> Output {
        self.write();
        self.program()
            .args([command, "--config", "edge.toml"])
            .current_dir(self.folder.path())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Starts the program and waits until it listens.
    pub fn start(self) -> Edge {
        self.write();
        let mut child = self
            .server()
            // Of the test's own environment nothing shall decide what is logged; what the test asks for does.
            .env_remove("RUST_LOG")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(if self.clock.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        if let (Some(time), Some(stdin)) = (self.clock, &mut child.stdin) {
            set_clock::set(stdin, time);
        }
        let log = Log::default();
        let (lines, stderr) = (log.clone(), child.stderr.take().unwrap());
        let reading = Reading::default();
        let goes_on = reading.clone();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                lines.push(line);
                if !goes_on.goes_on() {
                    break;
                }
            }
            lines.end();
        });
        let address = |message: &str| -> SocketAddr {
            let line = log.wait_for(|line| line.contains(message));
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            line["address"].as_str().unwrap().parse().unwrap()
        };
        let https = address("HTTPS listener ready");
        let admin = address("admin listener ready");
        let server_ca = self.server_ca.der();
        let issuer = self.server_ca;
        Edge {
            https,
            admin,
            server_ca,
            issuer,
            folder: self.folder,
            child,
            log,
            reading,
            reader: Some(reader),
        }
    }
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
    reading: Reading,
    reader: Option<std::thread::JoinHandle<()>>,
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
        self.log.wait(|state| {
            (state.lines.iter().filter(|line| line.contains(text)).count() >= count).then_some(())
        });
    }

    /// Writes a file of the edge's folder, and waits until that is in force.
    pub fn reload(&self, file: &str, text: &str) {
        let generation = self.log().matches("\"reloaded\"").count() + 2;
        std::fs::write(self.folder.path().join(file), text).unwrap();
        self.wait_for_log(&format!("\"reloaded\",\"generation\":{generation},"));
    }

    /// Sets the clock of an edge that was built with [`EdgeBuilder::clock`], and waits until it is set.
    pub fn set_clock(&mut self, time: time::OffsetDateTime) {
        let before = self.log().matches(set_clock::CLOCK_SET).count();
        set_clock::set(self.child.stdin.as_mut().unwrap(), time.into());
        self.wait_for_logs(set_clock::CLOCK_SET, before + 1);
    }

    /// The line of the access log about the request that got this answer.
    pub fn log_of(&self, answer: &Answer) -> serde_json::Value {
        let id = format!("\"request_id\":\"{}\"", answer.headers["x-request-id"].to_str().unwrap());
        serde_json::from_str(&self.wait_for_log(&id)).unwrap()
    }

    /// From the next line on nobody reads the log: it stays in the pipe.
    pub fn stop_reading(&self) {
        self.reading.set(Read::Pauses);
    }

    /// Reads the log again.
    pub fn read_on(&self) {
        self.reading.set(Read::GoesOn);
    }

    /// With the next line the pipe of the log is closed.
    pub fn close_log(&self) {
        self.reading.set(Read::Ends);
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
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
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
        self.reading.set(Read::Ends);
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

/// Whether the log is read.
#[derive(Clone, Default)]
struct Reading(Arc<(Mutex<Read>, Condvar)>);

#[derive(Clone, Copy, Default, PartialEq)]
enum Read {
    #[default]
    GoesOn,
    Pauses,
    Ends,
}

impl Reading {
    fn set(&self, read: Read) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = read;
        self.0.1.notify_all();
    }

    /// Waits while it pauses.
    fn goes_on(&self) -> bool {
        let read = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        *self.0.1.wait_while(read, |read| *read == Read::Pauses).unwrap() == Read::GoesOn
    }
}

/// The lines of a process's log, as they come.
#[derive(Clone, Default)]
struct Log(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    /// Also after a test has failed while it looked.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    ended: bool,
}

impl Log {
    fn push(&self, line: String) {
        self.0.lock().lines.push(line);
        self.0.changed.notify_all();
    }

    fn end(&self) {
        self.0.lock().ended = true;
        self.0.changed.notify_all();
    }

    fn text(&self) -> String {
        self.0.lock().lines.join("\n")
    }

    fn wait_for(&self, wanted: impl Fn(&str) -> bool) -> String {
        self.wait(|state| {
            let line = state.lines.iter().find(|line| wanted(line)).cloned();
            assert!(line.is_some() || !state.ended, "the edge ended; its log:\n{}", state.lines.join("\n"));
            line
        })
    }

    fn wait_for_end(&self) {
        self.wait(|state| state.ended.then_some(()));
    }

    fn wait<T>(&self, found: impl Fn(&State) -> Option<T>) -> T {
        let start = Instant::now();
        let mut state = self.0.lock();
        loop {
            if let Some(found) = found(&state) {
                return found;
            }
            assert!(start.elapsed() < PATIENCE, "waited in vain; the log:\n{}", state.lines.join("\n"));
            state = self.0.changed.wait_timeout(state, PATIENCE).unwrap().0;
        }
    }
}
