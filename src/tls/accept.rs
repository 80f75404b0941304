//! The handshake: the ClientHello's name picks the domain, whose configuration does the rest.

use std::{io, sync::Arc, time::Duration};

use rustls::{ServerConfig, server::Acceptor};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

use super::{cork::Corked, plain, reason::reason, tickets::with_session};

/// Why a handshake ended.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// No `server_name` extension, or an IP address in it.
    #[error("no server name (SNI) in the ClientHello")]
    NoServerName,
    /// No such domain here.
    #[error("unknown server name \"{0}\" (SNI)")]
    UnknownServerName(String),
    /// The peer was gone before it sent anything.
    #[error("the peer closed the connection before it sent anything")]
    Nothing,
    /// An HTTP request in the clear.
    #[error("the client sent HTTP without TLS: its URL must begin with https://")]
    PlainHttp,
    /// rustls refused it, or the peer went away.
    #[error("{}", reason(.0))]
    Handshake(#[from] io::Error),
}

/// A finished handshake.
#[derive(Debug)]
pub struct AcceptedTls<IO> {
    /// The stream.
    pub stream: TlsStream<Corked<IO>>,
    /// The name that the client asked for: lower case, no trailing dot.
    pub server_name: Box<str>,
}

/// A handshake that failed.
#[derive(Debug)]
pub struct Failed<IO> {
    /// Why.
    pub error: AcceptError,
    /// The connection, on which the peer has been sent an alert: to be left by [`take_leave`].
    pub io: Option<Corked<IO>>,
}

impl<IO> From<io::Error> for Failed<IO> {
    fn from(error: io::Error) -> Self {
        Self { error: error.into(), io: None }
    }
}

/// RFC 8446 section 6: fatal alerts, as records of their own before any encryption.
const MISSING_EXTENSION: [u8; 7] = [21, 3, 3, 0, 2, 2, 109];
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// How long a peer may take to go after an alert, and how much it may still send.
const LEAVE_TIME: Duration = Duration::from_secs(1);
const LEAVE_BYTES: u64 = 64 * 1024;
/// The same where it was answered in HTTP: many clients send their whole body before they read.
const LEAVE_BODY: u64 = 4 * 1024 * 1024;

/// Reads the ClientHello, asks `domain` for the configuration of its server name, and shakes hands.
/// A refusal reaches the peer as an alert. The caller bounds the time.
pub async fn accept<IO>(
    io: IO,
    domain: impl FnOnce(&str) -> Option<Arc<ServerConfig>>,
) -> Result<AcceptedTls<IO>, Failed<IO>>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let mut acceptor = LazyConfigAcceptor::new(Acceptor::default(), Corked::new(io));
    let start = match (&mut acceptor).await {
        Ok(start) => start,
        Err(error) => return Err(no_client_hello(error, acceptor.take_io()).await),
    };
    let name = start
        .client_hello()
        .server_name()
        .map(|name| name.trim_end_matches('.').to_ascii_lowercase().into_boxed_str());
    let (error, alert) = match name {
        None => (AcceptError::NoServerName, MISSING_EXTENSION),
        Some(server_name) => match domain(&server_name) {
            Some(config) => {
                // `into_stream` reads the ClientHello, and a ticket in it, at once.
                let handshake = async { start.into_stream(config).into_fallible().await };
                return match with_session(handshake).await {
                    Ok(mut stream) => {
                        stream.get_mut().0.handshake_is_over();
                        Ok(AcceptedTls { stream, server_name })
                    }
                    Err((error, io)) => Err(Failed { error: error.into(), io: Some(io) }),
                };
            }
            None => (AcceptError::UnknownServerName(server_name.into_string()), UNRECOGNIZED_NAME),
        },
    };
    let mut io = start.io;
    io.write_all(&alert).await?;
    Err(Failed { error, io: Some(io) })
}

/// What came instead of a ClientHello, and where it was HTTP, an answer to it.
async fn no_client_hello<IO>(error: io::Error, io: Option<Corked<IO>>) -> Failed<IO>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let Some(mut io) = io else { return error.into() };
    let is_gone = matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted
    );
    if is_gone && io.opening().is_empty() {
        return Failed { error: AcceptError::Nothing, io: None };
    }
    if !io.opening().may_be_http() {
        return Failed { error: error.into(), io: Some(io) };
    }
    match plain::answer(&mut io).await {
        Ok(true) => Failed { error: AcceptError::PlainHttp, io: Some(io) },
        Ok(false) => Failed { error: error.into(), io: Some(io) },
        Err(error) => error.into(),
    }
}

/// Ends a connection so that the alert arrives. A TLS 1.3 client sends its request before it can know that its
/// certificate is refused: if that met a closed socket, a reset would overtake the alert, and the client would
/// tell of a broken pipe instead of what is wrong.
pub async fn take_leave<IO>(mut io: Corked<IO>)
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let leave = async {
        let most = if io.opening().may_be_http() { LEAVE_BODY } else { LEAVE_BYTES };
        io.shutdown().await?;
        tokio::io::copy(&mut io.take(most), &mut tokio::io::sink()).await
    };
    // The peer is gone, or has had its time: either way it is over.
    let _ = tokio::time::timeout(LEAVE_TIME, leave).await;
}
