//! Gets the status document from the admin address of a running edge.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{At, Options, print};
use crate::{
    admin::Status,
    config::{self, Severity},
    forward::Origin,
    outbound::Get,
};

/// For the whole exchange.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Of the response. A page of applications takes some 100 KB.
const MAX_BYTES: usize = 16 << 20;

/// The admin address of a running edge.
#[derive(Debug)]
pub(super) struct Endpoint {
    address: SocketAddr,
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
    /// The address itself, or the one of a configuration. Prints an error if there is none, and returns the exit code.
    pub(super) fn find(at: At) -> Result<Self, ExitCode> {
        let address = match at {
            At::Admin(address) => address,
            At::Config(config) => admin_address(&config).ok_or(ExitCode::FAILURE)?,
        };
        if address.port() == 0 {
            return Err(print::failure(
                "the configuration leaves the admin port to the system: give it with --admin, as the log has it",
            ));
        }
        Ok(Self { address: reachable(address) })
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
        let request = Get { origin: &origin, target, accept: "application/json", max_bytes: MAX_BYTES };
        let body = tokio::time::timeout(TIMEOUT, request.send_to(self.address))
            .await
            .map_err(|_| format!("no answer within {} s", TIMEOUT.as_secs()))??;
        String::from_utf8(body.into()).map_err(|_| "the response is not UTF-8".to_owned())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.address)
    }
}

/// Reads the admin address of a configuration. The rest of the file may be invalid: operators want the status especially then.
fn admin_address(config: &Path) -> Option<SocketAddr> {
    let (address, problems) = config::admin(config);
    let has_errors = problems.iter().any(|problem| problem.severity == Severity::Error);
    match address {
        Some(_) if has_errors => print::err(format_args!(
            "warning: {0} has errors (mtls-edge check --config {0} lists them); only [listen] admin is read from it\n",
            config.display()
        )),
        Some(_) => {}
        None => {
            print::problems(&problems);
            print::err("help: give the admin address with --admin\n");
        }
    }
    address
}

/// The loopback address if the edge listens on every address.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}
