//! `init`: writes a commented configuration for an authorization server, with development certificates, which `check` accepts unchanged.

mod server;
mod template;

use std::{
    fmt::Write,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, CommandFactory, error::ErrorKind};

use self::{server::Server, template::Template};
use super::{Cli, curl::Call, development, folder::cannot_write, print, schema::File};
use crate::{config, forward::Address, text::suggest::shell_word};

const EDGE: &str = include_str!("../../config/edge.toml");
const APPLICATIONS: &str = include_str!("../../config/applications.toml");
const HYDRA_APPLICATIONS: &str = include_str!("init/hydra-applications.toml");

/// The port of the token endpoint that `demo --token-endpoint` starts.
const TOKEN_ENDPOINT: u16 = 3000;
/// Where the edge listens by default.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8443);
const ROUTE: &str = "[[domain.route]]";

/// What to write.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The folder to write into; it is created if it does not exist.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The authorization server: its header profile, endpoints and issuer.
    #[arg(long = "for", value_name = "SERVER", value_enum, default_value_t = Server::Generic)]
    server: Server,
    /// The DNS name that applications call.
    #[arg(long, value_name = "NAME", default_value = "localhost", value_parser = domain)]
    domain: String,
    /// Where the authorization server listens. Default: http://127.0.0.1:3000, where `demo --token-endpoint 3000` listens.
    #[arg(long, value_name = "URL", value_parser = upstream)]
    upstream: Option<Address>,
    /// Where the edge listens for applications: 0.0.0.0:443 on a server.
    #[arg(long, value_name = "ADDR", default_value_t = LISTEN, value_parser = listen)]
    listen: SocketAddr,
    /// The realm of Keycloak. Default: master.
    #[arg(long, value_name = "NAME", value_parser = realm)]
    realm: Option<String>,
}

fn domain(text: &str) -> Result<String, String> {
    config::domain_name(text).map_err(print::fault)
}

fn upstream(text: &str) -> Result<Address, String> {
    config::address(text).map_err(print::fault)
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    config::listen_address(text, LISTEN).map_err(print::fault)
}

/// A segment of the endpoints' paths.
fn realm(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let is_realm = !text.is_empty() && text.chars().all(is_plain);
    is_realm.then(|| text.to_owned()).ok_or_else(|| "expected letters, digits, - and _".to_owned())
}

/// Writes the configuration, and prints how to check it, serve it and call it. Existing files are never overwritten.
pub(super) fn init(options: &Options) -> ExitCode {
    if options.realm.is_some() && options.server != Server::Keycloak {
        let message = format!("--realm belongs to --for keycloak, not to --for {}", options.server.option());
        let _ = Cli::command().error(ErrorKind::ArgumentConflict, message).print();
        return ExitCode::from(2);
    }
    let dir = &options.dir;
    for name in ["edge.toml", "applications.toml", "certs", "schema"] {
        if dir.join(name).exists() {
            return print::failure(format_args!(
                "{} exists already: nothing was written; give another folder",
                dir.join(name).display()
            ));
        }
    }
    if let Err(error) = options.write() {
        return print::unusable(cannot_write(dir, error));
    }
    print::result(options.next_steps(), ExitCode::SUCCESS)
}

impl Options {
    fn write(&self) -> Result<(), development::DevelopmentError> {
        development::folder(&self.dir)?;
        let certs = self.dir.join("certs");
        development::write(&certs, &self.domain)?;
        if self.server == Server::Auth0 {
            development::private(&certs.join("cname-api-key"), "development-only\n")?;
        }
        let schemas = self.dir.join("schema");
        development::folder(&schemas)?;
        for (name, file) in [("edge", File::Edge), ("applications", File::Applications)] {
            development::readable(&schemas.join(format!("{name}.json")), &file.schema())?;
        }
        development::readable(&self.dir.join("edge.toml"), &for_editors("edge", &self.edge()))?;
        let applications = if self.server == Server::Hydra { HYDRA_APPLICATIONS } else { APPLICATIONS };
        let applications = Template::new(&here(applications)).finish();
        let applications = for_editors("applications", &applications);
        development::readable(&self.dir.join("applications.toml"), &applications)?;
        Ok(())
    }

