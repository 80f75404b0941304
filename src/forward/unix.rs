//! Connects to an origin at a Unix socket.

use std::{
    io::{self, IoSlice},
    path::Path,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::UnixStream,
    sync::OwnedSemaphorePermit,
};

/// A stream with the permit for its descriptor. Its writes are not batched: what a write to a sleeping process costs is the wake-up, which
/// a batch of one stream does not save.
pub(super) struct Stream {
    stream: UnixStream,
    _permit: OwnedSemaphorePermit,
}

/// Connects to the socket with this path.
///
/// # Errors
///
/// A sentence for the log, which says what the operator can do.
pub(super) async fn connect(path: &Path, permit: OwnedSemaphorePermit) -> Result<Stream, String> {
    match UnixStream::connect(path).await {
        Ok(stream) => Ok(Stream { stream, _permit: permit }),
        Err(error) => Err(format!("{error}{}", advice(path, &error))),
    }
}

fn advice(path: &Path, error: &io::Error) -> String {
    let user = rustix::process::geteuid().as_raw();
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!(
                ": the edge runs as the user {user}, which needs write permission for {} and search permission for its folders",
                path.display()
            )
        }
        io::ErrorKind::NotFound => ": the server creates the socket when it starts".to_owned(),
        io::ErrorKind::ConnectionRefused => ": the socket exists, but no server listens on it".to_owned(),
        _ => String::new(),
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
