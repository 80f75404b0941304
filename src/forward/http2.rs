//! The HTTP/2 connections to one origin (RFC 9113). Each carries as many requests at once as the origin permits.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    net::SocketAddr,
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

use super::{RequestBody, Target, fault::of_hyper, resolved::Resolved};
use crate::text;

/// While streams are open, a PING is sent to an origin that sent nothing for this time (RFC 9113 section 6.7): TCP alone detects a lost
/// peer only after minutes. Without streams no PING is sent, since some servers close connections that send too many.
const PING_INTERVAL: Duration = Duration::from_secs(15);
/// How long the origin may take to acknowledge a PING before the connection is closed.
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest time until a lost origin is detected.
pub(super) const DETECTION_TIME: Duration = PING_INTERVAL.saturating_add(PING_TIMEOUT);
/// Stands for the peer's limit of streams before its SETTINGS are received. No peer can send this value: a setting has 32 bits.
const UNKNOWN: usize = usize::MAX - 1;

/// An HTTP/2 connection.
#[derive(Clone)]
pub(super) struct Connection {
    sender: http2::SendRequest<RequestBody>,
    state: Rc<State>,
}

struct State {
    /// How many requests it carries.
    streams: Cell<usize>,
    /// The peer's SETTINGS_MAX_CONCURRENT_STREAMS (RFC 9113 section 5.1.2).
    max_streams: Cell<usize>,
    /// Since when it carries none; only valid while it carries none.
    idle_since: Cell<Instant>,
    /// Whether it gets no new requests.
    is_retired: Cell<bool>,
    /// The address of the origin.
    peer: Option<SocketAddr>,
}

impl Connection {
    /// Begins a connection, and waits for the peer's SETTINGS, the first frame that it sends (RFC 9113 section 3.4). Without its limit of
    /// streams, all requests of a burst would be queued on one connection.
    ///
    /// # Errors
    ///
    /// A sentence for the log.
    pub(super) async fn handshake<IO>(
        io: IO,
        peer: Option<SocketAddr>,
        target: &Target,
    ) -> Result<Self, String>
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let executor = WakingExecutor::default();
        let (sender, connection) = http2::Builder::new(executor.clone())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .keep_alive_while_idle(false)
            .initial_max_send_streams(UNKNOWN)
            .handshake(TokioIo::new(io))
            .await
            .map_err(|error| of_hyper(&error, target))?;
        let mut connection = Box::pin(connection);
        poll_fn(|cx| {
            executor.0.set(Some(cx.waker().clone()));
            match connection.as_mut().poll(cx) {
                Poll::Ready(Ok(())) => Poll::Ready(Err("the connection was closed".to_owned())),
                Poll::Ready(Err(error)) => Poll::Ready(Err(of_hyper(&error, target))),
                Poll::Pending if connection.current_max_send_streams() == UNKNOWN => Poll::Pending,
                Poll::Pending => Poll::Ready(Ok(())),
            }
        })
        .await?;
        let state = Rc::new(State {
            streams: Cell::new(0),
            max_streams: Cell::new(connection.current_max_send_streams()),
            idle_since: Cell::new(Instant::now()),
            is_retired: Cell::new(false),
            peer,
        });
        let shared = Rc::clone(&state);
        tokio::task::spawn_local(async move {
            let ended = poll_fn(|cx| {
                let ended = connection.as_mut().poll(cx);
                shared.max_streams.set(connection.current_max_send_streams());
                ended
            });
            if let Err(error) = pin!(ended).await {
                tracing::debug!(error = text::shown(&error), "upstream connection ended");
            }
        });
        Ok(Self { sender, state })
    }

    /// How many requests it may carry at once, at least one.
    pub(super) fn max_streams(&self) -> usize {
        self.state.max_streams.get().max(1)
    }

    /// hyper's handle that sends requests.
    pub(super) const fn sender(&mut self) -> &mut http2::SendRequest<RequestBody> {
        &mut self.sender
    }

    /// Sends no new requests on it. It is closed after the last of its current ones.
    pub(super) fn retire(&self) {
        self.state.is_retired.set(true);
    }

    /// Whether one more request can be sent on it, now or once the peer permits streams again.
    pub(super) fn takes_another(&self) -> bool {
        self.is_usable() && (self.has_free_stream() || self.permits_no_stream())
    }

    /// Counts a request that begins.
    pub(super) fn add_stream(&self) {
        self.state.streams.set(self.state.streams.get() + 1);
    }

    /// Counts a request that has ended.
    pub(super) fn remove_stream(&self) {
        let left = self.state.streams.get().saturating_sub(1);
        self.state.streams.set(left);
        if left == 0 {
            self.state.idle_since.set(Instant::now());
        }
    }

    fn is_usable(&self) -> bool {
        !self.state.is_retired.get() && !self.sender.is_closed()
    }

    fn has_free_stream(&self) -> bool {
        self.state.streams.get() < self.state.max_streams.get()
    }

    /// Whether the peer permits no streams at present.
    fn permits_no_stream(&self) -> bool {
        self.state.max_streams.get() == 0
    }
}

/// Spawns hyper's tasks onto the worker's thread. One of them reads the peer's SETTINGS, so each poll wakes the task that waits for these.
#[derive(Clone, Default)]
struct WakingExecutor(Rc<Cell<Option<Waker>>>);

impl<F: Future + 'static> Executor<F> for WakingExecutor {
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

/// The HTTP/2 connections to one origin.
#[derive(Default)]
pub(super) struct Connections(RefCell<Vec<Connection>>);

impl Connections {
    /// The first connection with a free stream, or one whose peer permits no streams at present: a new connection would have none either.
    pub(super) fn with_free_stream(&self) -> Option<Connection> {
        let mut connections = self.0.borrow_mut();
        connections.retain(Connection::is_usable);
        let found = connections.iter().find(|connection| connection.has_free_stream());
        let found = found.or_else(|| connections.iter().find(|connection| connection.permits_no_stream()));
        found.cloned()
    }

    /// The connection with the fewest requests, for a request that waits there because no connection can be opened.
    pub(super) fn least_used(&self) -> Option<Connection> {
        let connections = self.0.borrow();
        let usable = connections.iter().filter(|connection| connection.is_usable());
        usable.min_by_key(|connection| connection.state.streams.get()).cloned()
    }

    /// Whether any connection has a free stream.
    pub(super) fn has_free_stream(&self) -> bool {
        self.0.borrow().iter().any(|connection| connection.is_usable() && connection.has_free_stream())
    }

    pub(super) fn add(&self, connection: Connection) {
        self.0.borrow_mut().push(connection);
    }

    /// Closes the connection that was idle for the longest time; false if there is none.
    pub(super) fn close_oldest(&self) -> bool {
        let mut connections = self.0.borrow_mut();
        let idle =
            connections.iter().enumerate().filter(|(_, connection)| connection.state.streams.get() == 0);
        let Some((oldest, _)) = idle.min_by_key(|(_, connection)| connection.state.idle_since.get()) else {
            return false;
        };
        drop(connections.swap_remove(oldest));
        true
    }

    /// Closes the connections that were idle for `limit`, and those that can no longer be used. Those to addresses that the origin's name no
    /// longer has are closed after their current requests.
    pub(super) fn close_expired(&self, limit: Duration, addresses: &Resolved) {
        self.0.borrow_mut().retain(|connection| {
            let state = &connection.state;
            if !addresses.contains(state.peer) {
                connection.retire();
            }
            let is_expired = state.streams.get() == 0 && state.idle_since.get().elapsed() >= limit;
            connection.is_usable() && !is_expired
        });
    }
}
