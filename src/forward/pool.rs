//! One worker's connections to one upstream, and the attempts of a request on them.

use std::{
    borrow::Cow,
    cell::Cell,
    future::poll_fn,
    rc::Rc,
    sync::Arc,
    task::{Poll, ready},
};

use http::{Request, Response};
use tokio::time::Instant;

use super::{
    ForwardError, RequestBody, ResponseBody, Target,
    absolute::OriginForm,
    body::{Progress, State},
    http2::SILENCE,
    idle::{Sender, Stream},
    in_use::{Caller, InUse},
    lease::Lease,
    origin::{NotConnected, OriginPool, Room, shown},
    pooled::{Kept, Timer, timer},
};
use crate::text;

/// How often an unprocessed request may be retried, besides one attempt per origin.
const RETRIES: usize = 3;
#[derive(Debug)]
pub(super) struct Pool {
    target: Arc<Target>,
    origins: Vec<Rc<OriginPool>>,
    next: Cell<usize>,
}

enum Tried {
    Response(Response<ResponseBody>),
    /// Nothing of the request can have been processed: it is in its place again.
    Unprocessed(String),
}

impl Pool {
    /// No connections yet.
    pub(super) fn new(target: &Arc<Target>) -> Self {
        let origins = target.origins.iter().cloned().zip(target.marks.0.iter().cloned());
        let origins = origins.map(|(origin, mark)| OriginPool::new(origin, mark));
        Self { target: Arc::clone(target), origins: origins.collect(), next: Cell::new(0) }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    pub(super) fn origins(&self) -> &[Rc<OriginPool>] {
        &self.origins
    }

    /// Origins from the next in turn on; those that failed to connect last, the one that is to be probed soonest first of them. One
    /// request at a time probes such an origin when its turn comes.
    fn order(&self) -> Cow<'_, [Rc<OriginPool>]> {
        if self.origins.len() < 2 {
            return Cow::Borrowed(&self.origins);
        }
        let start = self.next.get();
        self.next.set(start.wrapping_add(1));
        let mut order = self.origins.clone();
        order.rotate_left(start % self.origins.len());
        if order.iter().any(|origin| origin.mark.is_set()) {
            let (now, limit) = (Instant::now(), self.target.limits.connect_timeout);
            let probed = order.first().filter(|first| first.mark.is_mine_to_probe(now, limit)).cloned();
            order.sort_by_cached_key(|origin| {
                let is_probed = probed.as_ref().is_some_and(|probed| Rc::ptr_eq(probed, origin));
                if is_probed { 0 } else { origin.mark.until() }
            });
        }
        Cow::Owned(order)
    }

    /// Sends a request to the first origin that takes it.
    pub(super) async fn send(
        &self,
        room: &impl Room,
        request: &mut Option<Request<RequestBody>>,
        in_use: &mut Option<InUse>,
        caller: Caller,
    ) -> Result<Response<ResponseBody>, ForwardError> {
        let mut retries = RETRIES;
        let mut failed = None;
        let order = self.order();
        for origin in order.iter() {
            loop {
                let sender = match origin.checkout(&self.target, room, caller).await {
                    Ok(sender) => sender,
                    Err(NotConnected::NoPlace) => {
                        let upstream = self.target.name.clone();
                        let reason = "no file descriptor is left for another connection".to_owned();
                        return Err(ForwardError::Busy { upstream, reason });
                    }
                    Err(NotConnected::Failed(reason)) => {
                        origin.mark.set();
                        failed = Some((origin, reason));
                        break;
                    }
                };
                match self.try_send(origin, sender, request, in_use).await? {
                    Tried::Response(response) => return Ok(response),
                    Tried::Unprocessed(reason) => {
                        tracing::debug!(reason = text::shown(&reason), origin = %shown(&origin.origin), "request not processed, retried");
                        if retries == 0 {
                            return Err(self.broken(&reason));
                        }
                        retries -= 1;
                    }
                }
            }
        }
        let (origin, reason) = failed.map_or_else(
            || (String::from("none"), String::from("no origin is configured")),
            |(origin, reason)| (shown(&origin.origin), reason),
        );
        Err(ForwardError::Unreachable { upstream: self.target.name.clone(), origin, reason })
    }

    async fn try_send(
        &self,
        origin: &OriginPool,
        sender: Sender,
        slot: &mut Option<Request<RequestBody>>,
        in_use: &mut Option<InUse>,
    ) -> Result<Tried, ForwardError> {
        let Some(request) = slot.take() else { return Err(self.broken("the request is gone")) };
        let progress = request.body().progress();
        match sender {
            Sender::Http1(mut connection) => {
                connection.in_use = in_use.take();
                connection.http1.start(request);
                let mut lease = Lease::new(connection, origin.idle.clone());
                let Some(Kept { http1, timer, .. }) = lease.connection() else {
                    return Err(self.broken("its connection is gone"));
                };
                let head = self.bounded(poll_fn(|cx| http1.poll_head(cx)), &progress, timer).await;
                let head = match head.map(|head| head.map_err(|fault| self.failed(&fault, &progress))) {
                    Ok(Ok(head)) => head,
                    Ok(Err(error)) | Err(error) => {
                        lease.close();
                        return Err(error);
                    }
                };
                let limit = self.target.limits.response_timeout;
                Ok(Tried::Response(Response::from_parts(head, ResponseBody::http1(lease, limit))))
            }
            // Boxed, so that the future of a request over HTTP/1.1 is not as large.
            Sender::Http2(stream) => Box::pin(self.try_http2(stream, request, slot, &progress, in_use)).await,
        }
    }

