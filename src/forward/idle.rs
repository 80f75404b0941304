//! Hands the ready connections of one origin to requests, and queues requests while there is none.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    time::Duration,
};

use hyper::client::conn::http2::SendRequest;
use tokio::{
    sync::{Mutex, oneshot},
    task::yield_now,
    time::Instant,
};

use super::{RequestBody, http2::Connection, in_flight::Caller, pooled::PooledHttp1, resolved::Resolved};

/// The most idle HTTP/1.1 connections per origin and worker.
const MAX_IDLE: usize = 512;

/// A connection, or a stream of one, that can carry a request.
pub(super) enum Sender {
    Http1(Box<PooledHttp1>),
    Http2(Stream),
}

/// What a waiting request is given: a connection, or why none could be opened, as a sentence for the log.
type Handover = Result<Sender, String>;

/// An idle connection, and since when it is idle.
type IdleEntry = (Box<PooledHttp1>, Instant);

/// The idle HTTP/1.1 connections and the waiting requests of one origin.
#[derive(Clone, Default)]
pub(super) struct Idle(Rc<Inner>);

#[derive(Default)]
struct Inner {
    entries: RefCell<Vec<IdleEntry>>,
    /// The queues of authenticated and of anonymous requests. The first is served before the second.
    queues: [Queue; 2],
    /// Held while a connection is closed.
    discarding: Mutex<()>,
}

/// Waiting requests, and the connections that are being opened for them.
#[derive(Default)]
struct Queue {
    /// In the order of arrival; cancelled ones among them.
    waiting: RefCell<VecDeque<oneshot::Sender<Handover>>>,
    /// How many connections are being opened.
    opening: Cell<usize>,
}

impl Queue {
    /// How many requests wait. Removes the cancelled ones.
    fn remove_cancelled_and_count(&self) -> usize {
        let mut waiting = self.waiting.borrow_mut();
        waiting.retain(|waiting| !waiting.is_closed());
        waiting.len()
    }
}

impl Idle {
    /// Returns a connection after its response was read. It is handed to a waiting request, kept idle, or closed if it cannot be reused.
    pub(super) fn release(&self, mut connection: Box<PooledHttp1>) {
        connection.in_flight = None;
        connection.is_used = true;
        if !connection.http1.reset_for_reuse() {
            connection.http1.close();
        } else if self.has_waiting() {
            self.hand_over(Ok(Sender::Http1(connection)));
        } else {
            self.push(connection);
        }
    }

    /// Gives a connection, or an error, to the request that has waited longest, and further streams of an HTTP/2 connection to the
    /// next ones. An HTTP/1.1 connection is kept idle if no request waits.
    pub(super) fn hand_over(&self, mut handover: Handover) {
        while let Some(waiting) = self.next_waiting() {
            let next = if let Ok(Sender::Http2(stream)) = &handover { stream.another() } else { None };
            match (waiting.send(handover), next) {
                (Ok(()), None) => return,
                (Ok(()), Some(next)) => handover = Ok(Sender::Http2(next)),
                // Err: the request was cancelled.
                (Err(unsent), _) => handover = unsent,
            }
        }
        if let Ok(Sender::Http1(connection)) = handover {
            self.push(connection);
        }
    }

    /// Reserves a stream of an HTTP/2 connection for one request.
    pub(super) fn stream(&self, connection: Connection) -> Stream {
        connection.add_stream();
        Stream { connection, idle: self.clone() }
    }

    /// Gives this error to all waiting requests.
    pub(super) fn fail_waiting(&self, reason: &str) {
        while let Some(waiting) = self.next_waiting() {
            // Err: the request was cancelled.
            let _ = waiting.send(Err(reason.to_owned()));
        }
    }

    /// Whether any request waits.
    pub(super) fn has_waiting(&self) -> bool {
        self.0.queues.iter().any(|queue| !queue.waiting.borrow().is_empty())
    }

    /// Keeps a connection idle, or closes it if there are too many, or its origin permits no idle time.
    fn push(&self, connection: Box<PooledHttp1>) {
        let mut entries = self.0.entries.borrow_mut();
        let is_expired = connection.http1.idle_limit().is_some_and(|limit| limit.is_zero());
        if entries.len() < MAX_IDLE && !is_expired {
            entries.push((connection, Instant::now()));
        } else {
            connection.http1.close();
        }
    }

    fn next_waiting(&self) -> Option<oneshot::Sender<Handover>> {
        self.0.queues.iter().find_map(|queue| queue.waiting.borrow_mut().pop_front())
    }

    fn queue(&self, caller: Caller) -> &Queue {
        let [authenticated, anonymous] = &self.0.queues;
        match caller {
            Caller::Authenticated => authenticated,
            Caller::Anonymous => anonymous,
        }
    }

    /// Closes a connection after a timeout. Requests that were cancelled together time out together, so other tasks get to run
    /// between two closes.
    pub(super) async fn discard(&self, connection: Box<PooledHttp1>) {
        let _turn = self.0.discarding.lock().await;
        drop(connection);
        yield_now().await;
    }

