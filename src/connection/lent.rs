//! An HTTP/2 stream that is lent to hyper, so that the edge can write after hyper has dropped it. It records
//! in the connection's life whether part of a head has arrived, and ends at a flood of frames.

use std::{
    cell::{Cell, RefCell},
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::{frames::FrameBudget, life::Life};

/// GOAWAY with ENHANCE_YOUR_CALM and the highest stream number, since any stream may have been processed (RFC 9113 section 6.8).
const ENHANCE_YOUR_CALM: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0x0b];

/// A handle of a stream. All handles are on one thread.
pub(super) struct Lent<IO>(Rc<Shared<IO>>);

struct Shared<IO> {
    io: RefCell<IO>,
    life: Rc<Life>,
    /// Whether everything is flushed. Then the last frame is complete, since hyper flushes when it has nothing left to write.
    is_flushed: Cell<bool>,
    budget: RefCell<FrameBudget>,
    is_flooded: Cell<bool>,
}

impl<IO> Clone for Lent<IO> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Lent<IO> {
    pub(super) fn new(io: IO, life: Rc<Life>) -> Self {
        Self(Rc::new(Shared {
            io: RefCell::new(io),
            life,
            is_flushed: Cell::new(true),
            budget: RefCell::new(FrameBudget::new()),
            is_flooded: Cell::new(false),
        }))
    }

    /// Whether the client has sent a flood of frames.
    pub(super) fn is_flooded(&self) -> bool {
        self.0.is_flooded.get()
    }

    /// Sends ENHANCE_YOUR_CALM if the last frame is complete, and ends the stream. hyper itself only sends NO_ERROR. Call this after
    /// hyper has dropped its handle.
    pub(super) async fn end_with_calm(mut self) -> io::Result<()> {
        if self.0.is_flushed.get() {
            self.write_all(&ENHANCE_YOUR_CALM).await?;
            self.flush().await?;
        }
        self.shutdown().await
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Lent<IO> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut *self.0.io.borrow_mut()).poll_read(cx, buf))?;
        let read = buf.filled().get(before..).unwrap_or_default();
        let budget = &mut *self.0.budget.borrow_mut();
        let had_partial_head = budget.has_partial_head();
        let received = budget.receive(read);
        if budget.has_partial_head() != had_partial_head {
            self.0.life.partial_head(!had_partial_head);
        }
        Poll::Ready(received.map_err(|flood| {
            self.0.is_flooded.set(true);
            io::Error::new(io::ErrorKind::InvalidData, flood)
        }))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Lent<IO> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.is_flushed.set(false);
        let written = ready!(Pin::new(&mut *self.0.io.borrow_mut()).poll_write(cx, buf))?;
        self.0.budget.borrow_mut().send(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut *self.0.io.borrow_mut()).poll_flush(cx))?;
        self.0.is_flushed.set(true);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.io.borrow_mut()).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.is_flushed.set(false);
        let written = ready!(Pin::new(&mut *self.0.io.borrow_mut()).poll_write_vectored(cx, bufs))?;
        self.0.budget.borrow_mut().send(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.0.io.borrow().is_write_vectored()
    }
}
