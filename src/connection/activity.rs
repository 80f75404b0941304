//! What a connection is doing, and until when it may go on so.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::chunks::Gate;
use crate::{forward::ResponseBody, site::Limits, text};

/// Shared by a connection's stream, service and driver, all on one thread.
#[derive(Debug)]
pub(crate) struct Activity {
    in_flight: Cell<usize>,
    /// When the last request was over, or the connection was accepted.
    idle_since: Cell<Instant>,
    /// When the first byte of a head arrived that is not yet whole. HTTP/1.1 only.
    head_since: Cell<Option<Instant>>,
    /// No request in flight has made no progress since before this.
    stalled_since: Cell<Instant>,
    /// When each request in flight last made progress, by its number; those that are free.
    progress: RefCell<Vec<Option<Instant>>>,
    /// Requests so far, and those of them that ended before their response was whole.
    requests: Cell<u32>,
    abandoned: Cell<u32>,
    /// Whether all of the last response is out.
    is_flushed: Cell<bool>,
    /// Whether our own end was, or is to be, sent. What still comes is no request.
    is_ending: Cell<bool>,
    /// How long it may have no request before it rests.
    rest: Cell<Duration>,
    /// Whether what is read next belongs to a chunked body.
    is_chunked: Cell<Verdict>,
}

/// What is known of the body behind a head that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It is not asked for.
    None,
    /// The head has ended, and may announce a chunked one.
    Awaited,
    /// It is chunked.
    Chunked,
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

/// How many requests a client may give up, even if it gives up most of them.
const ABANDONED: u32 = 100;
/// How long a peer may take to read the end of a connection that was closed politely.
pub(super) const LINGER: Duration = Duration::from_secs(2);
/// How long a connection without a request keeps what it has for requests.
const REST: Duration = Duration::from_millis(250);
/// The same of one that went on to be used: it will be again, and is looked at less often.
const REST_IN_USE: Duration = Duration::from_secs(4);