    /// The most recently used connection that is still open.
    pub(super) fn acquire(&self) -> Option<Box<PooledHttp1>> {
        let mut entries = self.0.entries.borrow_mut();
        while let Some((mut connection, since)) = entries.pop() {
            // The clock is read only if the origin has stated a limit.
            let is_expired = connection.http1.idle_limit().is_some_and(|limit| since.elapsed() >= limit);
            if !is_expired && connection.http1.is_open() {
                return Some(connection);
            }
            connection.http1.close();
        }
        None
    }

    /// Adds a request to the queue.
    pub(super) fn enqueue(&self, caller: Caller) -> Waiter {
        let (sender, handover) = oneshot::channel();
        self.queue(caller).waiting.borrow_mut().push_back(sender);
        Waiter { idle: self.clone(), handover }
    }

    /// Whether more requests of this kind wait than the connections being opened will carry, at `requests_each`.
    pub(super) fn needs_another(&self, caller: Caller, requests_each: usize) -> bool {
        let queue = self.queue(caller);
        queue.opening.get().saturating_mul(requests_each) < queue.remove_cancelled_and_count()
    }

    /// Whether more connections are being opened than requests of this kind wait.
    pub(super) fn has_surplus(&self, caller: Caller) -> bool {
        let queue = self.queue(caller);
        queue.opening.get() > queue.remove_cancelled_and_count()
    }

    /// Counts a connection as being opened until the guard is dropped.
    pub(super) fn begin_opening(&self, caller: Caller) -> Opening {
        let opening = &self.queue(caller).opening;
        opening.set(opening.get() + 1);
        Opening { idle: self.clone(), caller }
    }

    /// Closes the least recently used connection; false if there is none.
    pub(super) fn close_oldest(&self) -> bool {
        let mut entries = self.0.entries.borrow_mut();
        if entries.is_empty() {
            return false;
        }
        drop(entries.remove(0));
        true
    }

    /// Closes the connections that were idle for `limit` or for the limit that their origin stated, those that the origin has closed, and those
    /// to addresses that its name no longer has.
    pub(super) fn close_expired(&self, limit: Duration, addresses: &Resolved) {
        let is_expired = |(connection, since): &mut IdleEntry| {
            let limit = connection.http1.idle_limit().map_or(limit, |stated| stated.min(limit));
            let is_gone = !addresses.contains(connection.peer);
            is_gone || since.elapsed() >= limit || !connection.http1.is_open()
        };
        for (connection, _) in self.0.entries.borrow_mut().extract_if(.., is_expired) {
            connection.http1.close();
        }
    }
}

/// A stream of an HTTP/2 connection, reserved for one request until its response ends. The next waiting request gets it then.
pub(super) struct Stream {
    connection: Connection,
    idle: Idle,
}

impl Stream {
    /// hyper's handle that sends the request.
    pub(super) const fn sender(&mut self) -> &mut SendRequest<RequestBody> {
        self.connection.sender()
    }

    /// Sends no new requests on this connection. It is closed after the last of its current ones.
    pub(super) fn retire(&self) {
        self.connection.retire();
    }

    /// Reserves another stream of the same connection, if it takes one more.
    fn another(&self) -> Option<Self> {
        self.connection.takes_another().then(|| self.idle.stream(self.connection.clone()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.connection.remove_stream();
        if self.idle.has_waiting()
            && let Some(next) = self.another()
        {
            self.idle.hand_over(Ok(Sender::Http2(next)));
        }
    }
}

/// Counts a connection that is being opened.
pub(super) struct Opening {
    idle: Idle,
    caller: Caller,
}

impl Drop for Opening {
    fn drop(&mut self) {
        let opening = &self.idle.queue(self.caller).opening;
        opening.set(opening.get().saturating_sub(1));
    }
}

/// A waiting request. If it is cancelled after a connection was handed to it, the next one gets that.
pub(super) struct Waiter {
    idle: Idle,
    handover: oneshot::Receiver<Handover>,
}

impl Waiter {
    /// Waits for the connection.
    pub(super) async fn handover(mut self) -> Handover {
        (&mut self.handover).await.unwrap_or_else(|_| Err("opening the connection was abandoned".to_owned()))
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.handover.close();
        if let Ok(Ok(sender)) = self.handover.try_recv() {
            self.idle.hand_over(Ok(sender));
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::{
        io::{AsyncReadExt, DuplexStream, duplex},
        runtime::LocalOptions,
    };

    use super::*;
    use crate::forward::pooled::{Http1, timer};

    fn connection() -> (Box<PooledHttp1>, DuplexStream) {
        let (near, far) = duplex(1);
        let (http1, timer) = (Http1::new(Box::new(near)), timer(Duration::from_secs(60)));
        (Box::new(PooledHttp1 { http1, timer, is_used: true, in_flight: None, peer: None }), far)
    }

    #[test]
    fn other_tasks_run_between_two_closes() {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build_local(LocalOptions::default()).unwrap();
        runtime.block_on(async {
            let idle = Idle::default();
            let mut far = Vec::new();
            for _ in 0..3 {
                let (near, end) = connection();
                far.push(end);
                let idle = idle.clone();
                tokio::task::spawn_local(async move { idle.discard(near).await });
            }
            for closed in 1..=far.len() {
                yield_now().await;
                let count = far.iter_mut().filter_map(|far| far.read(&mut [0]).now_or_never()).count();
                assert_eq!(count, closed);
            }
        });
    }
}
