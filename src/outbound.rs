//! The HTTP requests that the edge itself makes, over HTTP/1.1, each on a new connection.
//!
//! Redirects are not followed: a document must be at the URL that the operator configured.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, ToSocketAddrs},
    runtime::Runtime,
    signal::unix::SignalKind,
};

use crate::{
    forward::{Origin, ServerTrust, unverified},
    tls,
};

/// The beginning of an error of TLS, which says what to do.
pub const TLS_FAILED: &str = "TLS handshake failed";

/// When a document is fetched. The defaults are those of a CRL source in `[trust] crls`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Schedule {
    /// From one fetch to the next.
    pub refresh: Duration,
    /// For a whole fetch.
    pub timeout: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { refresh: Duration::from_secs(3600), timeout: Duration::from_secs(10) }
    }
}

/// The runtime of a thread that sends requests and writes what it receives into files.
///
/// # Errors
///
/// If the system has no resources for it.
pub fn runtime() -> io::Result<Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // A write beyond the process's file size limit must fail, not kill the process: a signal that is listened for does not.
    let entered = runtime.enter();
    let past_limit = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
    drop(tokio::signal::unix::signal(past_limit)?);
    drop(entered);
    Ok(runtime)
}

/// A GET request.
#[derive(Debug)]
pub struct Get<'a> {
    /// Scheme, host and port.
    pub origin: &'a Origin,
    /// Path and query.
    pub target: &'a str,
    /// The field value of `Accept`.
    pub accept: &'static str,
    /// The field value of `Authorization`.
    pub authorization: Option<&'a HeaderValue>,
    /// The longest response body, in bytes.
    pub max_bytes: usize,
}

/// Why there is no document: a sentence for the log.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// The server responded with another status than 200.
    #[error("the server responded with {0}, expected 200{redirects}", redirects = if .0.is_redirection() { ": redirects are not followed" } else { "" })]
    Status(StatusCode),
    /// Nothing accepts connections there.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// The exchange failed, or the body is too long.
    #[error("{0}")]
    Failed(String),
}

impl From<String> for GetError {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

impl Get<'_> {
    /// Sends the request and returns the body of the response. The caller limits the time.
    ///
    /// `roots` verify the server of an https origin; the function is not called for http.
    ///
    /// # Errors
    ///
    /// If the status is not 200, the body is too long, or the connection fails.
    pub async fn send(
        &self,
        roots: impl FnOnce() -> Result<RootCertStore, String>,
    ) -> Result<Bytes, GetError> {
        let response = send(self.origin, self.request()?, self.max_bytes, require_ok, roots).await?;
        Ok(response.into_body())
    }

    /// Sends the request to this address of an http origin. It may have a scope (`fe80::1%2`), which the origin lacks, since it does not belong
    /// in `Host`.
    ///
    /// # Errors
    ///
    /// See [`Get::send`].
    pub async fn send_to(&self, address: SocketAddr) -> Result<Bytes, GetError> {
        let response = exchange(connect(address).await?, self.request()?, self.max_bytes, require_ok).await?;
        Ok(response.into_body())
    }

    /// Sends the request to this address over TLS with this configuration, which need not verify a name.
    ///
    /// # Errors
    ///
    /// See [`Get::send`].
    pub async fn send_over(
        &self,
        address: SocketAddr,
        config: Arc<rustls::ClientConfig>,
    ) -> Result<Bytes, GetError> {
        let tcp = connect(address).await?;
        let connector = tokio_rustls::TlsConnector::from(config);
        let stream = connector.connect(ServerName::from(address.ip()), tcp).await;
        let stream = stream.map_err(|error| format!("{TLS_FAILED}: {error}"))?;
        let response = exchange(stream, self.request()?, self.max_bytes, require_ok).await?;
        Ok(response.into_body())
    }

    fn request(&self) -> Result<Request<Empty<Bytes>>, String> {
        let mut request = Request::get(self.target)
            .header(header::HOST, self.origin.authority())
            .header(header::USER_AGENT, concat!("mtls-edge/", env!("CARGO_PKG_VERSION")))
            .header(header::ACCEPT, self.accept)
            .header(header::CONNECTION, "close")
            .body(Empty::new())
            .map_err(|error| error.to_string())?;
        if let Some(authorization) = self.authorization {
            request.headers_mut().insert(header::AUTHORIZATION, authorization.clone());
        }
        Ok(request)
    }
}

fn require_ok(status: StatusCode) -> Result<(), GetError> {
    if status == StatusCode::OK { Ok(()) } else { Err(GetError::Status(status)) }
}

/// Sends a request to an origin, and returns its whole response of at most `max_bytes` if `accept` accepts the status. The caller limits
/// the time.
///
/// The request needs a target in origin form, and `Host`. `roots` verify the server of an https origin; the function is not called for http.
///
/// # Errors
///
/// If the status is not accepted, the body is too long, or the connection fails.
pub async fn send<B>(
    origin: &Origin,
    request: Request<B>,
    max_bytes: usize,
    accept: impl FnOnce(StatusCode) -> Result<(), GetError>,
    roots: impl FnOnce() -> Result<RootCertStore, String>,
) -> Result<Response<Bytes>, GetError>
where
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Origin { tls, host, port } = origin;
    let tcp = connect((host.as_str(), *port)).await?;
    if !tls {
        return exchange(tcp, request, max_bytes, accept).await;
    }
    let config = tls::client_config(roots()?, None, &[]).map_err(|error| error.to_string())?;
    let name = ServerName::try_from(host.clone()).map_err(|error| error.to_string())?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, tcp).await.map_err(|error| {
        let trust = ServerTrust { has_system_roots: None, has_server_name: false };
        format!("{TLS_FAILED}: {}", unverified(&error, trust))
    })?;
    exchange(stream, request, max_bytes, accept).await
}

async fn exchange<IO, B>(
    io: IO,
    request: Request<B>,
    max_bytes: usize,
    accept: impl FnOnce(StatusCode) -> Result<(), GetError>,
) -> Result<Response<Bytes>, GetError>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(io)).await.map_err(|error| error.to_string())?;
    let read = async {
        let response = sender.send_request(request).await.map_err(|error| format!("no response: {error}"))?;
        accept(response.status())?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, max_bytes).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                format!("the response has more than {} MiB", max_bytes >> 20)
            } else {
                format!("the response is incomplete: {error}")
            }
        })?;
        Ok(Response::from_parts(head, body.to_bytes()))
    };
    // The connection is driven by this future, so that a timeout closes it.
    let mut connection = std::pin::pin!(connection);
    let mut read = std::pin::pin!(read);
    tokio::select! {
        read = &mut read => read,
        // The response may have arrived before the connection ended.
        _ = &mut connection => read.await,
    }
}

async fn connect(to: impl ToSocketAddrs) -> Result<TcpStream, GetError> {
    TcpStream::connect(to).await.map_err(GetError::Connect)
}
