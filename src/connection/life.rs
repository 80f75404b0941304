//! A connection's [`State`], shared by its stream, its service, its driver and the listener on one thread.

use std::{
    cell::{RefCell, RefMut},
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    task::AbortHandle,
    time::{Instant, timeout_at},
};

use super::phase::{
    Bodies, Deadline, NotServing, Overdue, OverdueRequest, ParkPermit, Protocol, State, Timeouts,
};

/// The life of one connection. [`State`] documents the methods.
#[derive(Debug)]
pub(crate) struct Life(RefCell<Inner>);

#[derive(Debug)]
struct Inner {
    state: State,
    /// Wakes the task that waits for [`Life::close`] and [`Life::leave`].
    waker: Option<Waker>,
    /// The tasks of HTTP/2 requests, by the numbers of these.
    tasks: Vec<Option<RequestTask>>,
    /// The number of the request that began last, until it has a task.
    without_task: Option<usize>,
}

/// The task of an HTTP/2 request.
#[derive(Debug)]
struct RequestTask {
    /// Resets the stream.
    abort: AbortHandle,
    /// Wakes the task while the request has no response.
    waker: Option<Waker>,
}

/// What the task of a connection must do besides its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Drop it: the client abandons most of its requests.
    Abandoning,
    /// Drop it: the client sends requests although it knows that the connection ends.
    EndIgnored,
    /// Announce the end to the peer.
    Announce,
    /// Wait, at most until this deadline.
    Wait(Deadline),
}

impl Life {
    /// The life of a connection that was just accepted. Its handshake may take this long.
    pub(crate) fn new(handshake_timeout: Duration) -> Rc<Self> {
        let state = State::new(Instant::now(), handshake_timeout);
        let inner = Inner { state, waker: None, tasks: Vec::new(), without_task: None };
        Rc::new(Self(RefCell::new(inner)))
    }

    /// The protocol, once the handshake is complete.
    pub(super) fn protocol(&self) -> Protocol {
        self.0.borrow().state.protocol()
    }

