//! The server side of a handshake: reads the ClientHello, selects the domain by its server name, and completes the handshake.

use std::{io, sync::Arc, time::Duration};

use rustls::{
    ServerConfig,
    server::{Acceptor, ClientHello},
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::{LazyConfigAcceptor, StartHandshake, server::TlsStream};

use super::{
    challenge::{self, Challenges},
    cork::Corked,
    plain_http,
    reason::reason,
    tickets::with_session,
};

/// Why a handshake failed. `Display` is for the log.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// No `server_name` extension, or an IP address in it.
    #[error("no server name (SNI) in the ClientHello")]
    NoServerName,
    /// No domain has this name.
    #[error("unknown server name \"{0}\" (SNI)")]
    UnknownServerName(String),
    /// The domain has no certificate yet.
    #[error("the domain {0} has no certificate yet: it is ordered by ACME")]
    NoCertificateYet(String),
    /// The peer offers `acme-tls/1` alone, and no validation of the domain is pending.
    #[error("no ACME validation of \"{0}\" is pending")]
    NoChallenge(String),
    /// The peer closed the connection without sending anything.
    #[error("the peer closed the connection before it sent anything")]
    Nothing,
    /// An HTTP request without TLS.
    #[error("the client sent HTTP without TLS: its URL must begin with https://")]
    PlainHttp,
    /// A header of the PROXY protocol where none is expected.
    #[error(
        "the peer sent a PROXY header: if it is your load balancer, set proxy_protocol and trusted_proxies of [listen]"
    )]
    ProxyHeader,
    /// rustls rejected a message, or the connection ended.
    #[error("{}", reason(.0))]
    Handshake(#[from] io::Error),
}

/// Why a domain cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unserved {
    /// There is no domain of this name.
    Unknown,
    /// It has no certificate yet.
    NoCertificate,
}

/// What a handshake was for.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "the small one is rare")]
pub enum Accepted<IO> {
    /// A client's connection.
    Client(AcceptedTls<IO>),
    /// A CA has validated a domain (RFC 8737). Nothing is served: the connection is to be closed by [`drain_and_close`].
    Validation {
        /// The domain.
        server_name: Box<str>,
        /// The connection, on which TLS has ended.
        io: Corked<IO>,
    },
}

/// A finished handshake of a client.
#[derive(Debug)]
pub struct AcceptedTls<IO> {
    /// The stream.
    pub stream: TlsStream<Corked<IO>>,
    /// The server name of the ClientHello, in lower case and without a trailing dot.
    pub server_name: Box<str>,
}

/// A handshake that failed.
#[derive(Debug)]
pub struct HandshakeFailure<IO> {
    /// The reason.
    pub error: AcceptError,
    /// The connection, if an alert or a response was sent on it: to be closed by [`drain_and_close`].
    pub io: Option<Corked<IO>>,
}

impl<IO> From<io::Error> for HandshakeFailure<IO> {
    fn from(error: io::Error) -> Self {
        Self { error: error.into(), io: None }
    }
}

/// A fatal alert (RFC 8446 section 6) as an unencrypted record.
const fn alert(description: u8) -> [u8; 7] {
    [21, 3, 3, 0, 2, 2, description]
}

const INTERNAL_ERROR: [u8; 7] = alert(80);
const MISSING_EXTENSION: [u8; 7] = alert(109);
const UNRECOGNIZED_NAME: [u8; 7] = alert(112);
const NO_APPLICATION_PROTOCOL: [u8; 7] = alert(120);

/// How long bytes from the peer are discarded after an alert, until it closes the connection.
const DRAIN_TIME: Duration = Duration::from_secs(1);
/// The most bytes that are discarded after an alert.
const DRAIN_BYTES: u64 = 64 * 1024;
/// The most bytes that are discarded after a plaintext HTTP response: many clients send their whole body before they read.
const DRAIN_BODY_BYTES: u64 = 4 * 1024 * 1024;

