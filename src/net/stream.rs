//! A TCP stream whose small sends are gathered.

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

use super::Outbox;

/// Sends of more bytes are not gathered: a copy would cost more than it saves.
const SMALL: usize = 4 * 1024;

/// A TCP stream. Once it gathers, a small write waits in the [`Outbox`] until the end of the worker's turn, and a flush does not wait
/// for that; an error of it shows at the next write or flush, as one does that comes after the kernel has taken the bytes. If the kernel
/// does not take them all, nothing more is written, flushed or shut down before it has.
///
/// What was written before the stream is dropped is still sent, as far as the peer takes it at once.
#[derive(Debug)]
pub struct Stream {
    socket: Rc<Socket>,
    outbox: Outbox,
    /// Whether a shutdown leaves the end to the drop.
    ends_when_dropped: bool,
}

/// A stream, for its owner and for the outbox.
#[derive(Debug)]
pub(super) struct Socket {
    tcp: RefCell<TcpStream>,
    gathers: Cell<bool>,
    /// Whether some of its bytes are in the outbox.
    is_gathered: Cell<bool>,
    /// Of what was gathered, that which the kernel did not take.
    rest: RefCell<Option<Rest>>,
    /// Why nothing more can be sent.
    failed: Cell<Option<io::ErrorKind>>,
    has_owner: Cell<bool>,
    /// What is given back when the descriptor is closed.
    place: OnceCell<OwnedSemaphorePermit>,
}

/// Bytes that are sent by a task of their own.
#[derive(Debug)]
struct Rest {
    bytes: Vec<u8>,
    sender: AbortHandle,
    /// Who waits for the end of it.
    waiting: Option<Waker>,
}

impl Socket {
    /// Some of its bytes are in the outbox now.
    pub(super) fn mark_gathered(&self) {
        self.is_gathered.set(true);
    }

    /// Sends bytes that were gathered; what the kernel does not take is sent by a task of its own.
    pub(super) fn send(self: &Rc<Self>, bytes: &[u8]) {
        self.is_gathered.set(false);
        if self.failed.get().is_some() {
            return;
        }
        if let Some(rest) = &mut *self.rest.borrow_mut() {
            rest.bytes.extend_from_slice(bytes);
            return;
        }
        let sent = match self.tcp.borrow().try_write(bytes) {
            Ok(sent) => sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return self.failed.set(Some(error.kind())),
        };
        let rest = bytes.get(sent..).unwrap_or_default();
        if rest.is_empty() {
            return;
        }
        if !self.has_owner.get() {
            return self.failed.set(Some(io::ErrorKind::BrokenPipe));
        }
        let sender = tokio::task::spawn_local(Rc::clone(self).send_rest()).abort_handle();
        self.rest.replace(Some(Rest { bytes: rest.to_vec(), sender, waiting: None }));
    }

    async fn send_rest(self: Rc<Self>) {
        let sent = poll_fn(|cx| -> Poll<io::Result<()>> {
            loop {
                let mut rest = self.rest.borrow_mut();
                let Some(rest) = rest.as_mut().filter(|rest| !rest.bytes.is_empty()) else {
                    return Poll::Ready(Ok(()));
                };
                let sent = ready!(Pin::new(&mut *self.tcp.borrow_mut()).poll_write(cx, &rest.bytes))?;
                rest.bytes.drain(..sent);
            }
        });
        if let Err(error) = sent.await {
            self.failed.set(Some(error.kind()));
        }
        if let Some(waiting) = self.rest.take().and_then(|rest| rest.waiting) {
            waiting.wake();
        }
    }

    /// Waits until the rest is sent; an error if that, or an earlier send, failed.
    fn poll_sent(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(rest) = &mut *self.rest.borrow_mut() {
            rest.waiting = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(self.failed.get().map_or(Ok(()), |kind| Err(kind.into())))
    }
}

impl Stream {
    pub(super) fn new(tcp: TcpStream, outbox: Outbox) -> Self {
        let socket = Socket {
            tcp: RefCell::new(tcp),
            gathers: Cell::new(false),
            is_gathered: Cell::new(false),
            rest: RefCell::default(),
            failed: Cell::default(),
            has_owner: Cell::new(true),
            place: OnceCell::new(),
        };
        Self { socket: Rc::new(socket), outbox, ends_when_dropped: false }
    }

    /// Holds a place until its descriptor is closed, which may be after the stream is dropped.
    pub fn hold(&self, place: OwnedSemaphorePermit) {
        let _ = self.socket.place.set(place);
    }

    /// From now on small sends are gathered.
    pub fn gather(&self) {
        self.socket.gathers.set(true);
    }

    /// A shutdown sends what was written, and leaves the end to the drop: one system call for both, where nothing more is read.
    pub fn end_when_dropped(&mut self) {
        self.ends_when_dropped = true;
    }

    /// Through which another one sees that there is something to read. The task that reads has to be the one that asks.
    #[must_use]
    pub fn arrivals(&self) -> Arrivals {
        Arrivals(Rc::downgrade(&self.socket))
    }

    /// Waits until there is something to read, or the peer's end.
    pub async fn readable(&self) -> io::Result<()> {
        poll_fn(|cx| self.socket.tcp.borrow().poll_read_ready(cx)).await
    }

    /// Writes without the outbox, after what is in it.
    fn poll_write_at_once(&self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.socket.is_gathered.get() {
            self.outbox.send();
        }
        ready!(self.socket.poll_sent(cx))?;
        let mut tcp = self.socket.tcp.borrow_mut();
        match bufs {
            // The system call for one costs less.
            [one] => Pin::new(&mut *tcp).poll_write(cx, one),
            _ => Pin::new(&mut *tcp).poll_write_vectored(cx, bufs),
        }
    }
}

/// What comes over a stream, for somebody who does not own it.
#[derive(Debug)]
pub struct Arrivals(Weak<Socket>);

impl Arrivals {
    /// Whether there is something to read, or the peer's end, as far as the runtime knows; if not, the task is woken when there is.
    pub fn have_come(&self, cx: &mut Context<'_>) -> bool {
        self.0.upgrade().is_some_and(|socket| socket.tcp.borrow().poll_read_ready(cx).is_ready())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // A peer that takes nothing does not keep the socket open.
        self.socket.has_owner.set(false);
        if let Some(rest) = self.socket.rest.take() {
            rest.sender.abort();
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
        if length > SMALL || !self.socket.gathers.get() {
            return self.poll_write_at_once(cx, bufs);
        }
        ready!(self.socket.poll_sent(cx))?;
        self.outbox.gather(&self.socket, bufs);
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_sent(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.socket.is_gathered.get() {
            self.outbox.send();
        }
        ready!(self.socket.poll_sent(cx))?;
        if self.ends_when_dropped {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut *self.socket.tcp.borrow_mut()).poll_shutdown(cx)
    }
}
