//! The HTTP/1.1 stream between hyper and TLS.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{chunks::Gate, life::Life};

/// The stream's question to the service: whether the body after a head is chunked.
#[derive(Clone, Debug, Default)]
pub(super) struct Framing(Rc<Cell<Answer>>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Answer {
    /// Not asked.
    #[default]
    None,
    /// The head that has ended may announce a chunked body.
    Awaited,
    /// The body is chunked.
    Chunked,
    /// It has another transfer coding, too, which the edge does not decode.
    Refused,
}

impl Framing {
    /// Answers for the head that was just parsed, before more is read.
    pub(super) fn head_read(&self, headers: &HeaderMap) {
        if self.0.get() != Answer::Awaited {
            return;
        }
        let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
        let is_chunked =
            |coding: &HeaderValue| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
        match (codings.next(), codings.next()) {
            (None, _) => {}
            (Some(coding), None) if is_chunked(coding) => self.0.set(Answer::Chunked),
            // hyper looks for `chunked` at the end only (RFC 9112 section 6.1).
            _ => self.0.set(Answer::Refused),
        }
    }
}

/// An HTTP/1.1 stream that records in the connection's life when bytes of a head arrive and when a
/// response is written out. Malformed chunks and other transfer codings end it.
pub(super) struct Watched<IO> {
    io: IO,
    life: Rc<Life>,
    framing: Framing,
    gate: Gate,
}

impl<IO> Watched<IO> {
    /// Watches a stream. `before` was received before, and is read first.
    pub(super) const fn new(io: IO, life: Rc<Life>, framing: Framing, before: Bytes) -> Self {
        Self { io, life, framing, gate: Gate::new(before) }
    }

    /// The stream, and the received bytes that were not yet passed on.
    pub(super) fn into_parts(self) -> (IO, Bytes) {
        (self.io, self.gate.into_held())
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Watched<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let held = this.gate.held(buf.remaining());
        if held.is_empty() {
            ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
        } else {
            buf.put_slice(&held);
        }
        let read = buf.filled().get(before..).unwrap_or_default();
        if read.is_empty() {
            return Poll::Ready(Ok(()));
        }
        match this.framing.0.replace(Answer::None) {
            Answer::None | Answer::Awaited => {}
            Answer::Chunked => this.gate.chunked(),
            Answer::Refused => {
                let what = "a transfer coding other than chunked";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, what)));
            }
        }
        let passes = this.gate.pass(read)?;
        if this.gate.is_split() {
            this.framing.0.set(Answer::Awaited);
        }
        buf.set_filled(before + passes);
        this.life.read(buf.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Watched<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        // hyper flushes when it has written everything.
        self.life.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
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
