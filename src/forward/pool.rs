//! The connection pool of one worker to one upstream: balancing, retries and the response timeout.

use std::{
    future::poll_fn,
    rc::Rc,
    sync::Arc,
    task::{Poll, ready},
};

use http::{Request, Response, StatusCode};
use tokio::time::Instant;

use super::{
    ForwardError, RequestBody, ResponseBody, Target, Tried,
    absolute_form::AbsoluteForm,
    balance::Balancer,
    body::{Progress, State},
    failure::is_gateway_error,
    fault::{explained, of_hyper},
    http2::DETECTION_TIME,
    idle::{Sender, Stream},
    in_flight::{Caller, InFlightGuard},
    lease::Lease,
    origin::{NotConnected, OriginPool, WorkerResources},
    pooled::{PooledHttp1, Timer, timer},
    response::UsedStream,
};
use crate::{
    h1::{self, Field},
    text,
};

/// How often an unprocessed request is retried, besides one attempt per origin.
const RETRIES: usize = 3;

/// The pool of one upstream.
#[derive(Debug)]
pub(super) struct Pool {
    target: Arc<Target>,
    origins: Vec<Rc<OriginPool>>,
    balancer: Balancer,
}

/// The outcome of sending a request on one connection.
enum Attempt {
    Response(Response<ResponseBody>),
    /// The origin has not processed the request, for this reason: it can be sent again.
    Retryable(String),
}

