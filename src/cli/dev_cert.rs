//! `dev-cert`: creates another client certificate for a configuration that `init` has written.

use std::{
    fmt::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;

use super::{
    curl::Call,
    development::{Client, DAYS, DevelopmentError, SECRET},
    folder::cannot_write,
    number::number,
    print,
};
use crate::{
    config::{self, Input, settings::Settings},
    site::{Authenticate, PathPattern},
    trust::AuthMethod,
};

/// Which certificate to create.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The client: its client_id, the common name of its certificate, and the names of its files.
    #[arg(value_name = "NAME", value_parser = name)]
    name: String,
    /// The folder that `init` has written.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Issue it by the development CA of that folder (`tls_client_auth`). This is the default.
    #[arg(long, conflicts_with = "self_signed")]
    ca: bool,
    /// Sign it with its own key (`self_signed_tls_client_auth`).
    #[arg(long)]
    self_signed: bool,
    /// How many days it is valid.
    #[arg(long, value_name = "N", default_value_t = DAYS, value_parser = number(1_u16..=3650, "a number of days"))]
    days: u16,
    /// A DNS name of the client, by which it is then registered; may be repeated.
    #[arg(long, value_name = "NAME", value_parser = dns)]
    dns: Vec<String>,
}

/// A name that is a file name and a `client_id`, too.
fn name(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_name = (1..=64).contains(&text.len()) && text.chars().all(is_plain);
    if is_name && text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Ok(text.to_owned());
    }
    Err("expected up to 64 letters, digits, `-`, `_` and `.`, with a letter or a digit first".to_owned())
}

fn dns(text: &str) -> Result<String, String> {
    config::domain_name(text).map_err(print::fault)
}

/// Creates the certificate and prints how to register and use it. Existing files are never overwritten.
pub(super) fn dev_cert(options: &Options) -> ExitCode {
    let certs = options.dir.join("certs");
    for suffix in ["pem", "key"] {
        let file = certs.join(format!("{}.{suffix}", options.name));
        if file.exists() {
            return print::failure(format_args!(
                "{} exists already: nothing was written; choose another name",
                file.display()
            ));
        }
    }
    if !certs.is_dir() {
        return print::failure(format_args!(
            "there is no folder {}: `mtls-edge init DIR` creates one; name it with --dir DIR",
            certs.display()
        ));
    }
    let client = Client { name: &options.name, dns: &options.dns, days: options.days };
    let created = if options.self_signed { client.self_sign(&certs) } else { client.issue(&certs) };
    match created {
        Ok(()) => print::result(options.next_steps(&certs, &client), ExitCode::SUCCESS),
        Err(error @ DevelopmentError::NoAuthority(_)) => print::failure(format_args!(
            "{error}; use a folder of `mtls-edge init`, or --self-signed, which needs no CA"
        )),
        Err(error) => print::unusable(cannot_write(&certs, error)),
    }
}

impl Options {
    fn next_steps(&self, certs: &Path, client: &Client<'_>) -> String {
        let Self { name, days, .. } = self;
        let issuer =
            if self.self_signed { "signed with its own key" } else { "issued by the development CA" };
        let config = Input::from(self.dir.join("edge.toml"));
        // Its problems are for `check`: they do not concern the certificate.
        let settings = config::settings(&config).settings;
        let secret_method = settings.as_ref().and_then(secret_method);
        let method = match secret_method {
            Some(method) => method,
            None if self.self_signed => AuthMethod::SelfSignedTls,
            None => AuthMethod::PkiTls,
        };
        let table = if secret_method.is_some() {
            "certificate_bound = true\n[[application.certificate]]"
        } else {
            "[[application.credential]]"
        };
        let mut text = format!(
            "{0}/{name}.pem and {0}/{name}.key: {issuer}, valid for {days} days\n\nregister it in applications.toml:\n\n[[application]]\nclient_id = {1}\nauth_method = \"{2}\"\n{table}\nname = \"development\"\n",
            certs.display(),
            print::toml_string(name),
            method.as_str(),
        );
        let registered = match self.dns.first() {
            _ if self.self_signed => format!("certificate = \"certs/{name}.pem\"\n"),
            Some(dns) => format!("san_dns = \"{dns}\"\nca = \"certs/client-ca.pem\"\n"),
            None => format!("subject_dn = \"{}\"\nca = \"certs/client-ca.pem\"\n", client.subject_dn()),
        };
        text.push_str(&registered);
        match settings.as_ref().map(token_endpoint) {
            Some(Some((edge, domain, path))) => {
                let call = Call { certs, certificate: Some(name), edge, domain, path };
                let secret = if secret_method.is_some() { SECRET } else { "" };
                let _ = write!(text, "\nthen call the running edge:\n  {call} -d client_id={name}{secret}\n");
            }
            // No endpoint at which clients authenticate.
            Some(None) => {}
            None => {
                let _ = write!(
                    text,
                    "\n{0} is not valid: mtls-edge check --config {0}\n",
                    config.path().display()
                );
            }
        }
        text
    }
}

/// The method of the registered applications, if each of them authenticates by a client secret and a certificate besides: the
/// authorization server knows no other (Hydra).
fn secret_method(settings: &Settings) -> Option<AuthMethod> {
    let file = &settings.trust.applications;
    let mut methods = Vec::new();
    // Its problems are for `check`.
    let _ = config::applications(file, config::file::of_registry(&file.value), |application| {
        let method = application.auth_method.value;
        let is_secret = matches!(method, AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost);
        methods.push(Some(method).filter(|_| is_secret && application.certificate_bound.is_some()));
    });
    methods.iter().all(Option::is_some).then(|| methods.first().copied().flatten())?
}

/// Where a configuration serves a token endpoint: the first route on which clients authenticate.
fn token_endpoint(settings: &Settings) -> Option<(SocketAddr, &str, &str)> {
    let edge = settings.listen.https.first()?.value;
    let domain = settings.domains.first()?;
    let rules = domain.routes.iter().map(|route| &route.spec);
    let path =
        rules.filter(|rule| rule.authenticate == Authenticate::Client).find_map(|rule| match &rule.path {
            PathPattern::Exact(path) => Some(path.as_str()),
            PathPattern::Subtree(_) => None,
        })?;
    Some((edge, &domain.name.value, path))
}
