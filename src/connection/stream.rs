//! A close that does not cut off the last response (RFC 9112 section 9.6).

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{life::Life, phase::Protocol};
use crate::{
    net::{ReadReadiness, Stream},
    tls,
};

/// A client's TLS stream.
type TlsStream = tokio_rustls::server::TlsStream<tls::Corked<Stream>>;

/// The most bytes that are discarded after our end was sent.
const DISCARDED: usize = 8 * 1024 * 1024;

/// A client's stream with a lingering close: if a request was refused before its body was read, what the client still sends is
/// read and discarded after our own end was sent. If a socket is closed with unread bytes, TCP resets the connection, and the client may
/// lose the response. The deadline is that of [`super::phase::Phase::Lingering`].
#[derive(Debug)]
pub(super) struct ClientStream {
    io: TlsStream,
    life: Rc<Life>,
    is_end_sent: bool,
    left: usize,
}

impl ClientStream {
    pub(super) fn new(io: TlsStream, life: Rc<Life>) -> Self {
        Self { io, life, is_end_sent: false, left: DISCARDED }
    }

    /// The protocol that ALPN has selected.
    pub(super) fn protocol(&self) -> Protocol {
        if self.io.get_ref().1.alpn_protocol() == Some(b"h2") { Protocol::Http2 } else { Protocol::Http1 }
    }

    /// Whether bytes have arrived.
    pub(super) fn readiness(&self) -> ReadReadiness {
        self.io.get_ref().0.get_ref().readiness()
    }

    /// If the client has sent its end (close_notify, RFC 8446 section 6.1), only our own is left to send, which dropping the stream does.
    fn leave_end_to_drop(&mut self) {
        let (io, tls) = self.io.get_mut();
        if !self.life.is_body_unread() && tls.process_new_packets().is_ok_and(|state| state.peer_has_closed())
        {
            io.get_mut().close_on_drop();
        }
    }

    /// Sends what is still delayed, and waits until the peer has sent bytes or its end.
    pub(super) async fn wait_readable(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.io.get_mut().0.poll_release(cx)).await?;
        self.io.get_ref().0.get_ref().readable().await
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.is_end_sent {
            this.life.ending();
            this.leave_end_to_drop();
            ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
            this.is_end_sent = true;
            this.life.end_sent();
        }
        if !this.life.is_body_unread() {
            return Poll::Ready(Ok(()));
        }
        // Not decrypted, since nobody reads it.
        let tcp = this.io.get_mut().0.get_mut();
        let mut buffer = [0; 8 * 1024];
        while this.left > 0 {
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
