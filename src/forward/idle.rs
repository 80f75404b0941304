//! Connections to one origin that are ready for a request, and the requests that wait for one.

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

use super::{RequestBody, http2::Connection, in_use::Caller, pooled::Kept};

/// Unused connections kept for one origin.
const BOUND: usize = 512;

/// A connection that can carry a request.
pub(super) enum Sender {
    /// One request at a time.
    Http1(Kept),
    /// Many at once.
    Http2(Stream),
}

/// A connection that can carry a request, or a sentence for the log on why there is none.
type Opened = Result<Sender, String>;

/// A connection, and since when it is unused.
type Unused = (Kept, Instant);

/// Those of one origin.
#[derive(Clone, Default)]
pub(super) struct Idle(Rc<Inner>);

#[derive(Default)]
struct Inner {
    unused: RefCell<Vec<Unused>>,
    /// Of requests of applications, which come first, and of anybody's.
    lines: [Line; 2],
    /// Held by who closes a connection.
    discarding: Mutex<()>,
}

/// Requests that wait, and what is done for them.
#[derive(Default)]
struct Line {
    /// In the order in which they came; some of them may have been given up.
    waiting: RefCell<VecDeque<oneshot::Sender<Opened>>>,
    /// Connections that are being opened.
    opening: Cell<usize>,
}

impl Line {
    /// How many wait.
    fn count(&self) -> usize {
        let mut waiting = self.waiting.borrow_mut();
        waiting.retain(|waiting| !waiting.is_closed());
        waiting.len()
    }
}

impl Idle {
    /// Gives a connection back once its response was read.
    pub(super) fn put(&self, mut connection: Kept) {
        connection.in_use = None;
        connection.is_used = true;
        if !connection.http1.reset_for_reuse() {
            connection.http1.close();
        } else if self.is_awaited() {
            self.hand(Ok(Sender::Http1(connection)));
        } else {
            self.keep(connection);
        }
    }

    /// Gives this to the request that has waited longest, and the same connection to more of them where it has room. One of HTTP/1.1
    /// for which nobody waits is kept.
    pub(super) fn hand(&self, mut opened: Opened) {
        while let Some(waiting) = self.first() {
            let next = if let Ok(Sender::Http2(stream)) = &opened { stream.another() } else { None };
            match (waiting.send(opened), next) {
                (Ok(()), None) => return,
                (Ok(()), Some(next)) => opened = Ok(Sender::Http2(next)),
                // It was given up.
                (Err(unsent), _) => opened = unsent,
            }
        }
        if let Ok(Sender::Http1(connection)) = opened {
            self.keep(connection);
        }
    }

    /// One more request on an HTTP/2 connection.
    pub(super) fn stream(&self, connection: Connection) -> Stream {
        connection.begin();
        Stream { connection, idle: self.clone() }
    }

    /// All that wait learn that there is no connection.
    pub(super) fn fail(&self, reason: &str) {
        while let Some(waiting) = self.first() {
            // Err: it was given up.
            let _ = waiting.send(Err(reason.to_owned()));
        }
    }

    /// Whether any request waits.
    pub(super) fn is_awaited(&self) -> bool {
        self.0.lines.iter().any(|line| !line.waiting.borrow().is_empty())
    }

    /// For a request that is yet to come.
    fn keep(&self, connection: Kept) {
        let mut unused = self.0.unused.borrow_mut();
        let is_over = connection.http1.idle_limit().is_some_and(|limit| limit.is_zero());
        if unused.len() < BOUND && !is_over {
            unused.push((connection, Instant::now()));
        } else {
            connection.http1.close();
        }
    }

    fn first(&self) -> Option<oneshot::Sender<Opened>> {
        self.0.lines.iter().find_map(|line| line.waiting.borrow_mut().pop_front())
    }

    fn line(&self, caller: Caller) -> &Line {
        let [authenticated, anonymous] = &self.0.lines;
        match caller {
            Caller::Authenticated => authenticated,
            Caller::Anonymous => anonymous,
        }
    }

    /// Closes a connection of which nothing more is expected. Requests that were given up together time out together: other tasks
    /// run between two of them.
    pub(super) async fn discard(&self, connection: Kept) {
        let _turn = self.0.discarding.lock().await;
        drop(connection);
        yield_now().await;
    }

