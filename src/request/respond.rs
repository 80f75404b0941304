//! The outermost service: turns refusals into responses, adds the request's id, writes the access log.

use std::{
    convert::Infallible,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderValue, Method, Request, Response, Version, header};
use http_body::Body;
use hyper::body::Incoming;
use tokio::time::Instant;
use tower::Service;

use super::{
    ClientIdentity, Connection, LocalFuture, Refusal,
    inbound::{Inbound, REQUEST_ID, Record},
    request_id,
};
use crate::{
    forward::{IncomingBody, ResponseBody},
    header::hop::remove_hop_by_hop,
    observe::{
        access::{self, Level, Value},
        log::sample,
        metrics::{Outcome, Recorder},
    },
    text::{SHORT, bounded},
};

/// A response, and its consequences for the connection.
pub struct Answer {
    /// The response.
    pub response: Response<ResponseBody>,
    /// Whether more of the request body may arrive, since the request was refused or answered early.
    pub is_body_unread: bool,
    /// Whether to close the connection once its requests in flight are answered.
    pub closes: bool,
}

/// Responds to every request, logs and counts it.
#[derive(Clone, Debug)]
pub struct Respond<S> {
    inner: S,
    metrics: Recorder,
    connection: Rc<Connection>,
}

impl<S> Respond<S> {
    pub(super) fn new(inner: S, metrics: Recorder, connection: Rc<Connection>) -> Self {
        Self { inner, metrics, connection }
    }
}

impl<S> Service<Request<Incoming>> for Respond<S>
where
    S: Service<Inbound, Response = Response<ResponseBody>, Error = Refusal>,
    S::Future: 'static,
{
    type Response = Answer;
    type Error = Infallible;
    type Future = LocalFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let started = Instant::now();
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let version = request.version();
        let authorization = request.headers().get(header::AUTHORIZATION).cloned();
        let trusted = self.connection.address.trusted_proxy;
        let inbound = trusted.then(|| request_id::inbound(request.headers())).flatten();
        let record = Rc::new(Record::new(inbound.unwrap_or_else(request_id::next)));
        let (head, incoming) = request.into_parts();
        let bytes_in = incoming.size_hint().exact();
        let (body, unread) = IncomingBody::new(incoming);
        let answer = self.inner.call(Inbound { head, body, record: Rc::clone(&record) });
        let (metrics, connection) = (InFlight::begin(self.metrics.clone()), Rc::clone(&self.connection));
        Box::pin(async move {
            let answer = answer.await;
            let durations = count(&metrics.0, &connection, &record, &answer, started);
            let reason =
                answer.as_ref().err().map(|refusal| (refusal.reason_code().value(), refusal.reason()));
            let is_body_unread;
            let mut closes = false;
            let mut response = match answer {
                Ok(mut response) => {
                    is_body_unread = connection.is_receiving();
                    remove_hop_by_hop(response.headers_mut());
                    *response.version_mut() = version;
                    response
                }
                Err(refusal) => {
                    // Over HTTP/1.1 clients read the response while they send, and reading the body would answer
                    // Expect: 100-continue.
                    if version == Version::HTTP_2 {
                        if refusal.may_read_body() {
                            // Boxed, since it would enlarge the future of every request.
                            Box::pin(unread.discard_before_refusal()).await;
                        }
                        unread.discard_after_refusal(connection.is_authenticated());
                    }
                    is_body_unread = true;
                    let mut response = refusal.response(authorization.as_ref(), &connection.server_name);
                    if method == Method::HEAD {
                        without_body(&mut response);
                    }
                    if refusal.closes(version) {
                        closes = true;
                        if version < Version::HTTP_2 {
                            response
                                .headers_mut()
                                .insert(header::CONNECTION, HeaderValue::from_static("close"));
                        }
                    }
                    response
                }
            };
            // Every id is different, so none should be added to HPACK's dynamic table (RFC 7541 section 7.1.3).
            let mut id = record.id.clone();
            id.set_sensitive(true);
            response.headers_mut().insert(REQUEST_ID, id);
            let level = if response.status().is_server_error() { Level::Warn } else { Level::Info };
            let is_success = reason.is_none() && response.status().as_u16() < 400;
            let (is_sampled, sampled) = if is_success { sample(record.id.as_bytes()) } else { (true, None) };
            if is_sampled && level.is_on() {
                let request = Line { method: &method, path: uri.path(), version, bytes_in, sampled };
                log(level, &connection, &record, &request, (&response, durations), reason.as_ref());
            }
            Ok(Answer { response, is_body_unread, closes })
        })
    }
}

/// A request whose response has not begun.
struct InFlight(Recorder);

