//! The stream below a connection.

use tokio::io::{AsyncRead, AsyncWrite};

/// A stream that can carry a connection: TCP, or TLS above it.
pub trait Io: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}
