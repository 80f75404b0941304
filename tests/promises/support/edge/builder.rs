//! The configuration of an edge under test.

use std::{
    fmt::Write as _,
    path::Path,
    process::{Output, Stdio},
};

use tempfile::TempDir;

use super::{
    Edge,
    launch::{INSTALLED, Launch},
    program,
};
use crate::support::{Ca, DOMAIN};

/// What an edge is started with. Text is TOML; files go into the configuration's folder.
pub struct EdgeBuilder {
    folder: TempDir,
    server_ca: Ca,
    listen: String,
    limits: String,
    log: String,
    trust: String,
    upstream: String,
    upstream_url: String,
    domains: String,
    applications: String,
    client_cas: Vec<String>,
    applications_file: String,
    extra: String,
    https: String,
    admin: String,
    launch: Launch,
}

impl EdgeBuilder {
    /// An edge before this upstream, without domains yet.
    pub fn new(upstream: impl std::fmt::Display) -> Self {
        Self {
            folder: TempDir::new().unwrap(),
            server_ca: Ca::new("Server CA"),
            listen: String::new(),
            limits: String::new(),
            log: String::new(),
            trust: String::new(),
            upstream: String::new(),
            upstream_url: format!("\"{upstream}\""),
            domains: String::new(),
            applications: String::new(),
            client_cas: Vec::new(),
            applications_file: "applications.toml".to_owned(),
            extra: String::new(),
            https: "127.0.0.1:0".to_owned(),
            admin: "127.0.0.1:0".to_owned(),
            launch: Launch::new(),
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

    /// Adds a domain whose certificate is ordered by ACME.
    pub fn acme_domain(mut self, name: &str, settings: &str) -> Self {
        let _ = writeln!(self.domains, "[[domain]]\nname = \"{name}\"\nacme = true\n{settings}\n");
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

    /// Adds a file that only its owner can read.
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

    /// Lines of `[log]`, beside the format and the level.
    pub fn log(mut self, lines: &str) -> Self {
        self.log.push_str(lines);
        self.log.push('\n');
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
        self.launch.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With so many workers instead of two.
    pub fn workers(mut self, workers: usize) -> Self {
        self.launch.workers = Some(workers);
        self
    }

    /// With as many workers as `[listen] workers` says.
    pub fn workers_of_file(mut self) -> Self {
        self.launch.workers = None;
        self
    }

    /// Under another limit of open files, in the words of the shell's `ulimit`: `-n 256`.
    pub fn open_files(mut self, ulimit: &str) -> Self {
        self.launch.open_files = Some(ulimit.to_owned());
        self
    }

    /// With this /etc/hosts of its own, which is the file `hosts` in the configuration's folder, and a DNS server that refuses.
    pub fn own_hosts(mut self, text: &str) -> Self {
        self.launch.own_hosts = true;
        self.file("hosts", text).file("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    }

    /// With a clock that stands still at this time until [`Edge::set_clock`] sets it.
    pub fn clock(mut self, at: time::OffsetDateTime) -> Self {
        self.launch.clock = Some(at.into());
        self
    }

    /// With a second source of applications, which [`Edge::publish`] drives.
    pub fn second_source(mut self) -> Self {
        self.launch.second_source = true;
        self
    }

    /// With a program of its own in its folder, which a test can replace: [`INSTALLED`].
    pub fn installed(mut self) -> Self {
        let path = self.folder.path().join(INSTALLED);
        let program = program();
        if std::fs::hard_link(program.get_program(), &path).is_err() {
            std::fs::copy(program.get_program(), &path).unwrap();
        }
        self.launch.installed = true;
        self
    }

    /// Listens on this address.
    pub fn https(mut self, address: impl std::fmt::Display) -> Self {
        self.https = address.to_string();
        self
    }

    /// With this admin address, or with `off`.
    pub fn admin(mut self, address: &str) -> Self {
        address.clone_into(&mut self.admin);
        self
    }

    /// Started by another program, whose last argument names the edge's program.
    pub fn launcher(mut self, command: &[&str]) -> Self {
        self.launch.launcher = command.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// With its configuration on standard input, in the configuration's folder.
    pub fn on_stdin(mut self) -> Self {
        self.launch.argument = Some("-");
        self
    }

    fn write(&self) {
        let config = format!(
            "[listen]\nhttps = [\"{}\"]\nadmin = \"{}\"\n{}\n[limits]\n{}\n[log]\nformat = \"json\"\nlevel = \"debug\"\n{}\n\
             [trust]\nclient_ca = [{}]\napplications = \"{}\"\n{}\n[[upstream]]\nname = \"as\"\nurls = [{}]\n{}\n{}\n{}",
            self.https,
            self.admin,
            self.listen,
            self.limits,
            self.log,
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
        self.output_of(command, &[])
    }

    /// Runs a command that ends by itself with further arguments, in the folder of the configuration.
    pub fn output_of(&self, command: &str, arguments: &[&str]) -> Output {
        self.write();
        self.launch
            .command(self.folder.path())
            .args([command, "--config", "edge.toml"])
            .args(arguments)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Starts the program and waits until it listens.
    pub fn start(self) -> Edge {
        self.write();
        let mut command = self.launch.server(self.folder.path());
        let running = testkit::Edge::start(&mut command);
        Edge { running, server_ca: self.server_ca.der(), issuer: self.server_ca, folder: self.folder }
    }
}
