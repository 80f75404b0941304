//! Pebble, the test CA of Let's Encrypt, which validates over the network: its DNS server knows one address, and its port for
//! validations leads to the edge.

use std::{
    net::{SocketAddr, TcpListener as StdListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use rustls::pki_types::{CertificateDer, pem::PemObject};
use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream, UdpSocket},
};

use crate::support::{Ca, PATIENCE, tool::run_tool};

/// A running Pebble. It ends with the test.
pub struct Pebble {
    child: Child,
    port: u16,
    management: u16,
    folder: TempDir,
    edge: Arc<OnceLock<SocketAddr>>,
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts the program in a folder that has its configuration.
fn spawn(folder: &TempDir, dns: SocketAddr) -> Child {
    Command::new("pebble")
        .args(["-config", "pebble.json", "-dnsserver", &dns.to_string()])
        .current_dir(folder.path())
        .env("PEBBLE_VA_NOSLEEP", "1")
        .env("PEBBLE_WFE_NONCEREJECT", "5")
        // Each order is validated.
        .env("PEBBLE_AUTHZREUSE", "0")
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(folder.path().join("log")).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("the tests need the command pebble: {error}"))
}

impl Pebble {
    /// Starts a CA whose certificates are valid for so many seconds, and that issues none for `blocked.example`. `settings` are
    /// further members of its configuration.
    pub async fn start(validity: u64, settings: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let ca = Ca::new("ACME server CA");
        ca.server(&["localhost"]).write(folder.path(), "server");
        std::fs::write(folder.path().join("ca.pem"), ca.pem()).unwrap();
        let edge = Arc::new(OnceLock::new());
        let validations = forward(Arc::clone(&edge)).await;
        let dns = dns().await;
        let start = Instant::now();
        loop {
            let (port, management) = (free_port(), free_port());
            let configuration = format!(
                r#"{{"pebble": {{"listenAddress": "127.0.0.1:{port}", "managementListenAddress": "127.0.0.1:{management}",
            "certificate": "server.pem", "privateKey": "server.key", "httpPort": 1, "tlsPort": {},
            "domainBlocklist": ["blocked.example"], "certificateValidityPeriod": {validity}{settings}}}}}"#,
                validations.port()
            );
            std::fs::write(folder.path().join("pebble.json"), configuration).unwrap();
            let mut child = spawn(&folder, dns);
            loop {
                if TcpStream::connect(("127.0.0.1", management)).await.is_ok()
                    && TcpStream::connect(("127.0.0.1", port)).await.is_ok()
                    && child.try_wait().unwrap().is_none()
                {
                    return Self { child, port, management, folder, edge };
                }
                let log = || std::fs::read_to_string(folder.path().join("log")).unwrap();
                assert!(start.elapsed() < PATIENCE, "Pebble does not start: {}", log());
                if child.try_wait().unwrap().is_some() {
                    // Another program has taken a port meanwhile.
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }

    /// The lines of `[acme]`, with the state in this folder.
    pub fn settings(&self, state: &std::path::Path) -> String {
        format!(
            "[acme]\ndirectory = \"https://localhost:{}/dir\"\nterms_of_service_agreed = true\nstate = \"{}\"\nca = \"{}\"",
            self.port,
            state.display(),
            self.ca().display()
        )
    }

    /// The CA of its own server certificate.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// From now on validations go to this address.
    pub fn validate_at(&self, edge: SocketAddr) {
        self.edge.set(edge).unwrap();
    }

    /// The root of the certificates that it issues.
    pub async fn root(&self) -> CertificateDer<'static> {
        let url = format!("https://localhost:{}/roots/0", self.management);
        let arguments = ["--silent", "--show-error", "--fail", "--noproxy", "*", "--cacert", "ca.pem", &url];
        let said = run_tool(self.folder.path(), "curl", &arguments, "").await.well();
        CertificateDer::from_pem_slice(said.out.as_bytes()).unwrap()
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("Pebble's log:\n{}", self.log());
        }
    }
}

/// Leads connections to the edge, whose address is known later.
async fn forward(to: Arc<OnceLock<SocketAddr>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let Some(edge) = to.get().copied() else { continue };
            tokio::spawn(async move {
                if let Ok(mut edge) = TcpStream::connect(edge).await {
                    let _ = copy_bidirectional(&mut stream, &mut edge).await;
                }
            });
        }
    });
    address
}

/// A DNS server to which every name is 127.0.0.1, and has nothing else.
async fn dns() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query).await {
            // The question: labels up to an empty one, type and class.
            let Some(labels) = query[12..length].iter().position(|byte| *byte == 0) else { continue };
            let end = 12 + labels + 5;
            let is_a = query[end - 4..end] == [0, 1, 0, 1];
            let mut answer = query[..2].to_vec();
            answer.extend([0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
            answer.extend(&query[12..end]);
            if is_a {
                // The name of the question, A, IN, one second, four bytes.
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1]);
            }
            let _ = socket.send_to(&answer, from).await;
        }
    });
    address
}
