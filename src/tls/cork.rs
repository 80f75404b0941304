//! Holds session tickets back until there is something else to send: one system call and one packet less per connection.
//!
//! It earns 3 to 4 % of the CPU of a resumed handshake and its request (`benches/RESULTS.md`, "own machinery").

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::opening::Opening;

/// The content type of encrypted records (RFC 8446 section 5.1).
const APPLICATION_DATA: u8 = 23;

/// The stream beneath TLS.
///
/// In a handshake of TLS 1.3 a server's first flight begins with a record in the clear, its ServerHello. Nothing that it sends in
/// encrypted records alone is waited for by the client: tickets, or an alert, after which the stream is shut down. In TLS 1.2 no
/// server sends application data before the end of the handshake. So what begins with an encrypted record is held back until
/// the next write after the handshake, or [`Corked::poll_release`].
///
/// So is the alert for a peer that may have sent an HTTP request in the clear, and is to get an answer in HTTP instead.
#[derive(Debug)]
pub struct Corked<IO> {
    io: IO,
    /// Whether what is written begins a record of a handshake that goes on.
    holds: bool,
    held: Vec<u8>,
    /// What the peer sent first.
    opening: Opening,
}

impl<IO> Corked<IO> {
    pub(super) const fn new(io: IO) -> Self {
        Self { io, holds: true, held: Vec::new(), opening: Opening::new() }
    }

    /// What the peer sent first.
    pub(super) const fn opening(&self) -> &Opening {
        &self.opening
    }

    /// What is held is not sent.
    pub(super) fn discard_held(&mut self) {
        self.held.clear();
        self.holds = false;
    }

    /// The handshake is over: what is held goes out with the next write.
    pub(super) const fn handshake_is_over(&mut self) {
        self.holds = false;
    }

    /// The stream itself.
    pub const fn get_ref(&self) -> &IO {
        &self.io
    }

    /// The stream itself. What is written to it gets ahead of what is held.
    pub const fn get_mut(&mut self) -> &mut IO {
        &mut self.io
    }
}

impl<IO: AsyncWrite + Unpin> Corked<IO> {
    /// Writes what is held.
    pub fn poll_release(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            ready!(self.poll_write_with_held(cx, &[]))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes what is held and then these; how much of these.
    fn poll_write_with_held(
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
            let of_held = written.min(self.held.len());
            if of_held == self.held.len() {
                self.held = Vec::new();
            } else {
                self.held.drain(..of_held);
            }
            if written > of_held || bufs.is_empty() {
                return Poll::Ready(Ok(written - of_held));
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
        if this.holds {
            this.opening.extend(buf.filled().get(before..).unwrap_or_default());
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
        if this.holds
            && (bufs.first().is_some_and(|buf| buf.first() == Some(&APPLICATION_DATA))
                || this.opening.may_be_http())
        {
            let before = this.held.len();
            for buf in bufs {
                this.held.extend_from_slice(buf);
            }
            return Poll::Ready(Ok(this.held.len() - before));
        }
        let written = ready!(this.poll_write_with_held(cx, bufs))?;
        // What comes after a part does not begin a record.
        this.holds &= written == bufs.iter().map(|buf| buf.len()).sum::<usize>();
        Poll::Ready(Ok(written))
    }

    /// What is held stays: it is not for this that it waits.
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

    /// What has arrived at the other end.
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
    async fn a_ticket_goes_out_with_the_next_write_after_the_handshake() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut corked = Corked::new(near);
        corked.write_all(SERVER_HELLO).await.unwrap();
        assert_eq!(arrived(&mut far).await, SERVER_HELLO);
        corked.write_all(TICKET).await.unwrap();
        corked.flush().await.unwrap();
        assert_eq!(arrived(&mut far).await, b"");
        corked.handshake_is_over();
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
        // A peer that takes four octets at a time; the fifth looks like the beginning of an encrypted record.
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
        corked.handshake_is_over();
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
