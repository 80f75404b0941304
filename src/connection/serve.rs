//! The requests of one connection: hyper above TLS, driven until the connection ends or is parked.

use std::{
    cell::{Cell, RefCell},
    error::Error,
    fmt,
    future::poll_fn,
    net::IpAddr,
    pin::{Pin, pin},
    rc::Rc,
    task::{Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::{HttpService, Service, service_fn},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::Instant;
use tower::Service as _;

use super::{
    Context,
    frames::Flood,
    lent::Lent,
    life::{Life, Next, are_empty_lines},
    phase::{Bodies, LINGER, NotServing, Overdue, ParkPermit, Protocol, Timeouts},
    serving::Serving,
    stream::ClientStream,
    streams::Streams,
    tracked::Tracked,
    turns::{Gate, Party, Turn},
    watched::{Framing, Watched},
};
use crate::{
    observe::{log::LineLimit, metrics::CloseReason},
    request::{BrokenOff, Connection, stack},
    site::{Limits, Site},
    text,
    timer::Timer,
};

/// Streams of one connection that the client may end with an error, whether their requests have begun or not.
const STREAM_ERRORS: usize = 200;
/// Streams that the client may reset before their requests begin.
const PENDING_RESETS: usize = 20;
/// The number of header fields that hyper parses over HTTP/1.1 if it is not set. If it is, hyper initializes a place per field before it
/// parses a head, which costs 2 % of a request. The service refuses what is beyond a lower limit.
const HYPERS_HEADERS: usize = 100;
/// Bytes of responses that hyper buffers for one stream.
const SEND_BUFFER: usize = 64 * 1024;

/// Limits the log lines about floods of frames.
static FLOODS: LineLimit = LineLimit::per_second();

/// Serves the requests of one connection.
pub(super) struct Server {
    connection: Rc<Connection>,
    pub(super) life: Rc<Life>,
    context: Context,
    /// To which its turns are counted.
    party: Party,
    /// The limits that were active when the connection was accepted.
    limits: Limits,
}

/// A parked connection.
pub(super) struct Parked {
    pub(super) stream: Box<ClientStream>,
    /// Bytes of a request head that is not complete.
    pub(super) read: Bytes,
}

/// How serving a connection ended.
pub(super) enum Outcome {
    Ended,
    Parked(Parked),
}

/// How driving hyper's connection ended.
enum Driven {
    Ended,
    Parked(ParkPermit),
}

impl Server {
    /// The address of the client: the TCP peer, or that of the PROXY header.
    pub(super) fn client_ip(&self) -> IpAddr {
        self.connection.address.ip
    }

    /// A server for a connection whose handshake is just complete.
    pub(super) fn new(
        (connection, life): (Rc<Connection>, Rc<Life>),
        protocol: Protocol,
        site: &Site,
        context: Context,
        party: Party,
    ) -> Self {
        let limits = site.limits.clone();
        let timeouts = Timeouts {
            head: limits.head_timeout,
            idle: limits.idle_timeout,
            stall: site.stall_timeout,
            request: limits.request_timeout,
        };
        life.established(protocol, timeouts);
        Self { connection, life, context, party, limits }
    }

    /// Counts a connection that is closed because it is idle.
    pub(super) fn count_idle(&self) {
        self.context.parts.metrics.connections_closed.increment(CloseReason::Idle);
    }

    /// Serves HTTP/1.1 until the connection ends or is parked. `read` was received before and is parsed first.
    pub(super) async fn http1(&self, stream: Box<ClientStream>, read: Bytes) -> Result<Outcome, String> {
        let gate = self.gate(&stream);
        let framing = Framing::default();
        let io = Watched::new(stream, Rc::clone(&self.life), framing.clone(), read);
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(self.limits.header_bytes);
        if self.limits.headers > HYPERS_HEADERS {
            builder.max_headers(self.limits.headers);
        }
        let mut connection = builder.serve_connection(TokioIo::new(io), self.service(Some(framing)));
        let shutdown = http1::Connection::graceful_shutdown;
        match self.drive(Pin::new(&mut connection), shutdown, gate).await? {
            Driven::Ended => Ok(Outcome::Ended),
            Driven::Parked(permit) => Ok(Outcome::Parked(take_apart(connection, permit))),
        }
    }

    /// Serves HTTP/2 until the connection ends.
    pub(super) async fn http2(&self, stream: Box<ClientStream>) -> Result<(), String> {
        let gate = self.gate(&stream);
        let io = Lent::new(stream, Rc::clone(&self.life));
        let driven = {
            let connection = http2::Builder::new(Streams::new(Rc::clone(&self.life)))
                .timer(TokioTimer::new())
                .max_concurrent_streams(self.limits.http2_streams)
                .max_header_list_size(u32::try_from(self.limits.header_bytes).unwrap_or(u32::MAX))
                .max_send_buf_size(SEND_BUFFER)
                .max_pending_accept_reset_streams(PENDING_RESETS)
                .max_local_error_reset_streams(STREAM_ERRORS)
                .serve_connection(TokioIo::new(io.clone()), self.service(None));
            self.drive(pin!(connection), http2::Connection::graceful_shutdown, gate).await
        };
        if io.is_flooded() {
            // Its requests have tasks of their own, which end after this.
            self.note_flood(&Flood);
        }
        if self.life.is_abandoning() || io.is_flooded() {
            let _ = tokio::time::timeout(LINGER, io.end_with_calm()).await;
        }
        driven.map(drop)
    }

    /// The service for hyper. Over HTTP/1.1, `framing` answers its stream's question about request bodies.
    fn service(
        &self,
        framing: Option<Framing>,
    ) -> impl Service<Request<Incoming>, Response = Response<Tracked>, Error = NotServing, Future = Serving>
    + Unpin
    + use<> {
        let (life, connection) = (Rc::clone(&self.life), Rc::clone(&self.connection));
        // Over HTTP/1.1 it is the connection that waits for the turn.
        let turns = framing.is_none().then(|| (Rc::clone(&self.context.turns), self.party));
        // Never borrowed twice: a call only makes the future.
        let stack = RefCell::new(stack(&self.connection, &self.context.site, &self.context.parts));
        service_fn(move |request: Request<Incoming>| {
            if let Some(framing) = &framing {
                framing.head_read(request.headers());
            }
            let in_flight = match life.begin() {
                Ok(in_flight) => in_flight,
                Err(error) => return Serving::new(Err(error), None),
            };
            let answer = stack.borrow_mut().call(request);
            if let Some(time) = answer.request_timeout() {
                in_flight.limit(time);
            }
            let turn = match &turns {
                Some((turns, party)) if !connection.is_authenticated() => {
                    Some(Turn::new(Rc::clone(turns), *party))
                }
                _ => None,
            };
            Serving::new(Ok((in_flight, answer)), turn)
        })
    }

    /// Delays the connection until its client has authenticated.
    fn gate(&self, stream: &ClientStream) -> Option<Gate> {
        let turn = || Turn::new(Rc::clone(&self.context.turns), self.party);
        (!self.connection.is_authenticated()).then(|| Gate::new(stream.readiness(), turn()))
    }

    /// Drives hyper's connection until it ends by itself, is closed (a refusal, a drain, a deadline), or is parked.
    /// The timer is set only when it has fired or must fire earlier, not for every request.
    async fn drive<C: Future<Output = hyper::Result<()>>>(
        &self,
        mut connection: Pin<&mut C>,
        graceful_shutdown: impl Fn(Pin<&mut C>),
        mut gate: Option<Gate>,
    ) -> Result<Driven, String> {
        let life = &*self.life;
        // Whether received bytes wait for their turn.
        let is_held = Cell::new(false);
        // They may be part of a body.
        let bodies = || {
            if is_held.get() || self.connection.is_receiving() { Bodies::Arriving } else { Bodies::Complete }
        };
        let sleep = pin!(tokio::time::sleep_until(life.deadline(bodies()).at));
        let mut timer = Timer::new(sleep);
        poll_fn(|cx| {
            loop {
                if let Some(strangers) = &mut gate {
                    if self.connection.is_authenticated() {
                        self.context.turns.remember(self.party);
                        gate = None;
                        is_held.set(false);
                    } else {
                        is_held.set(!strangers.is_open(cx));
                    }
                }
                if !is_held.get()
                    && let Poll::Ready(result) = connection.as_mut().poll(cx)
                {
                    return Poll::Ready(result.map(|()| Driven::Ended).map_err(|error| self.failed(&error)));
                }
                let deadline = match life.next(bodies(), !is_held.get(), cx) {
                    Next::Abandoning => {
                        let reason = "the client abandons most of its requests";
                        return self.drop_for(CloseReason::Abandoning, reason);
                    }
                    Next::EndIgnored => {
                        return self.drop_for(CloseReason::Stalled, "the client sends requests after GOAWAY");
                    }
                    Next::Announce => {
                        graceful_shutdown(connection.as_mut());
                        continue;
                    }
                    Next::Wait(deadline) => deadline,
                };
                if deadline.at < timer.deadline() {
                    timer.reset(deadline.at);
                }
                ready!(timer.poll(cx));
                if deadline.at > Instant::now() {
                    if deadline.then == Overdue::Park {
                        life.stayed_in_use();
                    }
                    timer.reset(life.deadline(bodies()).at);
                    continue;
                }
                match deadline.then {
                    Overdue::Park => {
                        if let Some(permit) = life.park(bodies()) {
                            return Poll::Ready(Ok(Driven::Parked(permit)));
                        }
                    }
                    Overdue::Idle => {
                        self.count_idle();
                        life.close();
                    }
                    Overdue::Left => life.close(),
                    Overdue::Stalled if life.has_progressed() => {
                        timer.reset(life.deadline(bodies()).at);
                    }
                    Overdue::Head | Overdue::Stalled => {
                        let reason = "timed out: no progress on request head, body or response";
                        return self.drop_for(CloseReason::Stalled, reason);
                    }
                    Overdue::Request => {
                        let broken_off = life.expire();
                        self.context.parts.metrics.responses_timed_out.add(broken_off);
                        if broken_off > 0 && life.protocol() == Protocol::Http1 {
                            let reason = "the response took longer than request_timeout";
                            return self.drop_for(CloseReason::RequestTimeout, reason);
                        }
                        timer.reset(life.deadline(bodies()).at);
                    }
                    Overdue::Unclosed => {
                        return Poll::Ready(Err("peer did not close after close_notify".to_owned()));
                    }
                }
            }
        })
        .await
    }

    /// Describes hyper's error, and counts a flood that h2 has ended.
    fn failed(&self, error: &hyper::Error) -> String {
        let h2 = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
        if h2.is_some_and(|error| {
            error.is_go_away() && error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM) && error.is_library()
        }) {
            self.note_flood(error);
        }
        error.to_string()
    }

    /// Counts and logs a connection that is closed because of a flood of HTTP/2 frames.
    fn note_flood(&self, what: &dyn fmt::Display) {
        self.break_off(CloseReason::Flood);
        if let Some(others) = FLOODS.others() {
            tracing::warn!(
                client_ip = %self.client_ip(),
                reason = text::shown(&what),
                others,
                help = "no usual client does this; deny of [listen] holds its address back",
                "connection closed: a flood of HTTP/2 frames"
            );
        }
    }

    /// Drops the connection at once.
    fn drop_for(&self, counted: CloseReason, reason: &str) -> Poll<Result<Driven, String>> {
        self.break_off(counted);
        Poll::Ready(Err(reason.to_owned()))
    }

    /// Counts a connection that is closed although it may have requests in flight, whose log lines say so.
    fn break_off(&self, counted: CloseReason) {
        self.context.parts.metrics.connections_closed.increment(counted);
        self.connection.mark_broken_off(BrokenOff::Counted(counted));
    }
}

/// Frees hyper's state and buffers of a parked connection.
fn take_apart<S>(
    connection: http1::Connection<TokioIo<Watched<Box<ClientStream>>>, S>,
    _: ParkPermit,
) -> Parked
where
    S: HttpService<Incoming, ResBody = Tracked>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let parts = connection.into_parts();
    let (stream, held) = parts.io.into_inner().into_parts();
    // Even an empty buffer would keep its allocation. Empty lines before a request are ignored.
    let read = match (are_empty_lines(&parts.read_buf), are_empty_lines(&held)) {
        (true, true) => Bytes::new(),
        (true, false) => held,
        (false, true) => parts.read_buf,
        (false, false) => [parts.read_buf, held].concat().into(),
    };
    Parked { stream, read }
}
