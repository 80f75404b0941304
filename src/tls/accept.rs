//! The handshake: the ClientHello's name picks the domain, whose configuration does the rest.

use std::{io, sync::Arc};

use rustls::{ServerConfig, server::Acceptor};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

/// Why a handshake ended.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// No `server_name` extension, or an IP address in it.
    #[error("the ClientHello names no server (SNI)")]
    NoServerName,
    /// No such domain here.
    #[error("the ClientHello names \"{0}\", which is no domain of this edge")]
    UnknownServerName(String),
    /// rustls refused it, or the peer went away.
    #[error("{0}")]
    Handshake(#[from] io::Error),
}

/// A finished handshake.
#[derive(Debug)]
pub struct AcceptedTls<IO> {
    /// The stream.
    pub stream: TlsStream<IO>,
    /// The name that the client asked for: lower case, no trailing dot.
    pub server_name: Box<str>,
}

/// RFC 8446 section 6: fatal alerts, as records of their own before any encryption.
const MISSING_EXTENSION: [u8; 7] = [21, 3, 3, 0, 2, 2, 109];
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// Reads the ClientHello, asks `domain` for the configuration of its server name, and shakes hands.
/// A refusal reaches the peer as an alert. The caller bounds the time.
pub async fn accept<IO>(
    io: IO,
    domain: impl FnOnce(&str) -> Option<Arc<ServerConfig>>,
) -> Result<AcceptedTls<IO>, AcceptError>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let mut acceptor = LazyConfigAcceptor::new(Acceptor::default(), io);
    let start = (&mut acceptor).await?;
    let name = start
        .client_hello()
        .server_name()
        .map(|name| name.trim_end_matches('.').to_ascii_lowercase().into_boxed_str());
    let (refusal, alert) = match name {
        None => (AcceptError::NoServerName, MISSING_EXTENSION),
        Some(server_name) => match domain(&server_name) {
            Some(config) => {
                let stream = start.into_stream(config).await?;
                return Ok(AcceptedTls { stream, server_name });
            }
            None => (AcceptError::UnknownServerName(server_name.into_string()), UNRECOGNIZED_NAME),
        },
    };
    let mut io = start.io;
    io.write_all(&alert).await?;
    io.shutdown().await?;
    Err(refusal)
}