    /// Asks for the connection to be closed once the requests in flight are answered.
    pub(crate) fn close(&self) {
        let waker = {
            let mut inner = self.0.borrow_mut();
            if inner.state.close(Instant::now()) { inner.waker.take() } else { None }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Lets the connection serve one more request, which must begin before this time, and closes it then: the edge drains.
    pub(crate) fn leave(&self, until: Instant) {
        let waker = {
            let mut inner = self.0.borrow_mut();
            if inner.state.leave(Instant::now(), until) { inner.waker.take() } else { None }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether a request is in flight.
    pub(crate) fn is_busy(&self) -> bool {
        self.0.borrow().state.is_busy()
    }

    /// When the connection last did something.
    pub(crate) fn last_progress(&self) -> Instant {
        self.state().last_progress()
    }

    fn state(&self) -> RefMut<'_, State> {
        RefMut::map(self.0.borrow_mut(), |inner| &mut inner.state)
    }

    /// What to do next. [`Life::close`] will wake the task. `is_polled` is whether hyper has just written what there was to write: the
    /// end is announced behind it.
    pub(super) fn next(&self, bodies: Bodies, is_polled: bool, cx: &Context<'_>) -> Next {
        let inner = &mut *self.0.borrow_mut();
        if inner.state.is_abandoning() {
            return Next::Abandoning;
        }
        if !inner.register(cx) {
            let now = Instant::now();
            if inner.state.is_end_ignored(now) {
                return Next::EndIgnored;
            }
            if is_polled && inner.state.announce(now) {
                return Next::Announce;
            }
        }
        Next::Wait(inner.state.deadline(bodies))
    }

    /// Waits until [`Life::close`] or [`Life::leave`] changes what this idle connection waits for, or until its deadline has passed.
    pub(super) async fn overdue(&self) -> Option<Overdue> {
        let deadline = self.deadline(Bodies::Complete);
        let changed = poll_fn(|cx| {
            let mut inner = self.0.borrow_mut();
            let is_same = inner.register(cx) && inner.state.deadline(Bodies::Complete) == deadline;
            if is_same { Poll::Pending } else { Poll::Ready(()) }
        });
        timeout_at(deadline.at, changed).await.is_err().then_some(deadline.then)
    }

    /// Whether the connection was asked to close.
    pub(super) fn is_closing(&self) -> bool {
        self.0.borrow().state.is_closing()
    }

    pub(super) fn established(&self, protocol: Protocol, timeouts: Timeouts) {
        self.state().established(Instant::now(), protocol, timeouts);
    }

    /// Notes received bytes. Empty lines before a head are not part of it (RFC 9112 section 2.2): some clients send one after a body.
    pub(super) fn read(&self, bytes: &[u8]) {
        let mut state = self.state();
        if state.awaits_head() && !are_empty_lines(bytes) {
            state.head_begins(Instant::now());
        }
    }

    /// Notes whether part of a head has arrived over HTTP/2.
    pub(super) fn partial_head(&self, is_partial: bool) {
        self.state().partial_head(is_partial.then(Instant::now));
    }

    /// Begins a request.
    pub(super) fn begin(self: &Rc<Self>) -> Result<Request, NotServing> {
        let inner = &mut *self.0.borrow_mut();
        inner.without_task = None;
        let number = inner.state.begin(Instant::now())?;
        inner.without_task = Some(number);
        Ok(Request { life: Rc::clone(self), number, is_complete: false, closes: false })
    }

    /// Sets the task of the HTTP/2 request that began last.
    pub(super) fn served_by(&self, abort: AbortHandle) {
        let inner = &mut *self.0.borrow_mut();
        let Some(number) = inner.without_task.take() else { return };
        if inner.tasks.len() <= number {
            inner.tasks.resize_with(number + 1, || None);
        }
        if let Some(task) = inner.tasks.get_mut(number) {
            *task = Some(RequestTask { abort, waker: None });
        }
    }

    /// Lets overdue requests be answered, and breaks off the responses of others, which it returns. Over HTTP/1.1 the caller must poll the
    /// connection for the first, and drop it for the second.
    pub(super) fn expire(&self) -> u64 {
        let overdue = self.state().expire(Instant::now());
        let mut broken_off = 0;
        for OverdueRequest { number, has_response } in overdue {
            broken_off += u64::from(has_response);
            let (abort, waker) = match self.0.borrow_mut().tasks.get_mut(number) {
                Some(task) if has_response => (task.take(), None),
                Some(Some(task)) => (None, task.waker.take()),
                _ => (None, None),
            };
            if let Some(RequestTask { abort, .. }) = abort {
                abort.abort();
            }
            if let Some(waker) = waker {
                waker.wake();
            }
        }
        broken_off
    }

    pub(super) fn flushed(&self) {
        self.state().flushed();
    }

    pub(super) fn ending(&self) {
        self.state().ending();
    }

    pub(super) fn end_sent(&self) {
        self.state().end_sent(Instant::now());
    }

    pub(super) fn is_body_unread(&self) -> bool {
        self.0.borrow().state.is_body_unread()
    }

    pub(super) fn park(&self, bodies: Bodies) -> Option<ParkPermit> {
        self.state().park(bodies)
    }

    pub(super) fn resume(&self) -> bool {
        self.state().resume()
    }

    pub(super) fn stayed_in_use(&self) {
        self.state().stayed_in_use(Instant::now());
    }

    pub(super) fn deadline(&self, bodies: Bodies) -> Deadline {
        self.0.borrow().state.deadline(bodies)
    }

    pub(super) fn has_progressed(&self) -> bool {
        self.state().has_progressed()
    }

    pub(super) fn is_abandoning(&self) -> bool {
        self.0.borrow().state.is_abandoning()
    }
}

impl Inner {
    /// Registers the task to be woken by [`Life::close`]; false if that was called already.
    fn register(&mut self, cx: &Context<'_>) -> bool {
        if self.state.is_closing() {
            return false;
        }
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
        true
    }
}

/// Whether there are only line ends.
pub(super) fn are_empty_lines(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
}

/// A request in flight, until its response's last byte was handed over or it is dropped.
#[derive(Debug)]
pub(super) struct Request {
    life: Rc<Life>,
    number: usize,
    is_complete: bool,
    /// Whether the connection closes after its response.
    closes: bool,
}

impl Request {
    /// Whether its response is the last one of an HTTP/1.1 connection, and must say so.
    pub(super) fn is_last_of_http1(&self) -> bool {
        self.life.0.borrow().state.is_last_of_http1()
    }

    /// Gives the request another time than that of `[limits]`.
    pub(super) fn limit(&self, time: Duration) {
        self.life.state().limit(self.number, time);
    }

    /// Whether the request is overdue. If not, the task of an HTTP/2 request will be woken when it is.
    pub(super) fn is_overdue(&self, cx: &Context<'_>) -> bool {
        let inner = &mut *self.life.0.borrow_mut();
        if let Some(Some(task)) = inner.tasks.get_mut(self.number)
            && task.waker.is_none()
        {
            task.waker = Some(cx.waker().clone());
        }
        inner.state.is_overdue(self.number)
    }

    /// Whether its response is broken off.
    pub(super) fn is_timed_out(&self) -> bool {
        self.life.0.borrow().state.is_overdue(self.number)
    }

    /// Notes that there is a response. `closes` is whether the connection must close after it. An HTTP/1.1 response says so itself.
    /// GOAWAY follows the response, since some clients discard their requests when they read it (Java's `HttpClient`).
    pub(super) fn answered(&mut self, is_body_unread: bool, closes: bool) {
        self.life.state().answered(self.number, is_body_unread, Instant::now());
        match self.life.protocol() {
            Protocol::Http1 if closes => self.life.close(),
            Protocol::Http1 => {}
            Protocol::Http2 => self.closes = closes,
        }
    }

    /// Notes that the whole response was handed over.
    pub(super) const fn mark_complete(&mut self) {
        self.is_complete = true;
    }

    pub(super) fn note_progress(&self) {
        self.life.state().progress(self.number, Instant::now());
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let task = {
            let inner = &mut *self.life.0.borrow_mut();
            inner.state.end(self.number, self.is_complete, Instant::now());
            inner.tasks.get_mut(self.number).and_then(Option::take)
        };
        drop(task);
        if self.closes {
            self.life.close();
        }
    }
}
