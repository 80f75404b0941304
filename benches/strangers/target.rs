//! The edge under attack: one worker, a route for applications and a public one.

use std::{fmt::Write as _, fs, io, net::SocketAddr, path::PathBuf, process::Command};

use super::rows::Row;
use crate::harness::{
    certificates::CLIENT_ID,
    contender::{Contender, DOMAIN, Job, PATH},
};

/// A build of the edge.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its binary.
    pub program: PathBuf,
    /// Its name in the table.
    pub name: &'static str,
}

/// The edge of one row.
#[derive(Debug)]
pub struct Attacked<'a> {
    /// The build.
    pub target: &'a Target,
    /// The attack that it is configured for.
    pub row: Row,
    /// The admin address.
    pub admin: SocketAddr,
    /// Thumbprint of the application that is removed in [`Row::Descriptors`].
    pub leaving: String,
}

/// The `client_id` of the application that is removed.
pub const LEAVING: &str = "leaving";
/// The path that anyone may call.
pub const PUBLIC: &str = "/public/";
/// The registry's file.
pub const REGISTRY: &str = "applications.toml";

/// The registry with the honest application alone.
pub fn registry() -> String {
    format!(
        "[[application]]\nclient_id = \"{CLIENT_ID}\"\nauth_method = \"tls_client_auth\"\n\
         [[application.credential]]\nname = \"prod\"\nsubject_dn = \"CN={CLIENT_ID},O=Example Bank,C=DE\"\n"
    )
}

impl Contender for Attacked<'_> {
    fn name(&self) -> &'static str {
        self.target.name
    }

    fn version(&self) -> io::Result<String> {
        let output = Command::new(&self.target.program).arg("--version").output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn command(&self, job: &Job<'_>) -> io::Result<Command> {
        // Only keys that earlier builds know, so that they can be measured too.
        let config = format!(
            "[listen]\nhttps = [\"{}\"]\nadmin = \"{}\"\nworkers = 1\n[limits]\n{}\n\
             [trust]\nclient_ca = [\"{}\"]\n\
             [[upstream]]\nname = \"auth-server\"\nurls = [\"http://{}\"]\n\
             [[domain]]\nname = \"{DOMAIN}\"\ncertificate = \"{}\"\nprivate_key = \"{}\"\nclient_auth = \"optional\"\n\
             [[domain.route]]\npath = \"{PATH}\"\n\
             [[domain.route]]\npath = \"{PUBLIC}*\"\nmethods = [\"GET\"]\nauthenticate = \"none\"\n",
            job.listen,
            self.admin,
            self.row.limits(),
            job.client_ca.display(),
            job.origins.plain,
            job.certificate.display(),
            job.private_key.display(),
        );
        fs::write(job.folder.join("edge.toml"), config)?;
        let mut registry = registry();
        if self.row == Row::Descriptors {
            let _ = write!(
                registry,
                "[[application]]\nclient_id = \"{LEAVING}\"\nauth_method = \"self_signed_tls_client_auth\"\n\
                 [[application.credential]]\nname = \"only\"\nthumbprint = \"{}\"\n",
                self.leaving
            );
        }
        fs::write(job.folder.join(REGISTRY), registry)?;
        let mut command = match self.row.descriptors() {
            Some(most) => {
                let mut command = Command::new("prlimit");
                command.arg(format!("--nofile={most}:{most}")).arg(&self.target.program);
                command
            }
            None => Command::new(&self.target.program),
        };
        command.args(["run", "--config"]).arg(job.folder.join("edge.toml"));
        command.env_remove("RUST_LOG");
        Ok(command)
    }

    fn certificate_header(&self) -> &'static str {
        "client-certificate"
    }

    fn is_peer(&self) -> bool {
        false
    }
}
