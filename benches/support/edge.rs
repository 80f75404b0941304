//! The real program on a development configuration of its own.

#![allow(dead_code, reason = "each bench uses a part of it")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustls::pki_types::{CertificateDer, pem::PemObject};
use testkit::{Credentials, Edge};

/// The longest time for a start or a reload: with 500,000 applications, or under valgrind.
const PATIENCE: Duration = Duration::from_secs(300);

/// The real program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_mtls-edge");

/// The domain that [`Folder`] configures.
pub const DOMAIN: &str = "mtls.localhost";

/// A folder as `mtls-edge init` makes it, on free ports.
pub struct Folder {
    folder: tempfile::TempDir,
    /// The applications that `init` registers: "payments" with `certs/payments.pem` is one.
    pub applications: String,
}

impl Folder {
    /// Makes one with its upstream at this address.
    pub fn new(upstream: impl std::fmt::Display) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = Command::new(PROGRAM)
            .args(["init", "--for", "auth0", "--domain", DOMAIN])
            .arg(folder.path())
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success());
        let applications = fs::read_to_string(folder.path().join("applications.toml")).unwrap() + "\n";
        let folder = Self { folder, applications };
        folder.edit(|text| {
            text.replace("127.0.0.1:8443", "127.0.0.1:0")
                .replace("127.0.0.1:9443", "127.0.0.1:0")
                .replace("127.0.0.1:3000", &upstream.to_string())
                // As before `init` knew servers, so that figures stay comparable.
                .replace("client_auth = \"optional\"", "client_auth = \"required\"")
                .replace("\nclient_ip_header", "\n# client_ip_header")
                .replace("\n[log]\n", "\n[log]\nformat = \"json\"\n")
        });
        folder
    }

    /// The folder's path.
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

/// Starts the program on this configuration, and waits until it listens.
pub fn start(folder: &Folder) -> Edge {
    start_under(Command::new(PROGRAM), folder)
}

/// Starts the program by a command whose last argument so far is [`PROGRAM`], or which is it, and waits until it listens.
pub fn start_under(mut command: Command, folder: &Folder) -> Edge {
    command.args(["run", "--config"]).arg(folder.config()).env_remove("RUST_LOG").stdin(Stdio::null());
    Edge::start_within(PATIENCE, &mut command)
}

/// Makes a change, and returns the time from its end until the log reports the new configuration as active.
pub fn time_to_reload(edge: &Edge, change: impl FnOnce()) -> Duration {
    let logged = edge.logged();
    change();
    let start = Instant::now();
    let line = edge.wait_for_log_after(logged, "\"reload");
    assert!(line.contains("\"reloaded\""), "{line}");
    start.elapsed()
}

/// The CA of the server's certificate in a folder that `init` made, and the credentials of "payments".
pub fn payments(folder: &Path) -> (CertificateDer<'static>, Credentials) {
    let certs = folder.join("certs");
    let ca = CertificateDer::from_pem_file(certs.join("server-ca.pem")).unwrap();
    (ca, Credentials::read(&certs.join("payments.pem"), &certs.join("payments.key")))
}

/// `count` applications with two thumbprints each, which differ per round.
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