    /// The connection used last that can be used again.
    pub(super) fn take(&self) -> Option<Kept> {
        let mut unused = self.0.unused.borrow_mut();
        while let Some((mut connection, since)) = unused.pop() {
            // The clock is read only where the origin has named a time.
            let is_over = connection.http1.idle_limit().is_some_and(|limit| since.elapsed() >= limit);
            if !is_over && connection.http1.is_open() {
                return Some(connection);
            }
            connection.http1.close();
        }
        None
    }

    /// Waits in line for whatever is handed over next.
    pub(super) fn wait(&self, caller: Caller) -> Waiter {
        let (sender, opened) = oneshot::channel();
        self.line(caller).waiting.borrow_mut().push_back(sender);
        Waiter { idle: self.clone(), opened }
    }

    /// Whether more requests of such callers wait than the connections that are being opened for them can carry, so many each.
    pub(super) fn is_short(&self, caller: Caller, each: usize) -> bool {
        let line = self.line(caller);
        line.opening.get().saturating_mul(each) < line.count()
    }

    /// Whether more connections are being opened for such callers than requests of theirs wait.
    pub(super) fn has_surplus(&self, caller: Caller) -> bool {
        let line = self.line(caller);
        line.opening.get() > line.count()
    }

    /// Counts a connection that is being opened for such a caller, until the guard is dropped.
    pub(super) fn opens(&self, caller: Caller) -> Opening {
        let opening = &self.line(caller).opening;
        opening.set(opening.get() + 1);
        Opening { idle: self.clone(), caller }
    }

    /// Closes the connection that was not used for longest; false if there is none.
    pub(super) fn drop_oldest(&self) -> bool {
        let mut unused = self.0.unused.borrow_mut();
        if unused.is_empty() {
            return false;
        }
        drop(unused.remove(0));
        true
    }

    /// Closes those that were unused for so long, or for as long as their origin keeps them, or that the origin has closed.
    pub(super) fn drop_older_than(&self, limit: Duration) {
        let is_over = |(connection, since): &mut Unused| {
            let limit = connection.http1.idle_limit().map_or(limit, |origins| origins.min(limit));
            since.elapsed() >= limit || !connection.http1.is_open()
        };
        for (connection, _) in self.0.unused.borrow_mut().extract_if(.., is_over) {
            connection.http1.close();
        }
    }
}

/// A request's share of an HTTP/2 connection, until its response is over. The next request that waits gets it then.
pub(super) struct Stream {
    connection: Connection,
    idle: Idle,
}

impl Stream {
    /// What sends the request.
    pub(super) const fn sender(&mut self) -> &mut SendRequest<RequestBody> {
        self.connection.sender()
    }

    /// Keeps new requests from this connection. Those that it carries go on, and it is closed after the last one.
    pub(super) fn retire(&self) {
        self.connection.retire();
    }

    /// One more of the same connection, if it has room.
    fn another(&self) -> Option<Self> {
        self.connection.takes_another().then(|| self.idle.stream(self.connection.clone()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.connection.end();
        if self.idle.is_awaited()
            && let Some(next) = self.another()
        {
            self.idle.hand(Ok(Sender::Http2(next)));
        }
    }
}

/// A connection that is being opened.
pub(super) struct Opening {
    idle: Idle,
    caller: Caller,
}

impl Drop for Opening {
    fn drop(&mut self) {
        let opening = &self.idle.line(self.caller).opening;
        opening.set(opening.get().saturating_sub(1));
    }
}

/// A request's place in the line. What it was handed and has not taken goes to the next one.
pub(super) struct Waiter {
    idle: Idle,
    opened: oneshot::Receiver<Opened>,
}

impl Waiter {
    /// What it is handed.
    pub(super) async fn opened(mut self) -> Opened {
        (&mut self.opened).await.unwrap_or_else(|_| Err("the connection was given up".to_owned()))
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.opened.close();
        if let Ok(Ok(sender)) = self.opened.try_recv() {
            self.idle.hand(Ok(sender));
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

    fn connection() -> (Kept, DuplexStream) {
        let (near, far) = duplex(1);
        let http1 = Box::new(Http1::new(Box::new(near)));
        (Kept { http1, timer: timer(Duration::from_secs(60)), is_used: true, in_use: None }, far)
    }

    #[test]
    fn other_tasks_run_between_two_connections_that_are_closed() {
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