impl Activity {
    /// Of a connection that has had no request since this moment.
    pub(super) fn idle(since: Instant) -> Rc<Self> {
        let now = Instant::now();
        Rc::new(Self {
            in_flight: Cell::new(0),
            idle_since: Cell::new(since),
            head_since: Cell::new(None),
            stalled_since: Cell::new(now),
            progress: RefCell::default(),
            requests: Cell::new(0),
            abandoned: Cell::new(0),
            is_flushed: Cell::new(true),
            is_ending: Cell::new(false),
            rest: Cell::new(REST),
            is_chunked: Cell::new(Verdict::None),
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
            return (self.stalled_since.get() + stall, Overdue::Stuck);
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

    /// Looks which request in flight has made no progress for longest: whether that is later than was known.
    pub(super) fn progressed(&self) -> bool {
        let Some(oldest) = self.progress.borrow().iter().flatten().min().copied() else { return false };
        oldest > self.stalled_since.replace(oldest)
    }

    /// How many requests there were so far.
    pub(super) fn requests(&self) -> u32 {
        self.requests.get()
    }

    /// Whether a request is in flight.
    pub(crate) fn is_busy(&self) -> bool {
        self.in_flight.get() > 0
    }

    /// When the request in flight that has been waited for longest made progress; since when there is none.
    pub(crate) fn last_progress(&self) -> Instant {
        if !self.is_busy() {
            return self.idle_since.get();
        }
        self.progressed();
        self.stalled_since.get()
    }

    /// Whether most requests end before their response is whole: the client resets them, or breaks their streams. Each costs the upstream a request and a
    /// connection, and the client next to nothing.
    pub(super) fn is_abandoning(&self) -> bool {
        let abandoned = self.abandoned.get();
        abandoned > ABANDONED && abandoned > self.requests.get() / 2
    }

    pub(super) fn start(self: &Rc<Self>) -> InFlight {
        let now = Instant::now();
        if self.in_flight.replace(self.in_flight.get() + 1) == 0 {
            self.stalled_since.set(now);
        }
        self.requests.set(self.requests.get().wrapping_add(1));
        self.head_since.set(None);
        let mut progress = self.progress.borrow_mut();
        let number = progress.iter().position(Option::is_none).unwrap_or(progress.len());
        match progress.get_mut(number) {
            Some(free) => *free = Some(now),
            None => progress.push(Some(now)),
        }
        InFlight { activity: Rc::clone(self), number, is_answered: false }
    }

    /// Notes whether the request whose head has just been read has a chunked body; to be said before more is read.
    pub(super) fn begins(&self, headers: &HeaderMap) {
        if self.is_chunked.get() == Verdict::Awaited && headers.contains_key(header::TRANSFER_ENCODING) {
            self.is_chunked.set(Verdict::Chunked);
        }
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

    fn read(&self, bytes: &[u8]) {
        // RFC 9112 section 2.2: empty lines before a head are no part of it. Some clients send one behind a body.
        if self.in_flight.get() == 0 && self.head_since.get().is_none() && !are_empty_lines(bytes) {
            self.head_since.set(Some(Instant::now()));
        }
    }
}

/// Whether there is nothing in it but the ends of lines.
pub(super) fn are_empty_lines(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
}

/// A request in flight, until its response's last byte was handed over or it is dropped.
#[derive(Debug)]
pub(super) struct InFlight {
    activity: Rc<Activity>,
    number: usize,
    is_answered: bool,
}

impl InFlight {
    /// Its response is whole.
    fn answered(&mut self) {
        self.is_answered = true;
    }

    fn made_progress(&self) {
        if let Some(progress) = self.activity.progress.borrow_mut().get_mut(self.number) {
            *progress = Some(Instant::now());
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let Activity { in_flight, idle_since, is_flushed, progress, abandoned, .. } = &*self.activity;
        if let Some(progress) = progress.borrow_mut().get_mut(self.number) {
            *progress = None;
        }
        if !self.is_answered {
            abandoned.set(abandoned.get() + 1);
        }
        in_flight.set(in_flight.get().saturating_sub(1));
        idle_since.set(Instant::now());
        is_flushed.set(false);
    }
}

/// A response's body that notes its progress and its end.
pub(super) struct Tracked {
    body: ResponseBody,
    in_flight: InFlight,
}

impl Tracked {
    pub(super) const fn new(body: ResponseBody, in_flight: InFlight) -> Self {
        Self { body, in_flight }
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        // A body without a byte is never asked for a frame; one whose stream was reset is neither, or not to its end.
        if self.body.is_end_stream() {
            self.in_flight.answered();
        }
    }
}

impl Body for Tracked {
    type Data = Bytes;
    type Error = <ResponseBody as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() {
            self.in_flight.answered();
        }
        // The end is noted when this is dropped.
        if !self.body.is_end_stream() {
            self.in_flight.made_progress();
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

/// A stream that notes when bytes of a head begin to arrive, and when a response is out; malformed chunks end it.
pub(super) struct Watched<IO> {
    io: IO,
    activity: Rc<Activity>,
    gate: Gate,
}

impl<IO> Watched<IO> {
    /// Watches a stream; `before` was read before, and is read again first.
    pub(super) const fn new(io: IO, activity: Rc<Activity>, before: Bytes) -> Self {
        Self { io, activity, gate: Gate::new(before) }
    }

    /// The stream, and what was read of it and is not yet passed on.
    pub(super) fn into_parts(self) -> (IO, Bytes) {
        (self.io, self.gate.into_held())
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Watched<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
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
        let verdict = this.activity.is_chunked.replace(Verdict::None);
        if verdict == Verdict::Chunked {
            this.gate.chunked();
        }
        let passes = this.gate.pass(read)?;
        if this.gate.is_split() {
            this.activity.is_chunked.set(Verdict::Awaited);
        }
        buf.set_filled(before + passes);
        this.activity.read(buf.filled().get(before..).unwrap_or_default());
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
    fn a_stream_that_stalls_is_not_hidden_by_those_that_go_on() {
        let activity = Activity::idle(Instant::now());
        let (stalled, other) = (activity.start(), activity.start());
        let began = activity.stalled_since.get();
        for _ in 0..3 {
            std::thread::yield_now();
            other.made_progress();
            activity.progressed();
        }
        assert!(activity.stalled_since.get() - began < Duration::from_millis(1) || !activity.progressed());
        drop(stalled);
        assert!(activity.progressed());
        // A number is used again.
        let third = activity.start();
        assert_eq!((third.number, activity.progress.borrow().len()), (0, 2));
    }

    #[test]
    fn a_client_that_gives_up_most_of_its_requests_is_noticed() {
        let activity = Activity::idle(Instant::now());
        for _ in 0..ABANDONED {
            drop(activity.start());
            assert!(!activity.is_abandoning());
        }
        drop(activity.start());
        assert!(activity.is_abandoning());
        // As many that were answered make up for it.
        for _ in 0..=ABANDONED {
            activity.start().answered();
        }
        assert!(!activity.is_abandoning());
    }

    #[test]
    fn only_a_connection_that_goes_on_to_be_used_keeps_what_it_has_for_longer() {
        let activity = Activity::idle(Instant::now());
        activity.idle_since.set(Instant::now() - REST);
        activity.could_not_rest();
        assert_eq!(activity.rest.get(), REST);
        // However slow this test is: its last request is over in a moment.
        activity.idle_since.set(Instant::now() + REST);
        activity.could_not_rest();
        assert_eq!(activity.rest.get(), REST_IN_USE);
    }
}
