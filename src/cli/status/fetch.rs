//! Gets the status document from the admin address of a running edge.

use std::{fmt, net::SocketAddr, path::Path, process::ExitCode, sync::Arc, time::Duration};

use http::{HeaderValue, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::ClientConfig;
use zeroize::Zeroizing;

use super::{At, Options, print};
use crate::{
    admin::Status,
    cli::reachable::reachable,
    config::{self, Fault, Input, Operators, Severity, settings::SecretSource},
    forward::Origin,
    load::{admin_tokens, operator_identity, read_certificates},
    outbound::{Get, GetError},
    tls::pinned_config,
};

/// For the whole exchange.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Of the response. A page of applications takes some 100 KB.
const MAX_BYTES: usize = 16 << 20;
/// What to do if something answers that is not known to be an edge.
const NOT_AN_EDGE: &str = "give the admin address of an edge, which its log has (`admin listener ready`): --admin ADDR; if it has a certificate, the configuration: --config FILE";

/// The admin address of a running edge, or the one of health checks.
#[derive(Debug)]
pub(super) struct Endpoint {
    address: SocketAddr,
    /// The token as a field value.
    authorization: Option<HeaderValue>,
    /// TLS, if the admin address has a certificate.
    tls: Option<Arc<ClientConfig>>,
}

/// The document of `/status`.
#[derive(Debug)]
pub(super) struct Document {
    /// As it was received.
    pub(super) text: String,
    /// Its content.
    pub(super) status: Status,
}

impl Endpoint {
    /// The address itself, or the one of a configuration, with the token for it. Prints an error if there is none, and returns the exit code.
    pub(super) fn find(at: At, options: &Options) -> Result<Self, ExitCode> {
        let operators = match at {
            At::Admin(address) => Operators { admin: Some(address), ..Operators::default() },
            At::Config(config) => operators(&config)?,
        };
        let health = operators.health.filter(|_| options.ready);
        let Some(address) = health.or(operators.admin) else {
            return Err(print::failure(
                "the configuration has admin = \"off\": an edge without an admin address has no status to show",
            ));
        };
        if address.port() == 0 {
            return Err(print::failure(
                "the configuration leaves the admin port to the system: give it with --admin, as the log has it",
            ));
        }
        let file = options.token_file.clone().map(SecretSource::File);
        // Health checks need no token.
        let token = file.or(operators.token).filter(|_| !options.ready);
        let authorization = token.map(|token| authorization(&token)).transpose()?;
        let certificate = operators.certificate.filter(|_| health.is_none());
        let tls = certificate.map(|certificate| tls(&certificate, options)).transpose()?;
        Ok(Self { address: reachable(address), authorization, tls })
    }

    /// Requests the part of the status that the options show.
    ///
    /// # Errors
    ///
    /// Why there is no status to show.
    pub(super) async fn get(&self, options: &Options) -> Result<Document, Fault> {
        let target = match (&options.client_id, options.expiring) {
            (Some(id), _) => format!("/status?client_id={}", utf8_percent_encode(id, NON_ALPHANUMERIC)),
            (None, Some(days)) => format!("/status?expiring_days={days}"),
            (None, None) => format!("/status?page={}", options.page),
        };
        let document = async {
            let text = self.body(&target).await?;
            let status = serde_json::from_str(&text).map_err(|error| {
                Fault::new(format!("the response is not the status of an mtls-edge: {error}"))
                    .help(NOT_AN_EDGE)
            })?;
            Ok(Document { text, status })
        };
        document.await.map_err(|fault: Fault| self.failure("no status from", "", fault))
    }

    /// What the edge says if it is ready.
    pub(super) async fn ready(&self) -> Result<String, Fault> {
        self.body("/readyz").await.map_err(|fault| self.failure("", " is not ready", fault))
    }

    /// The fault of a request, in a sentence about the edge.
    fn failure(&self, before: &str, after: &str, Fault { what, help, .. }: Fault) -> Fault {
        let sentence = format!("{before} the edge at {self}{after}: {what}");
        Fault { help, ..Fault::new(sentence.trim_start()) }
    }

    async fn body(&self, target: &str) -> Result<String, Fault> {
        let origin = Origin { tls: false, host: self.address.ip().to_string(), port: self.address.port() };
        let authorization = self.authorization.as_ref();
        let request =
            Get { origin: &origin, target, accept: "application/json", authorization, max_bytes: MAX_BYTES };
        let send = async {
            match &self.tls {
                Some(tls) => request.send_over(self.address, Arc::clone(tls)).await,
                None => request.send_to(self.address).await,
            }
        };
        let body = tokio::time::timeout(TIMEOUT, send)
            .await
            .map_err(|_| Fault::new(format!("no answer within {} s", TIMEOUT.as_secs())).help(NOT_AN_EDGE))?
            .map_err(|error| self.explained(&error))?;
        String::from_utf8(body.into()).map_err(|_| Fault::new("the response is not UTF-8").help(NOT_AN_EDGE))
    }
}

impl Endpoint {
    fn explained(&self, error: &GetError) -> Fault {
        match (error, &self.authorization) {
            (GetError::Status(StatusCode::UNAUTHORIZED), None) => {
                Fault::new("it asks for its token").help("give the file with --token-file")
            }
            (GetError::Status(StatusCode::UNAUTHORIZED), Some(_)) => {
                Fault::new("it does not accept this token")
                    .help("give the file of the token that the running edge has with --token-file")
            }
            // So the edge itself responds while it is not ready.
            (GetError::Status(StatusCode::SERVICE_UNAVAILABLE), _) => Fault::new(error.to_string()),
            (GetError::Connect(_), _) => Fault::new(error.to_string()).help(
                "start the edge (systemctl start mtls-edge, or mtls-edge run --config FILE), or give the admin address of a running one: --admin ADDR",
            ),
            _ => Fault::new(error.to_string()).help(NOT_AN_EDGE),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http{}://{}", if self.tls.is_some() { "s" } else { "" }, self.address)
    }
}

/// Reads the addresses of a configuration. The rest of the file may be invalid: operators want the status especially then.
fn operators(config: &Input) -> Result<Operators, ExitCode> {
    let (operators, problems) = config::operators(config);
    if !problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Ok(operators);
    }
    if operators.admin.is_none() {
        print::problems(&problems);
        print::err("help: give the admin address with --admin\n");
        return Err(ExitCode::FAILURE);
    }
    print::err(format_args!(
        "warning: {0} has errors (mtls-edge check --config {0} lists them); only the admin address and its token are read from it\n",
        config.path().display()
    ));
    Ok(operators)
}

/// TLS that accepts the first certificate of this file alone, and presents the certificate of the options.
fn tls(certificate: &Path, options: &Options) -> Result<Arc<ClientConfig>, ExitCode> {
    let read = || {
        let leaf = read_certificates(certificate)?.into_iter().next();
        let leaf = leaf.ok_or_else(|| Fault::new(format!("{} has no certificate", certificate.display())))?;
        let identity = match (&options.cert, &options.key) {
            (Some(certificate), Some(key)) => Some(operator_identity(certificate, key)?),
            _ => None,
        };
        pinned_config(leaf, identity).map_err(|error| Fault::new(format!("cannot set up TLS: {error}")))
    };
    read().map(Arc::new).map_err(print::unusable)
}

/// The field value that presents the first token of a source, the one to use.
fn authorization(token: &SecretSource) -> Result<HeaderValue, ExitCode> {
    let tokens = admin_tokens(token).map_err(print::unusable)?;
    let field = tokens.first().map(|token| Zeroizing::new(format!("Bearer {}", **token)));
    let mut value = HeaderValue::from_str(&field.unwrap_or_default()).map_err(print::failure)?;
    value.set_sensitive(true);
    Ok(value)
}