impl InFlight {
    fn begin(metrics: Recorder) -> Self {
        metrics.requests_in_flight.begin();
        Self(metrics)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.requests_in_flight.end();
    }
}

/// How long a request took until the head of its response, and the upstream's part of that.
#[derive(Clone, Copy)]
struct Durations {
    whole: Duration,
    upstream: Option<Duration>,
}

/// Counts a request, and returns how long it took.
fn count(
    metrics: &Recorder,
    connection: &Connection,
    record: &Record,
    answer: &Result<Response<ResponseBody>, Refusal>,
    started: Instant,
) -> Durations {
    let now = Instant::now();
    let duration = now.saturating_duration_since(started);
    let upstream = record.sent_at.get().map(|at| now.saturating_duration_since(at));
    let (outcome, status) = match answer {
        Ok(response) => (Outcome::Forwarded, response.status()),
        Err(refusal) => {
            metrics.refusals.increment(refusal.reason_code());
            (refusal.outcome(), refusal.status())
        }
    };
    metrics.requests.increment(outcome);
    let status = status.as_u16();
    match record.series.get() {
        Some(series) => metrics.traffic().count(series, status, duration, upstream),
        None => metrics.traffic().count_without_route(&connection.server_name, status, duration),
    }
    Durations { whole: duration, upstream }
}

/// Removes the body for HEAD but keeps its length. hyper does so over HTTP/1.1 only.
fn without_body(response: &mut Response<ResponseBody>) {
    let length = response.body().size_hint().exact();
    *response.body_mut() = ResponseBody::from_edge(String::new());
    if let Some(length) = length {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
}

/// What the access log shows of a request's own head.
struct Line<'a> {
    method: &'a Method,
    path: &'a str,
    version: Version,
    /// The length of the body, if its head declares it.
    bytes_in: Option<u64>,
    /// The share of successes that is logged, if it is one of them.
    sampled: Option<&'static str>,
}

/// Writes one line per request, with the full reason of a refusal. `docs/log.md` documents the fields.
fn log(
    level: Level,
    connection: &Connection,
    record: &Record,
    request: &Line<'_>,
    (response, durations): (&Response<ResponseBody>, Durations),
    reason: Option<&(&'static str, String)>,
) {
    let (claimed, authenticated) = (record.client_id.borrow(), record.authenticated.borrow());
    let client = authenticated.as_ref().map(|(application, _)| &application.client_id).or(claimed.as_ref());
    let credential =
        authenticated.as_ref().and_then(|(application, index)| application.credential_at((*index)?));
    let checked = record.checked.borrow();
    let contradicted = checked.as_ref().and_then(|checked| checked.contradicted.as_deref());
    let only_outside = checked.as_ref().and_then(|checked| checked.only_outside.as_deref());
    let routed = record.routed.get();
    let upstream = routed.filter(|_| durations.upstream.is_some()).map(|(domain, _)| &domain.target);
    let origin = upstream.zip(record.origin.get()).and_then(|(target, index)| target.origin_url(index));
    let microseconds =
        |duration: Duration| Value::Number(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    access::write(
        level,
        &[
            ("request_id", record.id.to_str().ok().map(Value::Token)),
            ("method", Some(Value::Token(&bounded(request.method.as_str(), SHORT)))),
            ("path", Some(Value::Text(request.path))),
            ("protocol", Some(Value::Token(protocol(request.version)))),
            ("status", Some(Value::Number(response.status().as_u16().into()))),
            ("microseconds", Some(microseconds(durations.whole))),
            ("client_id", client.map(|id| Value::Text(id.as_str()))),
            ("credential", credential.map(|credential| Value::Word(credential.name))),
            ("code", reason.map(|(code, _)| Value::Token(code))),
            ("reason", reason.map(|(_, reason)| Value::Text(reason))),
            ("route", routed.map(|(_, route)| Value::Word(route.path()))),
            ("upstream", upstream.map(|target| Value::Word(&target.spec.name))),
            ("origin", origin.map(Value::Word)),
            ("upstream_microseconds", durations.upstream.map(microseconds)),
            ("bytes_in", request.bytes_in.map(Value::Number)),
            ("bytes_out", response.body().size_hint().exact().map(Value::Number)),
            ("authorization_request", checked.as_ref().map(|checked| Value::Token(checked.outcome))),
            ("contradicted", contradicted.map(Value::Word)),
            ("only_outside", only_outside.map(Value::Word)),
            ("sampled", request.sampled.map(Value::Decimal)),
        ],
        [Some(connection.log_fields()), connection.identity.as_deref().and_then(ClientIdentity::log_fields)],
    );
}

/// The version as clients and other servers write it.
const fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}