/// Reads the ClientHello and completes the handshake with the configuration that `domain` returns for its server name and for the rest of it, or, for a CA that
/// validates the domain, with that of the pending challenge. The caller limits the time.
///
/// # Errors
///
/// If the handshake fails; the peer was sent an alert, or a response if it sent plaintext HTTP.
pub async fn accept<IO>(
    io: IO,
    domain: impl FnOnce(&str, &ClientHello<'_>) -> Result<Arc<ServerConfig>, Unserved>,
    challenges: &Challenges,
) -> Result<Accepted<IO>, HandshakeFailure<IO>>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let start = client_hello(Corked::new(io)).await?;
    let hello = start.client_hello();
    let is_validation = challenge::is_validation(&hello);
    let name =
        hello.server_name().map(|name| name.trim_end_matches('.').to_ascii_lowercase().into_boxed_str());
    // What follows is boxed: a connection that has not sent its ClientHello yet needs no room for it.
    let (error, alert) = match name {
        None => (AcceptError::NoServerName, MISSING_EXTENSION),
        Some(server_name) if is_validation => match challenges.config(&server_name) {
            Some(config) => return Box::pin(validated(start, config, server_name)).await,
            None => (AcceptError::NoChallenge(server_name.into_string()), NO_APPLICATION_PROTOCOL),
        },
        Some(server_name) => match domain(&server_name, &hello) {
            Ok(config) => return Box::pin(completed(start, config, server_name)).await,
            Err(Unserved::Unknown) => {
                (AcceptError::UnknownServerName(server_name.into_string()), UNRECOGNIZED_NAME)
            }
            Err(Unserved::NoCertificate) => {
                (AcceptError::NoCertificateYet(server_name.into_string()), INTERNAL_ERROR)
            }
        },
    };
    Box::pin(refused(start, alert, error)).await
}

/// Reads the ClientHello.
async fn client_hello<IO>(io: Corked<IO>) -> Result<StartHandshake<Corked<IO>>, HandshakeFailure<IO>>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let mut acceptor = LazyConfigAcceptor::new(Acceptor::default(), io);
    match (&mut acceptor).await {
        Ok(start) => Ok(start),
        Err(error) => Err(Box::pin(without_client_hello(error, acceptor.take_io())).await),
    }
}

/// Completes the handshake of a client.
async fn completed<IO>(
    start: StartHandshake<Corked<IO>>,
    config: Arc<ServerConfig>,
    server_name: Box<str>,
) -> Result<Accepted<IO>, HandshakeFailure<IO>>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    // `into_stream` processes the ClientHello, and with it a ticket, so it is called within the session's scope.
    let handshake = async { start.into_stream(config).into_fallible().await };
    match with_session(handshake).await {
        Ok(mut stream) => {
            stream.get_mut().0.finish_handshake();
            Ok(Accepted::Client(AcceptedTls { stream, server_name }))
        }
        Err((error, io)) => Err(HandshakeFailure { error: error.into(), io: Some(io) }),
    }
}

/// Sends an alert instead of a handshake.
async fn refused<IO>(
    start: StartHandshake<Corked<IO>>,
    alert: [u8; 7],
    error: AcceptError,
) -> Result<Accepted<IO>, HandshakeFailure<IO>>
where
    IO: AsyncWrite + Unpin,
{
    let mut io = start.io;
    io.write_all(&alert).await?;
    Err(HandshakeFailure { error, io: Some(io) })
}

/// Completes the handshake of a validation, and ends TLS.
async fn validated<IO>(
    start: StartHandshake<Corked<IO>>,
    config: Arc<ServerConfig>,
    server_name: Box<str>,
) -> Result<Accepted<IO>, HandshakeFailure<IO>>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    match start.into_stream(config).into_fallible().await {
        Ok(mut stream) => {
            // The CA may have closed the connection already: it has seen what it wanted.
            let _ = stream.shutdown().await;
            Ok(Accepted::Validation { server_name, io: stream.into_inner().0 })
        }
        Err((error, io)) => Err(HandshakeFailure { error: error.into(), io: Some(io) }),
    }
}

/// Classifies bytes that are not a ClientHello, and responds to plaintext HTTP.
async fn without_client_hello<IO>(error: io::Error, io: Option<Corked<IO>>) -> HandshakeFailure<IO>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let Some(mut io) = io else { return error.into() };
    let has_ended = matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted
    );
    if has_ended && io.first_bytes().is_empty() {
        return HandshakeFailure { error: AcceptError::Nothing, io: None };
    }
    let is_http = if io.first_bytes().may_be_http() { plain_http::respond(&mut io).await } else { Ok(false) };
    let error = match is_http {
        Ok(true) => AcceptError::PlainHttp,
        Ok(false) if io.first_bytes().is_proxy_header() => AcceptError::ProxyHeader,
        Ok(false) => error.into(),
        Err(error) => return error.into(),
    };
    HandshakeFailure { error, io: Some(io) }
}

/// Closes a connection so that the alert reaches the peer: shuts down the sending side and discards received bytes for a while.
///
/// A TLS 1.3 client sends its request before it learns that its certificate is rejected. If the socket were closed at once, a TCP
/// reset would overtake the alert, and the client would report a broken pipe instead of the alert.
pub async fn drain_and_close<IO>(mut io: Corked<IO>)
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let drain = async {
        let most = if io.first_bytes().may_be_http() { DRAIN_BODY_BYTES } else { DRAIN_BYTES };
        io.shutdown().await?;
        tokio::io::copy(&mut io.take(most), &mut tokio::io::sink()).await
    };
    // The connection is closed whether or not the peer has closed its side.
    let _ = tokio::time::timeout(DRAIN_TIME, drain).await;
}
