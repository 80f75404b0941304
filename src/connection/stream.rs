//! A close that does not cut off the last response (RFC 9112 section 9.6).

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use crate::{
    net::{Arrivals, Stream},
    request::Connection,
    tls,
};

/// A client's TLS stream.
pub(super) type TlsStream = tokio_rustls::server::TlsStream<tls::Corked<Stream>>;

/// How long what still comes is read.
const TIME: Duration = Duration::from_secs(2);
/// How much of it.
const BYTES: usize = 8 * 1024 * 1024;

/// A stream that, where a request was refused before its body was read, goes on to read what the client still sends,
/// after its own end was sent. Closed with unread bytes, TCP would reset the connection, and the client might
/// lose the response that tells it why.
#[derive(Debug)]
pub(super) struct Lingering {
    io: TlsStream,
    connection: Rc<Connection>,
    /// Set when our own end was sent.
    until: Option<Pin<Box<Sleep>>>,
    left: usize,
}

impl Lingering {
    pub(super) fn new(io: TlsStream, connection: Rc<Connection>) -> Self {
        Self { io, connection, until: None, left: BYTES }
    }

    /// Whether HTTP/2 was agreed on.
    pub(super) fn is_http2(&self) -> bool {
        self.io.get_ref().1.alpn_protocol() == Some(b"h2")
    }

    /// What comes over it.
    pub(super) fn arrivals(&self) -> Arrivals {
        self.io.get_ref().0.get_ref().arrivals()
    }

    /// Where the client has said that it sends nothing more (close_notify, RFC 8446 section 6.1), ours is all that is left to send.
    fn leave_end_to_drop(&mut self) {
        let (io, tls) = self.io.get_mut();
        if !self.connection.lingers() && tls.process_new_packets().is_ok_and(|state| state.peer_has_closed())
        {
            io.get_mut().end_when_dropped();
        }
    }

    /// Sends what is still held back, and waits until the peer has sent something, or its end.
    pub(super) async fn readable(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.io.get_mut().0.poll_release(cx)).await?;
        self.io.get_ref().0.get_ref().readable().await
    }
}

impl AsyncRead for Lingering {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.until.is_none() {
            this.leave_end_to_drop();
            ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
        }
        if !this.connection.lingers() {
            return Poll::Ready(Ok(()));
        }
        let until = this.until.get_or_insert_with(|| Box::pin(sleep(TIME)));
        // Nobody looks at it, so it is not even decrypted.
        let tcp = this.io.get_mut().0.get_mut();
        let mut buffer = [0; 8 * 1024];
        while this.left > 0 && until.as_mut().poll(cx).is_pending() {
            let mut buf = ReadBuf::new(&mut buffer);
            match ready!(Pin::new(&mut *tcp).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {
                    this.left = this.left.saturating_sub(buf.filled().len());
                }
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
