//! A TCP stream whose small writes are batched.

use std::{
    cell::{Cell, OnceCell, RefCell},
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
    rc::{Rc, Weak},
    task::{Context, Poll, Waker, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    task::AbortHandle,
};

use super::WriteBatcher;

/// The largest write that is batched, in bytes: copying a larger one costs more than it saves.
const MAX_BATCHED: usize = 4 * 1024;

/// A TCP stream. With batching enabled, a small write waits in the [`WriteBatcher`] until the end of the worker's turn. A flush does
/// not wait for that; the next write or flush returns an error of the delayed write. While the kernel has not accepted all batched
/// bytes, further writes, flushes and shutdowns are pending.
///
/// Bytes written before the stream is dropped are still sent, as far as the kernel accepts them without blocking.
#[derive(Debug)]
pub struct Stream {
    socket: Rc<Socket>,
    batcher: WriteBatcher,
    /// Whether a shutdown only flushes, because the drop closes the socket.
    closes_on_drop: bool,
}

/// The socket of a stream, shared by its owner and the batcher.
#[derive(Debug)]
pub(super) struct Socket {
    tcp: RefCell<TcpStream>,
    batches: Cell<bool>,
    /// Whether the batch contains bytes of this socket.
    is_batched: Cell<bool>,
    /// Batched bytes that the kernel did not accept at once.
    backlog: RefCell<Option<Backlog>>,
    /// The error of an earlier write, after which nothing more is sent.
    failed: Cell<Option<io::ErrorKind>>,
    has_owner: Cell<bool>,
    /// Released when the descriptor is closed.
    permit: OnceCell<OwnedSemaphorePermit>,
}

/// Bytes that a separate task sends as the kernel accepts them.
#[derive(Debug)]
struct Backlog {
    bytes: Vec<u8>,
    sender: AbortHandle,
    /// The task that waits until all are sent.
    waiting: Option<Waker>,
}

impl Socket {
    /// Records that the batch contains bytes of this socket.
    pub(super) fn mark_batched(&self) {
        self.is_batched.set(true);
    }

    /// Sends batched bytes. A separate task sends those that the kernel does not accept at once.
    pub(super) fn send(self: &Rc<Self>, bytes: &[u8]) {
        self.is_batched.set(false);
        if self.failed.get().is_some() {
            return;
        }
        if let Some(backlog) = &mut *self.backlog.borrow_mut() {
            backlog.bytes.extend_from_slice(bytes);
            return;
        }
        let sent = match self.tcp.borrow().try_write(bytes) {
            Ok(sent) => sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return self.failed.set(Some(error.kind())),
        };
        let unsent = bytes.get(sent..).unwrap_or_default();
        if unsent.is_empty() {
            return;
        }
        if !self.has_owner.get() {
            return self.failed.set(Some(io::ErrorKind::BrokenPipe));
        }
        let sender = tokio::task::spawn_local(Rc::clone(self).send_backlog()).abort_handle();
        self.backlog.replace(Some(Backlog { bytes: unsent.to_vec(), sender, waiting: None }));
    }

    async fn send_backlog(self: Rc<Self>) {
        let sent = poll_fn(|cx| -> Poll<io::Result<()>> {
            loop {
                let mut backlog = self.backlog.borrow_mut();
                let Some(backlog) = backlog.as_mut().filter(|backlog| !backlog.bytes.is_empty()) else {
                    return Poll::Ready(Ok(()));
                };
                let sent = ready!(Pin::new(&mut *self.tcp.borrow_mut()).poll_write(cx, &backlog.bytes))?;
                backlog.bytes.drain(..sent);
            }
        });
        if let Err(error) = sent.await {
            self.failed.set(Some(error.kind()));
        }
        if let Some(waiting) = self.backlog.take().and_then(|backlog| backlog.waiting) {
            waiting.wake();
        }
    }

    /// Waits until the backlog is sent; an error if that or an earlier write failed.
    fn poll_backlog(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(backlog) = &mut *self.backlog.borrow_mut() {
            backlog.waiting = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(self.failed.get().map_or(Ok(()), |kind| Err(kind.into())))
    }
}

impl Stream {
    pub(super) fn new(tcp: TcpStream, batcher: WriteBatcher) -> Self {
        let socket = Socket {
            tcp: RefCell::new(tcp),
            batches: Cell::new(false),
            is_batched: Cell::new(false),
            backlog: RefCell::default(),
            failed: Cell::default(),
            has_owner: Cell::new(true),
            permit: OnceCell::new(),
        };
        Self { socket: Rc::new(socket), batcher, closes_on_drop: false }
    }

    /// Holds a permit until the descriptor is closed, which may be after the stream is dropped.
    pub fn hold(&self, permit: OwnedSemaphorePermit) {
        let _ = self.socket.permit.set(permit);
    }

    /// Batches small writes from now on.
    pub fn enable_batching(&self) {
        self.socket.batches.set(true);
    }

    /// Makes a shutdown only flush: the drop closes the socket. This saves a system call where nothing more is read.
    pub fn close_on_drop(&mut self) {
        self.closes_on_drop = true;
    }

    /// A handle by which code that does not own the stream can poll its readiness. It must be polled in the task that reads.
    #[must_use]
    pub fn readiness(&self) -> ReadReadiness {
        ReadReadiness(Rc::downgrade(&self.socket))
    }

    /// Waits until there are bytes to read, or the peer has closed the connection.
    pub async fn readable(&self) -> io::Result<()> {
        poll_fn(|cx| self.socket.tcp.borrow().poll_read_ready(cx)).await
    }

    /// Writes to the socket directly, after the bytes that were batched before.
    fn poll_write_at_once(&self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.socket.is_batched.get() {
            self.batcher.flush();
        }
        ready!(self.socket.poll_backlog(cx))?;
        let mut tcp = self.socket.tcp.borrow_mut();
        match bufs {
            // write(2) costs less than writev(2).
            [one] => Pin::new(&mut *tcp).poll_write(cx, one),
            _ => Pin::new(&mut *tcp).poll_write_vectored(cx, bufs),
        }
    }
}

/// The read readiness of a stream, for code that does not own it.
#[derive(Debug)]
pub struct ReadReadiness(Weak<Socket>);

impl ReadReadiness {
    /// Ready if there are bytes to read, or the peer has closed the connection. Pending after the stream was dropped.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self.0.upgrade() {
            Some(socket) => socket.tcp.borrow().poll_read_ready(cx).map(drop),
            None => Poll::Pending,
        }
    }

    /// The same by asking the system: tokio assumes that a stream which was just accepted is ready.
    pub fn poll_peek(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self.0.upgrade() {
            Some(socket) => socket.tcp.borrow().poll_peek(cx, &mut ReadBuf::new(&mut [0])).map(drop),
            None => Poll::Pending,
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // A peer that does not read must not keep the socket open.
        self.socket.has_owner.set(false);
        if let Some(backlog) = self.socket.backlog.take() {
            backlog.sender.abort();
            self.socket.failed.set(Some(io::ErrorKind::BrokenPipe));
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.socket.tcp.borrow_mut()).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = bufs.iter().map(|buf| buf.len()).sum();
        if length > MAX_BATCHED || !self.socket.batches.get() {
            return self.poll_write_at_once(cx, bufs);
        }
        ready!(self.socket.poll_backlog(cx))?;
        self.batcher.push(&self.socket, bufs);
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_backlog(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.socket.is_batched.get() {
            self.batcher.flush();
        }
        ready!(self.socket.poll_backlog(cx))?;
        if self.closes_on_drop {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut *self.socket.tcp.borrow_mut()).poll_shutdown(cx)
    }
}
