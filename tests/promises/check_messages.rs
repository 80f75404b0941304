//! `check` on the files that the configuration names: the whole message of each kind of mistake. (Mistakes in the two TOML files
//! are tested in `messages`.)

mod authorities;
mod credentials;
mod first_day;
mod keys;
mod methods;
mod server;
mod several_certificates;
mod suspicious;
mod upstream;

use std::{fs, path::Path};

use rcgen::CertificateParams;
use tempfile::TempDir;

use crate::support::{
    Ca, Credentials,
    certificates::{self_signed_with, time_from_now},
    program, self_signed,
    tool::run,
};

const EDGE: &str = r#"[trust]
client_ca = ["client-ca.pem"]

[[upstream]]
name = "as"
urls = ["http://127.0.0.1:3000"]

[[domain]]
name = "mtls.example.test"
certificate = "server.pem"
private_key = "server.key"
"#;

const APPLICATIONS: &str = r#"[[application]]
client_id = "billing"
[[application.credential]]
name = "a"
certificate = "billing.pem"
"#;

/// A valid configuration, to be broken by a test.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path();
        fs::write(path.join("edge.toml"), EDGE).unwrap();
        fs::write(path.join("applications.toml"), APPLICATIONS).unwrap();
        Ca::new("Server CA").server(&["mtls.example.test"]).write(path, "server");
        fs::write(path.join("client-ca.pem"), Ca::new("Client CA").pem()).unwrap();
        self_signed("billing").write(path, "billing");
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> &Self {
        fs::write(self.path().join(name), text).unwrap();
        self
    }

    fn credentials(&self, name: &str, credentials: &Credentials) -> &Self {
        credentials.write(self.path(), name);
        self
    }

    /// Replaces the only line of the credential.
    fn matcher(&self, line: &str) -> &Self {
        self.write("applications.toml", APPLICATIONS.replace("certificate = \"billing.pem\"", line))
    }

    /// Adds lines to the end of a section of `edge.toml`, found by its last line.
    fn after(&self, line: &str, more: &str) -> &Self {
        assert!(EDGE.contains(line));
        self.write("edge.toml", EDGE.replace(line, &format!("{line}\n{more}")))
    }

    /// Whether `check` succeeds, and its output.
    fn check(&self) -> (bool, String) {
        let output =
            program().args(["check", "--config"]).arg(self.path().join("edge.toml")).output().unwrap();
        let printed = String::from_utf8(output.stderr).unwrap();
        (output.status.success(), printed.replace(&format!("{}/", self.path().display()), ""))
    }

    /// Asserts the whole output of `check` (with paths relative to the folder), and its exit code.
    #[track_caller]
    fn prints(&self, expected: &str) {
        self.prints_with(&[], expected);
    }

    #[track_caller]
    fn prints_with(&self, environment: &[(&str, &Path)], expected: &str) {
        let output = program()
            .args(["check", "--config"])
            .arg(self.path().join("edge.toml"))
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stderr).unwrap();
        let printed = printed.replace(&format!("{}/", self.path().display()), "");
        assert_eq!(printed.trim_end(), expected.trim());
        let errors = !expected.trim().lines().last().unwrap().starts_with("0 errors");
        assert_eq!(output.status.code(), Some(i32::from(errors)));
    }
}

/// A time in the format of messages.
fn rfc3339(moment: time::OffsetDateTime) -> String {
    moment.replace_nanosecond(0).unwrap().format(&time::format_description::well_known::Rfc3339).unwrap()
}

fn ca_with(change: impl FnOnce(&mut CertificateParams)) -> String {
    Ca::with("Client CA", change).pem()
}
