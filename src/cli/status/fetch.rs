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

/// Why there is no status to show.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// No edge answers at the address.
    #[error("no status from the edge at {0}: {1}")]
    Unreachable(String, String),
    /// The edge at the address is not ready, or does not answer.
    #[error("the edge at {0} is not ready: {1}")]
    NotReady(String, String),
    /// The edge has no such application.
    #[error("no application is registered with the client_id {0:?}")]
    UnknownApplication(String),
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
    pub(super) async fn get(&self, options: &Options) -> Result<Document, Failure> {
        let target = match (&options.client_id, options.expiring) {
            (Some(id), _) => format!("/status?client_id={}", utf8_percent_encode(id, NON_ALPHANUMERIC)),
            (None, Some(days)) => format!("/status?expiring_days={days}"),
            (None, None) => format!("/status?page={}", options.page),
        };
        let document = async {
            let text = self.body(&target).await?;
            let status = serde_json::from_str(&text)
                .map_err(|error| format!("the response is not the status of an mtls-edge: {error}"))?;
            Ok(Document { text, status })
        };
        document.await.map_err(|why| Failure::Unreachable(self.to_string(), why))
    }

    /// What the edge says if it is ready.
    pub(super) async fn ready(&self) -> Result<String, Failure> {
        self.body("/readyz").await.map_err(|why| Failure::NotReady(self.to_string(), why))
    }

    async fn body(&self, target: &str) -> Result<String, String> {
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
            .map_err(|_| format!("no answer within {} s", TIMEOUT.as_secs()))?
            .map_err(|error| self.explained(&error))?;
        String::from_utf8(body.into()).map_err(|_| "the response is not UTF-8".to_owned())
    }
}

impl Endpoint {
    fn explained(&self, error: &GetError) -> String {
        match (error, &self.authorization) {
            (GetError::Status(StatusCode::UNAUTHORIZED), None) => {
                "it asks for its token: give the file with --token-file".to_owned()
            }
            (GetError::Status(StatusCode::UNAUTHORIZED), Some(_)) => {
                "it does not accept this token".to_owned()
            }
            _ => error.to_string(),
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
        "warning: {0} has errors (mtls-edge check --config {0} lists them); only [listen] admin is read from it\n",
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
