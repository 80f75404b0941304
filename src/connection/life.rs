//! A connection's [`State`] as its stream, service, driver and the listener share it, all on one thread.

use std::{
    cell::RefCell,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::Instant;

use super::phase::{Bodies, Deadline, NotServing, ParkPermit, Protocol, State, Timeouts};

/// The life of one connection. See [`State`] for what each method does.
#[derive(Debug)]
pub(crate) struct Life {
    state: RefCell<State>,
    /// Of the task that serves it, while that waits for [`Life::close`].
    waker: RefCell<Option<Waker>>,
}

impl Life {
    /// A connection that was accepted now. Its handshake may take this long.
    pub(crate) fn new(handshake_timeout: Duration) -> Rc<Self> {
        let state = State::new(Instant::now(), handshake_timeout);
        Rc::new(Self { state: RefCell::new(state), waker: RefCell::default() })
    }

    /// Asks for the connection to be closed once the requests in flight are answered.
    pub(crate) fn close(&self) {
        if self.state.borrow_mut().close(Instant::now())
            && let Some(waker) = self.waker.take()
        {
            waker.wake();
        }
    }

    /// Whether a request is in flight.
    pub(crate) fn is_busy(&self) -> bool {
        self.state.borrow().is_busy()
    }

    /// When the connection last did something.
    pub(crate) fn last_progress(&self) -> Instant {
        self.state.borrow_mut().last_progress()
    }

    /// Ready when [`Life::close`] was called; until then the task is woken by it.
    pub(super) fn poll_closing(&self, cx: &Context<'_>) -> Poll<()> {
        if self.state.borrow().is_closing() {
            return Poll::Ready(());
        }
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Waits until [`Life::close`] is called.
    pub(super) async fn closed(&self) {
        std::future::poll_fn(|cx| self.poll_closing(cx)).await;
    }

    pub(super) fn established(&self, protocol: Protocol, timeouts: Timeouts) {
        self.state.borrow_mut().established(Instant::now(), protocol, timeouts);
    }

    /// Notes bytes that were read. Empty lines before a head are not part of it (RFC 9112 section 2.2): some clients send one after a
    /// body.
    pub(super) fn read(&self, bytes: &[u8]) {
        let mut state = self.state.borrow_mut();
        if state.awaits_head() && !are_empty_lines(bytes) {
            state.head_begins(Instant::now());
        }
    }

    /// A request begins.
    pub(super) fn begin(self: &Rc<Self>) -> Result<Request, NotServing> {
        let number = self.state.borrow_mut().begin(Instant::now())?;
        Ok(Request { life: Rc::clone(self), number, is_complete: false })
    }

    pub(super) fn flushed(&self) {
        self.state.borrow_mut().flushed();
    }

    pub(super) fn announce(&self) -> bool {
        self.state.borrow_mut().announce(Instant::now())
    }

    pub(super) fn is_end_ignored(&self) -> bool {
        self.state.borrow().is_end_ignored()
    }

    pub(super) fn ending(&self) {
        self.state.borrow_mut().ending();
    }

    pub(super) fn end_sent(&self) -> bool {
        self.state.borrow_mut().end_sent(Instant::now())
    }

    pub(super) fn is_body_unread(&self) -> bool {
        self.state.borrow().is_body_unread()
    }

    pub(super) fn park(&self, bodies: Bodies) -> Option<ParkPermit> {
        self.state.borrow_mut().park(bodies)
    }

    pub(super) fn resume(&self) -> bool {
        self.state.borrow_mut().resume()
    }

    pub(super) fn stayed_in_use(&self) {
        self.state.borrow_mut().stayed_in_use(Instant::now());
    }

    pub(super) fn deadline(&self, bodies: Bodies) -> Deadline {
        self.state.borrow().deadline(bodies)
    }

    pub(super) fn has_progressed(&self) -> bool {
        self.state.borrow_mut().has_progressed()
    }

    pub(super) fn is_abandoning(&self) -> bool {
        self.state.borrow().is_abandoning()
    }
}

/// Whether there is nothing but line ends.
pub(super) fn are_empty_lines(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
}

/// A request in flight, until its response's last byte was handed over or it is dropped.
#[derive(Debug)]
pub(super) struct Request {
    life: Rc<Life>,
    number: usize,
    is_complete: bool,
}

impl Request {
    /// It has a response. `closes` is whether the connection is to be closed after it.
    pub(super) fn answered(&self, is_body_unread: bool, closes: bool) {
        self.life.state.borrow_mut().answered(is_body_unread);
        if closes {
            self.life.close();
        }
    }

    /// The whole response was handed over.
    pub(super) const fn complete(&mut self) {
        self.is_complete = true;
    }

    pub(super) fn made_progress(&self) {
        self.life.state.borrow_mut().progress(self.number, Instant::now());
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.life.state.borrow_mut().end(self.number, self.is_complete, Instant::now());
    }
}