    async fn try_http2(
        &self,
        mut stream: Stream,
        mut request: Request<RequestBody>,
        slot: &mut Option<Request<RequestBody>>,
        progress: &Progress,
        in_use: &mut Option<InUse>,
    ) -> Result<Tried, ForwardError> {
        let Some(origin_form) = OriginForm::take(&mut request) else {
            return Err(self.broken("the request's Host is not a valid authority"));
        };
        let replay = request.body_mut().replay().map(|replay| (replay, clone_head(&request)));
        let mut timer = timer(self.target.limits.response_timeout);
        let response = stream.sender().try_send_request(request);
        let sent = match self.bounded(response, progress, &mut timer).await {
            Ok(sent) => sent,
            // Its other requests may fare better. But if nobody is there any more, a new one would wait in vain.
            Err(error) => {
                stream.retire();
                return Err(error);
            }
        };
        let unprocessed = |mut request, error: hyper::Error| {
            origin_form.restore(&mut request);
            *slot = Some(request);
            Ok(Tried::Unprocessed(error.to_string()))
        };
        match sent {
            Ok(response) => {
                let limit = self.target.limits.response_timeout;
                let Some(in_use) = in_use.take() else { return Err(self.broken("its place is gone")) };
                Ok(Tried::Response(response.map(|body| ResponseBody::http2(body, limit, stream, in_use))))
            }
            Err(mut error) => match (error.take_message(), replay) {
                (Some(mut request), replay) => {
                    // It takes no more of them.
                    stream.retire();
                    request.body_mut().reclaim(replay.map(|(replay, _)| replay));
                    unprocessed(request, error.into_error())
                }
                (None, Some((replay, head))) if refused_unprocessed(error.error()) => {
                    let request = head.map(|()| RequestBody::from(replay));
                    unprocessed(request, error.into_error())
                }
                (None, _) if is_silent(error.error()) => {
                    Err(ForwardError::Slow { upstream: self.target.name.clone(), limit: SILENCE })
                }
                (None, _) => Err(self.failed(&sentence(error.error()), progress)),
            },
        }
    }

    /// Waits for the response's head: at most `response_timeout` from the moment the request is out.
    async fn bounded<T>(
        &self,
        response: impl Future<Output = T>,
        progress: &Progress,
        timer: &mut Timer,
    ) -> Result<T, ForwardError> {
        let limit = self.target.limits.response_timeout;
        let mut response = std::pin::pin!(response);
        let mut deadline = Instant::now() + limit;
        poll_fn(|cx| {
            if let Poll::Ready(result) = response.as_mut().poll(cx) {
                return Poll::Ready(Ok(result));
            }
            if timer.deadline() > deadline {
                timer.as_mut().reset(deadline);
            }
            loop {
                ready!(timer.as_mut().poll(cx));
                let now = Instant::now();
                // It may have gone off for a request before this one.
                if deadline <= now {
                    deadline = match progress.state() {
                        // Still being sent: the body has a time limit of its own.
                        State::Going => now + limit,
                        State::Done(at) if at + limit > now => at + limit,
                        State::Done(_) | State::Whole | State::Failed(_) => {
                            return Poll::Ready(Err(ForwardError::Slow {
                                upstream: self.target.name.clone(),
                                limit,
                            }));
                        }
                    };
                }
                timer.as_mut().reset(deadline);
            }
        })
        .await
    }

    fn failed(&self, reason: &dyn std::fmt::Display, progress: &Progress) -> ForwardError {
        match progress.state() {
            State::Failed(fault) => ForwardError::Body(fault),
            _ => self.broken(&reason.to_string()),
        }
    }

    fn broken(&self, reason: &str) -> ForwardError {
        ForwardError::Broken { upstream: self.target.name.clone(), reason: reason.to_owned() }
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

/// RFC 9113 section 8.7: a REFUSED_STREAM, or a stream above the last one that GOAWAY names, was not processed.
fn refused_unprocessed(error: &hyper::Error) -> bool {
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

/// Whether the connection was closed because the peer left a PING unanswered.
fn is_silent(error: &hyper::Error) -> bool {
    error.is_timeout()
        || std::error::Error::source(error)
            .and_then(|cause| cause.downcast_ref::<hyper::Error>())
            .is_some_and(hyper::Error::is_timeout)
}

fn sentence(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
