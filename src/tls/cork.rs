//! Delays session tickets until the next write after the handshake, which saves one system call and one packet per connection.
//!
//! `benches/RESULTS.md` ("What own machinery earns") has the measurements: 2 to 3 % less CPU for a full handshake with its request,
//! 4 to 5 % less for a resumed one. rustls writes tickets as soon as they are made, and has no setting for this.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::first_bytes::FirstBytes;

/// The content type of encrypted records (RFC 8446 section 5.1).
const APPLICATION_DATA: u8 = 23;

/// The stream below TLS, which corks writes that the client does not wait for.
///
/// In TLS 1.3 a server's first flight begins with an unencrypted record, the ServerHello. During a handshake, a write that begins
/// with an encrypted record is a ticket, or an alert that is followed by a shutdown: the client waits for neither. In TLS 1.2 a
/// server sends no application data before the handshake is complete. So a write that begins with an encrypted record is corked
/// until the next write after the handshake, or until [`Corked::poll_release`].
///
/// The alert to a peer that may have sent plaintext HTTP is corked as well, so that an HTTP response can replace it.
#[derive(Debug)]
pub struct Corked<IO> {
    io: IO,
    /// Whether the next write begins a record of an unfinished handshake, and may be corked.
    corks: bool,
    held: Vec<u8>,
    /// The first bytes from the peer.
    first_bytes: FirstBytes,
}

impl<IO> Corked<IO> {
    pub(super) const fn new(io: IO) -> Self {
        Self { io, corks: true, held: Vec::new(), first_bytes: FirstBytes::new() }
    }

    /// The first bytes from the peer.
    pub(super) const fn first_bytes(&self) -> &FirstBytes {
        &self.first_bytes
    }

    /// Discards the corked bytes, and corks no more.
    pub(super) fn discard_corked(&mut self) {
        self.held.clear();
        self.corks = false;
    }

    /// Records that the handshake is complete: the next write sends the corked bytes before its own.
    pub(super) const fn finish_handshake(&mut self) {
        self.corks = false;
    }

    /// The inner stream.
    pub const fn get_ref(&self) -> &IO {
        &self.io
    }

    /// The inner stream. Bytes written to it precede the corked ones.
    pub const fn get_mut(&mut self) -> &mut IO {
        &mut self.io
    }
}

impl<IO: AsyncWrite + Unpin> Corked<IO> {
    /// Writes the corked bytes.
    pub fn poll_release(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            ready!(self.poll_write_with_corked(cx, &[]))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes the corked bytes and then `bufs`; returns how many bytes of `bufs` were written.
    fn poll_write_with_corked(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            if self.held.is_empty() {
                return Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
            }
            let all: Vec<IoSlice<'_>> =
                std::iter::once(IoSlice::new(&self.held)).chain(bufs.iter().copied()).collect();
            let written = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, &all))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_corked = written.min(self.held.len());
            if of_corked == self.held.len() {
                self.held = Vec::new();
            } else {
                self.held.drain(..of_corked);
            }
            if written > of_corked || bufs.is_empty() {
                return Poll::Ready(Ok(written - of_corked));
            }
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Corked<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
        if this.corks {
            this.first_bytes.extend(buf.filled().get(before..).unwrap_or_default());
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Corked<IO> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.corks
            && (bufs.first().is_some_and(|buf| buf.first() == Some(&APPLICATION_DATA))
                || this.first_bytes.may_be_http())
        {
            let before = this.held.len();
            for buf in bufs {
                this.held.extend_from_slice(buf);
            }
            return Poll::Ready(Ok(this.held.len() - before));
        }
        let written = ready!(this.poll_write_with_corked(cx, bufs))?;
        // After a partial write, the next one continues the same record.
        this.corks &= written == bufs.iter().map(|buf| buf.len()).sum::<usize>();
        Poll::Ready(Ok(written))
    }

    /// Flushes the inner stream only: rustls flushes after a ticket, too.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_release(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const SERVER_HELLO: &[u8] = &[22, 3, 3, 0, 1, 2];
    const TICKET: &[u8] = &[23, 3, 3, 0, 2, 9, 9];

    /// The bytes that have arrived at the other end.
    async fn arrived(other: &mut tokio::io::DuplexStream) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        tokio::select! {
            biased;
            read = other.read(&mut bytes) => bytes.truncate(read.unwrap()),
            () = tokio::task::yield_now() => bytes.clear(),
        }
        bytes
    }

    #[tokio::test]
    async fn a_ticket_is_sent_with_the_next_write_after_the_handshake() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut corked = Corked::new(near);
        corked.write_all(SERVER_HELLO).await.unwrap();
        assert_eq!(arrived(&mut far).await, SERVER_HELLO);
        corked.write_all(TICKET).await.unwrap();
        corked.flush().await.unwrap();
        assert_eq!(arrived(&mut far).await, b"");
        corked.finish_handshake();
        corked.write_all(&[23, 1]).await.unwrap();
        assert_eq!(arrived(&mut far).await, [TICKET, &[23, 1]].concat());
        corked.write_all(&[23, 2]).await.unwrap();
        assert_eq!(arrived(&mut far).await, [23, 2]);
    }

    #[tokio::test]
    async fn corked_bytes_leave_on_release_and_before_close() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut corked = Corked::new(near);
        corked.write_all(TICKET).await.unwrap();
        std::future::poll_fn(|cx| corked.poll_release(cx)).await.unwrap();
        assert_eq!(arrived(&mut far).await, TICKET);
        corked.write_all(TICKET).await.unwrap();
        corked.shutdown().await.unwrap();
        drop(corked);
        let mut rest = Vec::new();
        far.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, TICKET);
    }

    #[tokio::test]
    async fn a_partly_written_record_is_not_corked() {
        // The peer accepts four bytes at a time; the fifth equals the content type of an encrypted record.
        let (near, mut far) = tokio::io::duplex(4);
        let mut corked = Corked::new(near);
        let record = [22, 3, 3, 0, 23, 23, 23, 23];
        let reads = async {
            let mut all = vec![0; record.len()];
            far.read_exact(&mut all).await.unwrap();
            all
        };
        let (written, read) = tokio::join!(corked.write_all(&record), reads);
        written.unwrap();
        assert_eq!(read, record);
    }

    #[tokio::test]
    async fn short_writes_lose_no_bytes() {
        let (near, mut far) = tokio::io::duplex(3);
        let mut corked = Corked::new(near);
        corked.write_all(TICKET).await.unwrap();
        corked.finish_handshake();
        let body: Vec<u8> = (0..50).collect();
        let expected = [TICKET, &body].concat();
        let reads = async {
            let mut all = vec![0; expected.len()];
            far.read_exact(&mut all).await.unwrap();
            all
        };
        let (written, read) = tokio::join!(corked.write_all(&body), reads);
        written.unwrap();
        assert_eq!(read, expected);
    }
}