    /// The text of edge.toml.
    fn edge(&self) -> String {
        let Self { server, domain, .. } = self;
        let string = print::toml_string;
        let mut template = Template::new(&here(EDGE));
        template.set_head(&format!(
            "# mtls-edge in front of {}, written by `mtls-edge init`. The certificates are for development only.\n# {}\n# configuration.md of the documentation has every key; packages install it in /usr/share/doc/mtls-edge.",
            server.name(),
            server.note()
        ));
        template.set("[listen]", "https", &format!("[\"{}\"]", self.listen));
        let upstream = "[[upstream]]";
        template.set(upstream, "urls", &format!("[{}]", string(&self.upstream_url())));
        template.set(upstream, "forwarded_for", &string(server.forwarded_for()));
        if *server == Server::Auth0 {
            if let Some(origin) = self.upstream.as_ref().and_then(Address::network) {
                template.set(upstream, "host", &string(&origin.authority()));
            }
            template.set(upstream, "client_ip_header", "\"true-client-ip\"");
        } else {
            template.comment_out(upstream, "headers", "{ x-edge-key = { file = \"secrets/edge-key\" } }");
        }
        let table = "[[domain]]";
        template.set(table, "name", &string(domain));
        template.set(table, "client_auth", "\"optional\"");
        template.set(table, "header_profile", &string(server.profile()));
        template.set(table, "issuer", &string(&self.issuer()));
        let (first, others) = server.endpoints().split_first().map_or((None, &[][..]), |(a, b)| (Some(a), b));
        if let Some(token) = first {
            template.set(ROUTE, "path", &string(&self.path(token.path)));
        }
        let mut routes = String::new();
        for endpoint in others {
            let _ = write!(
                routes,
                "\n{ROUTE}\npath = {}\nmethods = {}\nauthenticate = \"{}\"\n",
                string(&self.path(endpoint.path)),
                endpoint.methods,
                endpoint.authenticate
            );
        }
        template.replace_further(ROUTE, &routes);
        template.finish()
    }

    fn in_realm(&self, text: &str) -> String {
        text.replace("{realm}", self.realm.as_deref().unwrap_or("master"))
    }

    fn path(&self, path: &str) -> String {
        self.in_realm(self.server.prefix()) + path
    }

    /// The server's address as browsers know it: the domain without `mtls.`, which is usually added for applications.
    fn issuer(&self) -> String {
        let host = self.domain.strip_prefix("mtls.").unwrap_or(&self.domain);
        let port = if host == "localhost" { format!(":{}", self.listen.port()) } else { String::new() };
        format!("https://{host}{port}{}", self.in_realm(self.server.issuer_path()))
    }

    fn upstream_url(&self) -> String {
        match &self.upstream {
            None => format!("http://127.0.0.1:{TOKEN_ENDPOINT}"),
            Some(Address::Network(origin)) => {
                format!("{}://{}", if origin.tls { "https" } else { "http" }, origin.authority())
            }
            Some(socket @ Address::Unix(_)) => socket.url(),
        }
    }

    fn next_steps(&self) -> String {
        let Self { dir, server, .. } = self;
        let config = shell_word(&dir.join("edge.toml").display().to_string());
        let mut text = format!(
            "{}: edge.toml and applications.toml for {}, and development certificates in certs/\n\ncheck it, and serve:\n  mtls-edge check --config {config}\n  mtls-edge run --config {config}\n",
            dir.display(),
            server.name()
        );
        if self.upstream.is_none() {
            let _ = write!(
                text,
                "in a second terminal, a token endpoint to try it with:\n  mtls-edge demo --token-endpoint {TOKEN_ENDPOINT}\n"
            );
        }
        let token = server.endpoints().first().map_or("", |endpoint| endpoint.path);
        let call = Call {
            certs: &dir.join("certs"),
            certificate: Some("billing"),
            edge: self.listen,
            domain: &self.domain,
            path: &self.path(token),
        };
        let secret = if *server == Server::Hydra { development::SECRET } else { "" };
        let _ = writeln!(text, "in another terminal, call it:\n  {call} -d client_id=billing{secret}");
        let folder = shell_word(&dir.display().to_string());
        let _ = writeln!(text, "another client certificate:\n  mtls-edge dev-cert NAME --dir {folder}");
        text
    }
}

/// A configuration that names its JSON Schema, as editors' TOML plugins read it (taplo, Even Better TOML).
fn for_editors(name: &str, text: &str) -> String {
    format!("#:schema ./schema/{name}.json\n{text}")
}

/// A text of the repository's configuration, whose certificates are in another folder.
fn here(text: &str) -> String {
    text.replace("../certs/dev/", "certs/").replace("../secrets/", "secrets/")
}
