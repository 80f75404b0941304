//! A running contender, and whether it does its job.
//!
//! It is not `testkit::Edge`, since peers do not log an address when they are ready: a request that is answered is the sign.

use std::{
    fs::{self, File},
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::HeaderMap;
use percent_encoding::percent_decode;
use tempfile::TempDir;

use super::{
    certificates::Certificates,
    client::{CLASSICAL, Client},
    contender::{Contender, Job},
    outcome::Outcome,
    process::Tree,
    upstream::Upstream,
};

/// The longest time for a start, and for an end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running contender. It is ended when dropped.
pub struct Running {
    child: Child,
    folder: TempDir,
    /// The folder of its output; not the configuration's, which the edge watches.
    output: TempDir,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Running {
    /// Starts it on these cores, and waits until it serves a client.
    ///
    /// # Errors
    ///
    /// It does not serve in time.
    pub async fn start(
        contender: &dyn Contender,
        certificates: &Certificates,
        upstream: &Upstream,
        cores: &str,
    ) -> Outcome<Self> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let output = tempfile::tempdir().map_err(|error| error.to_string())?;
        let address = free().map_err(|error| error.to_string())?;
        let job = Job {
            folder: folder.path(),
            certificate: &certificates.server_certificate,
            private_key: &certificates.server_key,
            client_ca: &certificates.client_ca,
            assertion_key: &certificates.assertion_key,
            listen: address,
            origins: &upstream.origins,
        };
        let command = contender.command(&job).map_err(|error| error.to_string())?;
        let log = File::create(output.path().join("log")).map_err(|error| error.to_string())?;
        let child = on_cores(&command, cores, log)
            .and_then(|mut command| command.spawn())
            .map_err(|error| error.to_string())?;
        let mut running = Self { child, folder, output, address };
        let client = Client::new(address, certificates, Some(&certificates.client), CLASSICAL);
        let begin = Instant::now();
        loop {
            let Err(error) = once(&client).await else { return Ok(running) };
            let ended = running.child.try_wait().is_ok_and(|status| status.is_some());
            if ended || begin.elapsed() > PATIENCE {
                return Err(format!("{} does not serve: {error}\n{}", contender.name(), running.logs()));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Its process and descendants.
    pub fn tree(&self) -> Tree {
        Tree(self.child.id())
    }

    /// The folder of its configuration.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The number of bytes that it has printed.
    pub fn printed(&self) -> u64 {
        fs::metadata(self.output.path().join("log")).map_or(0, |log| log.len())
    }

    /// Kills it with its descendants: a busy one would not honour SIGTERM in time.
    pub fn kill(&mut self) {
        self.tree().kill();
        let _ = self.child.wait();
    }

    /// Whether it passes the client's certificate on in its header, and refuses clients without one or with another CA's.
    ///
    /// # Errors
    ///
    /// It does not.
    pub async fn check(
        &self,
        contender: &dyn Contender,
        certificates: &Certificates,
        upstream: &Upstream,
    ) -> Outcome<()> {
        for kind in [CLASSICAL, super::client::Kind { http2: true, ..CLASSICAL }] {
            for (credentials, is_welcome) in
                [(Some(&certificates.client), true), (None, false), (Some(&certificates.stranger), false)]
            {
                let mut client = Client::new(self.address, certificates, credentials, kind);
                client.probe = true;
                let answer = if kind.http2 { once_http2(&client).await } else { once(&client).await };
                let seen = upstream.take_seen();
                let passed = seen.as_ref().is_some_and(|headers| {
                    passes_on(headers, contender.certificate_header(), certificates.client.leaf())
                });
                if is_welcome && !(answer.is_ok() && passed) {
                    let header = contender.certificate_header();
                    return Err(format!("the certificate does not arrive in {header}: {answer:?}, {seen:?}"));
                }
                if !is_welcome && (answer.is_ok() || seen.is_some()) {
                    return Err("it serves clients without a certificate, or with another CA's".to_owned());
                }
            }
        }
        Ok(())
    }

    /// The last lines of its logs.
    fn logs(&self) -> String {
        let folders = [&self.output, &self.folder].map(|folder| fs::read_dir(folder.path()));
        let files = folders.into_iter().flatten().flatten().filter_map(Result::ok);
        let texts = files.filter(|file| file.file_name().to_string_lossy().contains("log"));
        let texts = texts.filter_map(|file| fs::read_to_string(file.path()).ok());
        texts.map(|text| text.lines().rev().take(20).collect::<Vec<_>>().join("\n")).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let id = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).stderr(Stdio::null()).status();
        let begin = Instant::now();
        while self.child.try_wait().is_ok_and(|status| status.is_none()) {
            if begin.elapsed() > PATIENCE {
                self.tree().kill();
                let _ = self.child.wait();
                return;
            }
            #[allow(clippy::disallowed_methods, reason = "nothing else runs on this thread")]
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Sends one request on a new connection.
pub async fn once(client: &Client) -> Outcome<()> {
    let (mut connection, _) = client.http1().await?;
    let answer = connection.token().await;
    connection.close().await;
    answer
}

async fn once_http2(client: &Client) -> Outcome<()> {
    client.http2().await?.token().await
}

/// Whether a header contains the certificate. Each profile encodes it in its own way, but all contain the base64 of the DER.
fn passes_on(headers: &HeaderMap, name: &str, certificate: &[u8]) -> bool {
    let Some(value) = headers.get(name) else { return false };
    let decoded: Vec<u8> = percent_decode(value.as_bytes()).collect();
    let text = String::from_utf8_lossy(&decoded).replace(|c: char| c.is_ascii_whitespace(), "");
    text.contains(&STANDARD.encode(certificate))
}

/// A free port on loopback.
pub fn free() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// The same command, pinned to these cores, with its output in a file.
fn on_cores(command: &Command, cores: &str, log: File) -> io::Result<Command> {
    let mut pinned = Command::new("taskset");
    pinned.args(["-c", cores]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => pinned.env(name, value),
            None => pinned.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        pinned.current_dir(folder);
    }
    pinned.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    Ok(pinned)
}