impl Pool {
    /// No connections yet.
    pub(super) fn new(target: &Arc<Target>) -> Self {
        let origins = target.spec.origins.iter().cloned().zip(target.health.0.iter().cloned());
        let origins = origins.map(|(origin, health)| OriginPool::new(origin, health));
        Self { target: Arc::clone(target), origins: origins.collect(), balancer: Balancer::default() }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    pub(super) fn origins(&self) -> &[Rc<OriginPool>] {
        &self.origins
    }

    /// Sends a request to the first origin that accepts it. Takes both `request` and `in_flight`, and notes in `record`
    /// what it did.
    pub(super) async fn send(
        &self,
        worker: &impl WorkerResources,
        (request, mut field): (&mut Option<Request<RequestBody>>, Option<Field<'_>>),
        in_flight: &mut Option<InFlightGuard>,
        caller: Caller,
        record: &Tried,
    ) -> Result<Response<ResponseBody>, ForwardError> {
        let mut retries = RETRIES;
        let mut failed = None;
        let mut tried = Vec::new();
        while let Some((index, origin)) = self.choose(&tried) {
            record.set_last(index);
            if failed.is_some() {
                self.resend(record);
            }
            if let Some(in_flight) = in_flight.as_mut().filter(|_| self.is_balanced()) {
                in_flight.assign(&origin.health);
            }
            loop {
                let sender = match origin.checkout(&self.target, worker, caller).await {
                    Ok(sender) => sender,
                    Err(NotConnected::NoDescriptor) => {
                        let upstream = self.target.spec.name.clone();
                        let reason = "no file descriptor is left for another connection".to_owned();
                        return Err(ForwardError::Busy { upstream, reason, caller });
                    }
                    Err(NotConnected::Failed(reason)) => {
                        origin.health.record_unreachable(&reason);
                        failed = Some((origin, reason));
                        tried.push(index);
                        break;
                    }
                };
                let mut attempt = self.attempt(origin, sender, (request, field), in_flight).await;
                self.record(origin, &mut attempt);
                match attempt? {
                    Attempt::Response(response) => return Ok(response),
                    Attempt::Retryable(reason) => {
                        tracing::debug!(reason = text::shown(&reason), origin = %origin.origin.url(), "request not processed, retried");
                        if retries == 0 {
                            return Err(self.broken(&reason));
                        }
                        retries -= 1;
                        // It was inserted for HTTP/2.
                        field = None;
                        self.resend(record);
                    }
                }
            }
        }
        let (origin, reason) = failed.map_or_else(
            || (String::from("none"), String::from("no origin is configured")),
            |(origin, reason)| (origin.origin.url(), reason),
        );
        Err(ForwardError::Unreachable { upstream: self.target.spec.name.clone(), origin, reason })
    }

    /// Counts that a request is sent again.
    fn resend(&self, record: &Tried) {
        record.count_resend();
        self.target.retries.increment();
    }

    /// Sends a request once, to this origin.
    ///
    /// # Errors
    ///
    /// A sentence for the log.
    pub(super) async fn send_to(
        &self,
        worker: &impl WorkerResources,
        origin: usize,
        request: &mut Option<Request<RequestBody>>,
        in_flight: &mut Option<InFlightGuard>,
    ) -> Result<Response<ResponseBody>, NotConnected> {
        let failed = NotConnected::Failed;
        let no_origin = || failed("there is no such origin".to_owned());
        let origin = self.origins.get(origin).ok_or_else(no_origin)?;
        let sender = origin.checkout(&self.target, worker, Caller::Authenticated).await?;
        match self.attempt(origin, sender, (request, None), in_flight).await {
            Ok(Attempt::Response(response)) => Ok(response),
            Ok(Attempt::Retryable(reason)) => Err(failed(reason)),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    /// The origin to try next, with its index; none if all were tried.
    fn choose(&self, tried: &[usize]) -> Option<(usize, &Rc<OriginPool>)> {
        let index = self.balancer.choose(&self.target.spec, &self.origins, tried)?;
        self.origins.get(index).map(|origin| (index, origin))
    }

    /// Whether a request can go to one of several origins.
    const fn is_balanced(&self) -> bool {
        self.origins.len() > 1
    }

    /// Records how an origin responded. What a gateway before it answers in its place counts as a failure.
    fn record(&self, origin: &OriginPool, attempt: &mut Result<Attempt, ForwardError>) {
        let eject_after = self.target.spec.policy.eject_after;
        let fail = |why: &str| self.target.health.record_failure(&origin.health, eject_after, why);
        match attempt {
            Ok(Attempt::Response(response)) if is_gateway_error(response.status()) => {
                fail(&format!("status {}", response.status().as_u16()));
            }
            Ok(Attempt::Response(response)) => {
                // A protocol that was not requested is a failure, which its refusal records.
                let is_refused = || response.status() == StatusCode::SWITCHING_PROTOCOLS;
                if origin.health.record_head() && !is_refused() {
                    response.body_mut().prove(&origin.health);
                }
            }
            Err(error @ (ForwardError::Broken { .. } | ForwardError::Slow { .. })) => {
                fail(&error.to_string());
            }
            Ok(Attempt::Retryable(_)) | Err(_) => {}
        }
    }

    /// Sends a request on one connection, and waits for the response's head.
    async fn attempt(
        &self,
        origin: &OriginPool,
        sender: Sender,
        (slot, field): (&mut Option<Request<RequestBody>>, Option<Field<'_>>),
        in_flight: &mut Option<InFlightGuard>,
    ) -> Result<Attempt, ForwardError> {
        let no_request = || self.broken("internal error: no request to send");
        let progress = slot.as_mut().ok_or_else(no_request)?.body_mut().progress();
        match sender {
            Sender::Http1(mut connection) => {
                connection.in_flight = in_flight.take();
                // Taken here, so that the future has no place for it.
                connection.http1.start_with(slot.take().ok_or_else(no_request)?, field);
                let mut lease = Lease::new(connection, origin.idle.clone());
                let Some(PooledHttp1 { http1, timer, .. }) = lease.connection() else {
                    return Err(self.broken("internal error: no connection"));
                };
                let head = self.within_timeout(poll_fn(|cx| http1.poll_head(cx)), &progress, timer).await;
                let failed = |fault: h1::Error| self.failed(|| explained(&fault, &self.target), &progress);
                let head = match head.map(|head| head.map_err(failed)) {
                    Ok(Ok(head)) => head,
                    Ok(Err(error)) | Err(error) => {
                        lease.close();
                        return Err(error);
                    }
                };
                let limit = self.target.spec.limits.response_timeout;
                Ok(Attempt::Response(Response::from_parts(head, ResponseBody::http1(lease, limit))))
            }
            // Boxed: the future of an HTTP/1.1 request would be as large otherwise.
            Sender::Http2(stream) => {
                let mut request = slot.take().ok_or_else(no_request)?;
                if let Some(field) = field {
                    field.insert_into(request.headers_mut());
                }
                let attempt = Box::pin(self.attempt_http2(stream, request, slot, &progress, in_flight));
                attempt.await
            }
        }
    }

    /// Sends a request on an HTTP/2 stream. A request that the origin has not processed is put back into `slot`.
    async fn attempt_http2(
        &self,
        mut stream: Stream,
        mut request: Request<RequestBody>,
        slot: &mut Option<Request<RequestBody>>,
        progress: &Progress,
        in_flight: &mut Option<InFlightGuard>,
    ) -> Result<Attempt, ForwardError> {
        let Some(absolute_form) = AbsoluteForm::apply(&mut request) else {
            return Err(self.broken("the request's Host is not a valid authority"));
        };
        let replay = request.body_mut().replay().map(|replay| (replay, clone_head(&request)));
        let mut timer = timer(self.target.spec.limits.response_timeout);
        let response = stream.sender().try_send_request(request);
        let sent = match self.within_timeout(response, progress, &mut timer).await {
            Ok(sent) => sent,
            // Its other requests may still succeed, but a lost origin would not respond to a new one.
            Err(error) => {
                stream.retire();
                return Err(error);
            }
        };
        let retryable = |mut request, error: hyper::Error| {
            absolute_form.undo(&mut request);
            *slot = Some(request);
            Ok(Attempt::Retryable(error.to_string()))
        };
        match sent {
            Ok(response) => {
                let limit = self.target.spec.limits.response_timeout;
                let Some(in_flight) = in_flight.take() else {
                    return Err(self.broken("internal error: the request is not counted"));
                };
                let used = UsedStream::new(stream, in_flight, progress.clone());
                Ok(Attempt::Response(response.map(|body| ResponseBody::http2(body, limit, used))))
            }
            Err(mut error) => match (error.take_message(), replay) {
                (Some(mut request), replay) => {
                    // hyper returned the request unsent: the connection takes no more.
                    stream.retire();
                    request.body_mut().reclaim(replay.map(|(replay, _)| replay));
                    retryable(request, error.into_error())
                }
                (None, Some((replay, head))) if was_not_processed(error.error()) => {
                    let request = head.map(|()| RequestBody::from(replay));
                    retryable(request, error.into_error())
                }
                (None, _) if is_ping_timeout(error.error()) => {
                    Err(ForwardError::Slow { upstream: self.target.spec.name.clone(), limit: DETECTION_TIME })
                }
                (None, _) => Err(self.failed(|| of_hyper(error.error(), &self.target), progress)),
            },
        }
    }

    /// Waits for the response's head: at most `response_timeout` after the last byte of the request was sent.
    async fn within_timeout<T>(
        &self,
        response: impl Future<Output = T>,
        progress: &Progress,
        timer: &mut Timer,
    ) -> Result<T, ForwardError> {
        let limit = self.target.spec.limits.response_timeout;
        let mut response = std::pin::pin!(response);
        let mut deadline = Instant::now() + limit;
        poll_fn(|cx| {
            if let Poll::Ready(result) = response.as_mut().poll(cx) {
                return Poll::Ready(Ok(result));
            }
            if timer.deadline() > deadline {
                timer.reset(deadline);
            }
            loop {
                ready!(timer.poll(cx));
                let now = Instant::now();
                // The timer may have been set for an earlier request.
                if deadline <= now {
                    deadline = match progress.state() {
                        // The body has a time limit of its own.
                        State::Sending => now + limit,
                        State::Sent(at) if at + limit > now => at + limit,
                        State::Sent(_) | State::Buffered | State::Failed(_) => {
                            return Poll::Ready(Err(ForwardError::Slow {
                                upstream: self.target.spec.name.clone(),
                                limit,
                            }));
                        }
                    };
                }
                timer.reset(deadline);
            }
        })
        .await
    }

    /// The error of a failed request: the body's own one, if it failed.
    fn failed(&self, reason: impl FnOnce() -> String, progress: &Progress) -> ForwardError {
        match progress.state() {
            State::Failed(fault) => ForwardError::Body(fault),
            _ => self.broken(&reason()),
        }
    }

    fn broken(&self, reason: &str) -> ForwardError {
        ForwardError::Broken { upstream: self.target.spec.name.clone(), reason: reason.to_owned() }
    }
}

fn clone_head(request: &Request<RequestBody>) -> Request<()> {
    let mut head = Request::new(());
    *head.method_mut() = request.method().clone();
    *head.uri_mut() = request.uri().clone();
    *head.version_mut() = request.version();
    *head.headers_mut() = request.headers().clone();
    head
}

/// Whether the origin has stated that it did not process the request: by REFUSED_STREAM, or by a GOAWAY with a lower last stream
/// (RFC 9113 section 8.7).
fn was_not_processed(error: &hyper::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(h2) = cause.downcast_ref::<h2::Error>() {
            let refused = h2.is_reset() && h2.is_remote() && h2.reason() == Some(h2::Reason::REFUSED_STREAM);
            return refused
                || (h2.is_go_away() && h2.is_remote() && h2.reason() == Some(h2::Reason::NO_ERROR));
        }
        source = cause.source();
    }
    false
}

/// Whether the connection was closed because the peer did not acknowledge a PING.
fn is_ping_timeout(error: &hyper::Error) -> bool {
    error.is_timeout()
        || std::error::Error::source(error)
            .and_then(|cause| cause.downcast_ref::<hyper::Error>())
            .is_some_and(hyper::Error::is_timeout)
}
