//! What a connection is doing, and until when it may go on so.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use crate::{config::settings::Limits, forward::ResponseBody, text};

/// Shared by a connection's stream, service and driver, all on one thread.
#[derive(Debug)]
pub(super) struct Activity {
    in_flight: Cell<usize>,
    /// When the last request was over, or the connection was accepted.
    idle_since: Cell<Instant>,
    /// When the first byte of a head arrived that is not yet whole. HTTP/1.1 only.
    head_since: Cell<Option<Instant>>,
    /// When a request in flight last got on.
    progress: Cell<Instant>,
    /// Whether all of the last response is out.
    is_flushed: Cell<bool>,
    /// Whether our own end was, or is to be, sent. What still comes is no request.
    is_ending: Cell<bool>,
    /// How long it may have no request before it rests.
    rest: Cell<Duration>,
}

/// What to do when a connection's time is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    /// It has had nothing to do for a moment: what it has for requests can be given back.
    Resting,
    /// It has nothing in flight: close it politely.
    Idle,
    /// It holds the edge up: drop it.
    Stuck,
    /// It was closed politely, and the peer does not go: drop it.
    Lingering,
}

/// How long a peer may take to read the end of a connection that was closed politely.
pub(super) const LINGER: Duration = Duration::from_secs(2);
/// How long a connection without a request keeps what it has for requests.
const REST: Duration = Duration::from_millis(250);
/// The same of one that went on to be used: it will be again, and is looked at less often.
const REST_IN_USE: Duration = Duration::from_secs(4);

impl Activity {
    pub(super) fn new() -> Rc<Self> {
        let now = Instant::now();
        Rc::new(Self {
            in_flight: Cell::new(0),
            idle_since: Cell::new(now),
            head_since: Cell::new(None),
            progress: Cell::new(now),
            is_flushed: Cell::new(true),
            is_ending: Cell::new(false),
            rest: Cell::new(REST),
        })
    }

    /// Until when the connection may go on as it is, and what then. `closing` is when it was closed politely; `rests` is whether it
    /// can give back what it has for requests.
    pub(super) fn due(
        &self,
        limits: &Limits,
        stall: Duration,
        closing: Option<Instant>,
        rests: bool,
    ) -> (Instant, Overdue) {
        if self.in_flight.get() > 0 {
            return (self.progress.get() + stall, Overdue::Stuck);
        }
        if let Some(closing) = closing {
            return (closing.max(self.idle_since.get()) + LINGER, Overdue::Lingering);
        }
        let rests = rests && self.is_flushed.get() && !self.is_ending.get();
        match self.head_since.get() {
            Some(since) => (since + limits.head_timeout, Overdue::Stuck),
            None if rests && self.rest.get() < limits.idle_timeout => {
                (self.idle_since.get() + self.rest.get(), Overdue::Resting)
            }
            None => (self.idle_since.get() + limits.idle_timeout, Overdue::Idle),
        }
    }

    pub(super) fn start(self: &Rc<Self>) -> InFlight {
        self.in_flight.set(self.in_flight.get() + 1);
        self.head_since.set(None);
        self.progress.set(Instant::now());
        InFlight(Rc::clone(self))
    }

    /// Its time to rest went by, and it had requests: if the last was not its first, it goes on to be used.
    pub(super) fn could_not_rest(&self) {
        if self.idle_since.get().elapsed() < REST / 2 {
            self.rest.set(REST_IN_USE);
        }
    }

    /// Since when there is no request.
    pub(super) fn idle_since(&self) -> Instant {
        self.idle_since.get()
    }

    fn read(&self) {
        if self.in_flight.get() == 0 && self.head_since.get().is_none() {
            self.head_since.set(Some(Instant::now()));
        }
    }
}

/// A request in flight, until its response's last byte was handed over or it is dropped.
#[derive(Debug)]
pub(super) struct InFlight(Rc<Activity>);

impl Drop for InFlight {
    fn drop(&mut self) {
        let Activity { in_flight, idle_since, is_flushed, .. } = &*self.0;
        in_flight.set(in_flight.get().saturating_sub(1));
        idle_since.set(Instant::now());
        is_flushed.set(false);
    }
}

/// A response's body that notes its progress and its end.
pub(super) struct Tracked {
    pub(super) body: ResponseBody,
    pub(super) in_flight: InFlight,
}

impl Body for Tracked {
    type Data = Bytes;
    type Error = <ResponseBody as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        // The end is noted when this is dropped.
        if !self.body.is_end_stream() {
            self.in_flight.0.progress.set(Instant::now());
        }
        if let Some(Err(error)) = &frame {
            tracing::warn!(error = text::shown(error), "a response broke off");
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that notes when bytes of a head begin to arrive, and when a response is out.
pub(super) struct Watched<IO> {
    pub(super) io: IO,
    pub(super) activity: Rc<Activity>,
    /// What was read before, to be read again first.
    pub(super) before: Bytes,
}

impl<IO: AsyncRead + Unpin> AsyncRead for Watched<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if !self.before.is_empty() {
            let length = self.before.len().min(buf.remaining());
            buf.put_slice(&self.before.split_to(length));
            self.activity.read();
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.activity.read();
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Watched<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        // hyper flushes when it has nothing left of its own.
        if self.activity.in_flight.get() == 0 {
            self.activity.is_flushed.set(true);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.activity.is_ending.set(true);
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_connection_that_goes_on_to_be_used_keeps_what_it_has_for_longer() {
        let activity = Activity::new();
        activity.idle_since.set(Instant::now() - REST);
        activity.could_not_rest();
        assert_eq!(activity.rest.get(), REST);
        // However slow this test is: its last request is over in a moment.
        activity.idle_since.set(Instant::now() + REST);
        activity.could_not_rest();
        assert_eq!(activity.rest.get(), REST_IN_USE);
    }
}
