//! The requests of one connection: hyper above TLS, driven to its end or to a rest.

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    future::poll_fn,
    pin::{Pin, pin},
    rc::Rc,
    task::{Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::{Service, service_fn},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::Instant;
use tower::Service as _;

use super::{
    Context, Slot,
    activity::{Activity, LINGER, Overdue, Tracked, Watched, are_empty_lines},
    lent::Lent,
    stream::Lingering,
    turns::{Gate, Party, Turn},
};
use crate::{
    observe::metrics::CloseReason,
    request::{Connection, stack},
    site::Limits,
    site::Site,
};

/// Streams of one connection that may end with an error of the client's, whether their requests began or not.
const STREAM_ERRORS: usize = 200;

/// What is needed to serve the requests of a connection.
pub(super) struct Requests {
    connection: Rc<Connection>,
    context: Context,
    /// Whose turns are waited for.
    party: Party,
    /// Those in force when it was accepted.
    pub(super) limits: Limits,
    stall: Duration,
}

/// How a phase of requests ended.
pub(super) enum Ended {
    /// The connection is over.
    Over,
    /// There was no request for a moment.
    Resting {
        tls: Box<Lingering>,
        /// What was read and belongs to a request that is not whole yet.
        read: Bytes,
        /// Since when there is no request.
        since: Instant,
    },
}

impl Requests {
    pub(super) fn new(connection: Rc<Connection>, site: &Site, context: Context, party: Party) -> Self {
        Self { connection, context, party, limits: site.limits.clone(), stall: stall(site) }
    }

    /// Counts a connection that is closed since it was idle.
    pub(super) fn idled(&self) {
        self.context.parts.metrics.connections_closed.increment(CloseReason::Idle);
    }

    /// Waits until the connection is to be closed.
    pub(super) async fn is_to_close(&self) {
        poll_fn(|cx| if self.connection.is_closing(cx) { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    /// Serves HTTP/1.1 until the connection ends or has nothing to do. `read` is what was read before; there was no request since
    /// `idle`.
    pub(super) async fn http1(
        &self,
        tls: Box<Lingering>,
        read: Bytes,
        idle: Instant,
        slot: &impl Slot,
    ) -> Result<Ended, String> {
        let activity = Activity::idle(idle);
        slot.serving(&activity);
        let gate = self.gate(&tls);
        let io = Watched::new(tls, Rc::clone(&activity), read);
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_headers(self.limits.headers)
            .max_buf_size(self.limits.header_bytes)
            .serve_connection(TokioIo::new(io), self.service(&activity, false));
        let shutdown = http1::Connection::graceful_shutdown;
        let rests = self.drive(Pin::new(&mut connection), shutdown, &activity, gate, true).await?;
        if !rests {
            return Ok(Ended::Over);
        }
        let parts = connection.into_parts();
        let (tls, held) = parts.io.into_inner().into_parts();
        Ok(Ended::Resting {
            tls,
            // Even an empty one would keep its allocation. Empty lines are no request's.
            read: match (are_empty_lines(&parts.read_buf), are_empty_lines(&held)) {
                (true, true) => Bytes::new(),
                (true, false) => held,
                (false, true) => parts.read_buf,
                (false, false) => [parts.read_buf, held].concat().into(),
            },
            since: activity.idle_since(),
        })
    }

    /// Serves HTTP/2 until the connection ends.
    pub(super) async fn http2(&self, tls: Box<Lingering>, slot: &impl Slot) -> Result<(), String> {
        let activity = Activity::idle(Instant::now());
        slot.serving(&activity);
        let gate = self.gate(&tls);
        let io = Lent::new(tls);
        let driven = {
            let connection = http2::Builder::new(crate::forward::LocalExecutor)
                .timer(TokioTimer::new())
                .max_concurrent_streams(self.limits.http2_streams)
                .max_header_list_size(u32::try_from(self.limits.header_bytes).unwrap_or(u32::MAX))
                .max_send_buf_size(64 * 1024)
                .max_local_error_reset_streams(STREAM_ERRORS)
                .serve_connection(TokioIo::new(io.clone()), self.service(&activity, true));
            self.drive(pin!(connection), http2::Connection::graceful_shutdown, &activity, gate, false).await
        };
        if activity.is_abandoning() {
            let _ = tokio::time::timeout(LINGER, io.calm()).await;
        }
        driven.map(drop)
    }

    fn service(
        &self,
        activity: &Rc<Activity>,
        is_http2: bool,
    ) -> impl Service<Request<Incoming>, Response = Response<Tracked>, Error = Infallible, Future: 'static>
    + Unpin
    + use<> {
        let activity = Rc::clone(activity);
        // Over HTTP/1.1 it is the connection that waits for the turn.
        let turns =
            is_http2.then(|| (Rc::clone(&self.connection), Rc::clone(&self.context.turns), self.party));
        // A call ends before the next one begins: it only makes the future.
        let stack = RefCell::new(stack(&self.connection, &self.context.site, &self.context.parts));
        service_fn(move |request| {
            activity.begins(request.headers());
            let in_flight = activity.start();
            let answer = stack.borrow_mut().call(request);
            let turn = match &turns {
                Some((connection, turns, party)) if !connection.is_proved() => {
                    Some(Turn::new(Rc::clone(turns), *party))
                }
                _ => None,
            };
            async move {
                if let Some(mut turn) = turn {
                    poll_fn(|cx| turn.poll(cx)).await;
                }
                let response = answer.await?;
                Ok(response.map(|body| Tracked::new(body, in_flight)))
            }
        })
    }

    /// What holds the connection back until it has proved itself.
    fn gate(&self, tls: &Lingering) -> Option<Gate> {
        let turn = || Turn::new(Rc::clone(&self.context.turns), self.party);
        (!self.connection.is_proved()).then(|| Gate::new(tls.arrivals(), turn()))
    }

    /// Drives a connection to its end: by itself, by a refusal or a drain that closes it, or when its time is up. Whether it
    /// rests instead, where it may.
    /// The timer is armed anew only when it goes off or must go off earlier, not for every request.
    async fn drive<C: Future<Output = hyper::Result<()>>>(
        &self,
        mut connection: Pin<&mut C>,
        graceful_shutdown: impl Fn(Pin<&mut C>),
        activity: &Activity,
        mut gate: Option<Gate>,
        rests: bool,
    ) -> Result<bool, String> {
        // Whether what has come waits for its turn.
        let is_held = Cell::new(false);
        let due = |closing: Option<Closing>| {
            // The rest of a body would be read as a request.
            let rests = rests && !is_held.get() && !self.connection.is_receiving();
            activity.due(&self.limits, self.stall, closing.map(|closing| closing.since), rests)
        };
        let mut timer = pin!(tokio::time::sleep_until(due(None).0));
        let mut closing: Option<Closing> = None;
        poll_fn(|cx| {
            loop {
                if let Some(strangers) = &mut gate {
                    if self.connection.is_proved() {
                        self.context.turns.knows(self.party);
                        gate = None;
                        is_held.set(false);
                    } else {
                        is_held.set(!strangers.is_open(cx));
                    }
                }
                if !is_held.get()
                    && let Poll::Ready(result) = connection.as_mut().poll(cx)
                {
                    return Poll::Ready(result.map(|()| false).map_err(|error| error.to_string()));
                }
                if activity.is_abandoning() {
                    self.context.parts.metrics.connections_closed.increment(CloseReason::Abandoning);
                    return Poll::Ready(Err("the client gave up most of its requests".to_owned()));
                }
                if closing.is_some_and(|closing| closing.is_ignored(activity)) {
                    self.context.parts.metrics.connections_closed.increment(CloseReason::Stalled);
                    return Poll::Ready(Err("the client sends requests after GOAWAY".to_owned()));
                }
                if closing.is_none() && self.connection.is_closing(cx) {
                    closing = Some(Closing::now(activity));
                    graceful_shutdown(connection.as_mut());
                    continue;
                }
                let (at, overdue) = due(closing);
                if at < timer.deadline() {
                    timer.as_mut().reset(at);
                }
                ready!(timer.as_mut().poll(cx));
                if at > Instant::now() {
                    if overdue == Overdue::Resting {
                        activity.could_not_rest();
                    }
                    timer.as_mut().reset(due(closing).0);
                    continue;
                }
                if overdue == Overdue::Stuck && activity.progressed() {
                    timer.as_mut().reset(due(closing).0);
                    continue;
                }
                match overdue {
                    Overdue::Resting => return Poll::Ready(Ok(true)),
                    Overdue::Idle => {
                        self.context.parts.metrics.connections_closed.increment(CloseReason::Idle);
                        closing = Some(Closing::now(activity));
                        graceful_shutdown(connection.as_mut());
                    }
                    Overdue::Stuck => {
                        self.context.parts.metrics.connections_closed.increment(CloseReason::Stalled);
                        return Poll::Ready(Err("a head or body did not get on".to_owned()));
                    }
                    Overdue::Lingering => {
                        return Poll::Ready(Err("the peer kept it open after its end".to_owned()));
                    }
                }
            }
        })
        .await
    }
}

/// Since when a connection is closed politely, and how many requests it had then.
#[derive(Clone, Copy, Debug)]
struct Closing {
    since: Instant,
    requests: u32,
}

impl Closing {
    fn now(activity: &Activity) -> Self {
        Self { since: Instant::now(), requests: activity.requests() }
    }

    /// Whether the client sends requests although it has had the time to read that there are to be none. Over HTTP/2 they are
    /// served until it acknowledges that, which it need not do (RFC 9113 section 6.8).
    fn is_ignored(&self, activity: &Activity) -> bool {
        self.requests != activity.requests() && self.since.elapsed() >= LINGER
    }
}

/// How long requests in flight may make no progress: beyond all that may be waited for by the rules.
fn stall(site: &Site) -> Duration {
    let upstream = site
        .domains
        .values()
        .map(|domain| domain.target.limits.response_timeout + domain.target.limits.connect_timeout * 4);
    site.limits.body_timeout + upstream.max().unwrap_or_default() + Duration::from_secs(10)
}
