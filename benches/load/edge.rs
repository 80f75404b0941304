//! The edge with its default settings.

use std::{fmt::Write as _, fs, io, path::PathBuf, process::Command};

use super::{
    certificates::{ASSERTION_CLIENT_ID, CLIENT_ID, ISSUER},
    contender::{Contender, DOMAIN, Job},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mtls-edge");

/// The program under test.
#[derive(Clone, Debug)]
pub struct Edge {
    /// Its binary.
    pub program: PathBuf,
    /// The name in the table.
    pub name: &'static str,
    /// The number of workers.
    pub workers: usize,
    /// The number of registered applications.
    pub applications: usize,
    /// Where it forwards to.
    pub origin: Origin,
}

/// How the edge calls the upstream.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Origin {
    /// HTTP/1.1 without TLS, as peers do.
    Plain,
    /// HTTP/1.1 over TLS.
    Tls,
    /// HTTP/2 over TLS.
    TlsHttp2,
}

impl Default for Edge {
    fn default() -> Self {
        Self {
            program: PROGRAM.into(),
            name: "mtls-edge",
            workers: 1,
            applications: 10,
            origin: Origin::Plain,
        }
    }
}

impl Edge {
    /// The application that sends the load, registered by subject; then others with two credentials each, and `more`.
    fn registry(&self, more: &str) -> String {
        let mut text = format!(
            "[[application]]\nclient_id = \"{CLIENT_ID}\"\nauth_method = \"tls_client_auth\"\n\
             [[application.credential]]\nname = \"prod\"\nsubject_dn = \"CN={CLIENT_ID},O=Example Bank,C=DE\"\n"
        );
        for number in 1..self.applications {
            let _ = write!(
                text,
                "[[application]]\nclient_id = \"app-{number}\"\nauth_method = \"tls_client_auth\"\n\
                 [[application.credential]]\nname = \"q3\"\nsubject_dn = \"CN=app-{number},O=Example Bank,C=DE\"\n\
                 [[application.credential]]\nname = \"q4\"\nsubject_dn = \"CN=app-{number},O=Example Bank,C=FR\"\n"
            );
        }
        text + more
    }
}

/// The application that sends assertions.
fn assertion_application(job: &Job<'_>) -> String {
    format!(
        "[[application]]\nclient_id = \"{ASSERTION_CLIENT_ID}\"\nauth_method = \"private_key_jwt\"\n\
         [[application.credential]]\nname = \"a\"\npublic_key = \"{}\"\n",
        job.assertion_key.display()
    )
}

impl Contender for Edge {
    fn name(&self) -> &'static str {
        self.name
    }

    fn version(&self) -> io::Result<String> {
        let output = Command::new(&self.program).arg("--version").output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn command(&self, job: &Job<'_>) -> io::Result<Command> {
        // Only what the load needs differs from the defaults: more connections, which are not closed while they are idle.
        fs::write(job.folder.join("upstream-ca.pem"), &job.origins.ca)?;
        let upstream = match self.origin {
            Origin::Plain => format!("urls = [\"http://{}\"]", job.origins.plain),
            Origin::Tls => format!("urls = [\"https://{}\"]\nca = \"upstream-ca.pem\"", job.origins.tls),
            Origin::TlsHttp2 => {
                format!("urls = [\"https://{}\"]\nca = \"upstream-ca.pem\"", job.origins.tls_http2)
            }
        };
        let config = |per_address: &str, issuer: &str| {
            format!(
                "[listen]\nhttps = [\"{}\"]\nadmin = \"127.0.0.1:0\"\nworkers = {}\n\
             [limits]\nconnections = 20000\n{per_address}idle_timeout = \"1h\"\n\
             [trust]\nclient_ca = [\"{}\"]\n\
             [[upstream]]\nname = \"auth-server\"\n{upstream}\n\
             [[domain]]\nname = \"{DOMAIN}\"\ncertificate = \"{}\"\nprivate_key = \"{}\"\n{issuer}",
                job.listen,
                self.workers,
                job.client_ca.display(),
                job.certificate.display(),
                job.private_key.display(),
            )
        };
        let registry = job.folder.join("applications.toml");
        fs::write(&registry, self.registry(&assertion_application(job)))?;
        let file = job.folder.join("edge.toml");
        let (mut per_address, mut issuer) =
            ("connections_per_address = 20000\n", format!("issuer = \"{ISSUER}\"\n"));
        fs::write(&file, config(per_address, &issuer))?;
        // An earlier build knows neither the keys nor the limit.
        let check = Command::new(&self.program).args(["check", "--config"]).arg(&file).output()?;
        let problems = String::from_utf8_lossy(&check.stderr).into_owned();
        if problems.contains("connections_per_address") {
            per_address = "";
        }
        if problems.contains("issuer") || problems.contains("auth_method") {
            issuer.clear();
            fs::write(&registry, self.registry(""))?;
        }
        fs::write(&file, config(per_address, &issuer))?;
        let mut command = Command::new(&self.program);
        command.args(["run", "--config"]).arg(file);
        command.env_remove("RUST_LOG");
        Ok(command)
    }

    fn certificate_header(&self) -> &'static str {
        // Of the default profile, auth0.
        "client-certificate"
    }

    fn is_peer(&self) -> bool {
        false
    }

    fn workers(&self) -> usize {
        self.workers
    }
}
