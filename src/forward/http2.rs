//! Connections of HTTP/2 to one origin (RFC 9113), each shared by as many requests as the origin permits.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    pin::pin,
    rc::Rc,
    task::{Poll, Waker},
    time::Duration,
};

use hyper::{client::conn::http2, rt::Executor};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

use super::RequestBody;
use crate::text;

/// While streams are open, an origin that sends nothing for so long gets a PING (RFC 9113 section 6.7). TCP alone finds out after
/// minutes that nobody is there. Without streams there is none: some servers close a connection for too many of them.
const PING: Duration = Duration::from_secs(15);
/// How long its answer may take. Longer, and the connection is closed.
const PONG: Duration = Duration::from_secs(10);
/// When a request learns that its origin is gone, at the latest.
pub(super) const SILENCE: Duration = PING.saturating_add(PONG);
/// In place of the peer's limit on streams, before its SETTINGS are there. No peer can send it: theirs have 32 bits.
const UNKNOWN: usize = usize::MAX - 1;

/// A connection.
#[derive(Clone)]
pub(super) struct Connection {
    sender: http2::SendRequest<RequestBody>,
    state: Rc<State>,
}

struct State {
    /// Requests that it carries.
    streams: Cell<usize>,
    /// How many it may carry: the peer's SETTINGS_MAX_CONCURRENT_STREAMS (RFC 9113 section 5.1.2).
    most: Cell<usize>,
    /// Since when it carries none, while that is so.
    unused: Cell<Instant>,
    /// It gets no new request.
    is_retired: Cell<bool>,
}

impl Connection {
    /// One over this stream, once the peer's SETTINGS are there: the first frame that it sends (RFC 9113 section 3.4). Without its
    /// limit, requests of a burst would wait in line on one connection.
    pub(super) async fn handshake<IO>(io: IO) -> Result<Self, String>
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let tasks = Tasks::default();
        let (sender, connection) = http2::Builder::new(tasks.clone())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PONG)
            .keep_alive_while_idle(false)
            .initial_max_send_streams(UNKNOWN)
            .handshake(TokioIo::new(io))
            .await
            .map_err(|error| error.to_string())?;
        let mut connection = Box::pin(connection);
        poll_fn(|cx| {
            tasks.0.set(Some(cx.waker().clone()));
            match connection.as_mut().poll(cx) {
                Poll::Ready(Ok(())) => Poll::Ready(Err("the connection was closed".to_owned())),
                Poll::Ready(Err(error)) => Poll::Ready(Err(error.to_string())),
                Poll::Pending if connection.current_max_send_streams() == UNKNOWN => Poll::Pending,
                Poll::Pending => Poll::Ready(Ok(())),
            }
        })
        .await?;
        let state = Rc::new(State {
            streams: Cell::new(0),
            most: Cell::new(connection.current_max_send_streams()),
            unused: Cell::new(Instant::now()),
            is_retired: Cell::new(false),
        });
        let shared = Rc::clone(&state);
        tokio::task::spawn_local(async move {
            let ended = poll_fn(|cx| {
                let ended = connection.as_mut().poll(cx);
                shared.most.set(connection.current_max_send_streams());
                ended
            });
            if let Err(error) = pin!(ended).await {
                tracing::debug!(error = text::shown(&error), "upstream connection ended");
            }
        });
        Ok(Self { sender, state })
    }

    /// How many requests it may carry at once; never less than one.
    pub(super) fn most(&self) -> usize {
        self.state.most.get().max(1)
    }

    /// What sends requests.
    pub(super) const fn sender(&mut self) -> &mut http2::SendRequest<RequestBody> {
        &mut self.sender
    }

    /// Keeps new requests from it. Those that it carries go on, and it is closed after the last one.
    pub(super) fn retire(&self) {
        self.state.is_retired.set(true);
    }

    /// Whether it can take one more request, now or once the peer permits any.
    pub(super) fn takes_another(&self) -> bool {
        self.is_usable() && (self.has_room() || self.takes_none())
    }

    /// Counts a request that it carries from now on.
    pub(super) fn begin(&self) {
        self.state.streams.set(self.state.streams.get() + 1);
    }

    /// Counts a request that is over.
    pub(super) fn end(&self) {
        let left = self.state.streams.get().saturating_sub(1);
        self.state.streams.set(left);
        if left == 0 {
            self.state.unused.set(Instant::now());
        }
    }

    fn is_usable(&self) -> bool {
        !self.state.is_retired.get() && !self.sender.is_closed()
    }

    fn has_room(&self) -> bool {
        self.state.streams.get() < self.state.most.get()
    }

    /// Whether the peer permits no request for now.
    fn takes_none(&self) -> bool {
        self.state.most.get() == 0
    }
}

/// Spawns onto the worker's own thread, and wakes who waits for the peer's SETTINGS: a task of hyper's reads them.
#[derive(Clone, Default)]
struct Tasks(Rc<Cell<Option<Waker>>>);

impl<F: Future + 'static> Executor<F> for Tasks {
    fn execute(&self, future: F) {
        let (waiting, mut future) = (Rc::clone(&self.0), Box::pin(future));
        tokio::task::spawn_local(poll_fn(move |cx| {
            let polled = future.as_mut().poll(cx).map(drop);
            if let Some(waiting) = waiting.take() {
                waiting.wake();
            }
            polled
        }));
    }
}

/// The connections of one origin.
#[derive(Default)]
pub(super) struct Connections(RefCell<Vec<Connection>>);

impl Connections {
    /// The first connection that has room. Where the peer permits no request at all, no other connection would have any.
    pub(super) fn with_room(&self) -> Option<Connection> {
        let mut connections = self.0.borrow_mut();
        connections.retain(Connection::is_usable);
        let found = connections.iter().find(|connection| connection.has_room());
        let found = found.or_else(|| connections.iter().find(|connection| connection.takes_none()));
        found.cloned()
    }

    /// The connection with the fewest requests: where no other can be had, one more waits for some of them to end.
    pub(super) fn least_used(&self) -> Option<Connection> {
        let connections = self.0.borrow();
        let usable = connections.iter().filter(|connection| connection.is_usable());
        usable.min_by_key(|connection| connection.state.streams.get()).cloned()
    }

    /// Whether a further request needs no further connection.
    pub(super) fn has_room(&self) -> bool {
        self.0.borrow().iter().any(|connection| connection.is_usable() && connection.has_room())
    }

    pub(super) fn add(&self, connection: Connection) {
        self.0.borrow_mut().push(connection);
    }

    /// Closes the connection that has been unused for the longest time; false if there is none.
    pub(super) fn drop_oldest(&self) -> bool {
        let mut connections = self.0.borrow_mut();
        let unused =
            connections.iter().enumerate().filter(|(_, connection)| connection.state.streams.get() == 0);
        let Some((oldest, _)) = unused.min_by_key(|(_, connection)| connection.state.unused.get()) else {
            return false;
        };
        drop(connections.swap_remove(oldest));
        true
    }

    /// Closes those that carried no request for so long.
    pub(super) fn drop_older_than(&self, limit: Duration) {
        self.0.borrow_mut().retain(|connection| {
            let state = &connection.state;
            let is_over = state.streams.get() == 0 && state.unused.get().elapsed() >= limit;
            connection.is_usable() && !is_over
        });
    }
}
