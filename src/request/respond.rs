//! The outermost service: turns refusals into responses, adds the request's id, counts the request.

use std::{
    cell::Cell,
    convert::Infallible,
    rc::Rc,
    task::{Context, Poll},
};

use http::{HeaderValue, Method, Request, Response, Version, header};
use http_body::Body;
use hyper::body::Incoming;
use tower::Service;

use super::{
    Connection, Refusal, WorkerParts,
    access_entry::AccessEntry,
    answer::{Answer, Answering, unless_overdue},
    inbound::{Answered, Inbound, Record},
    request_id::REQUEST_ID,
};
use crate::{
    forward::{IncomingBody, ResponseBody},
    header::hop::remove_hop_by_hop,
    observe::metrics::{Outcome, RefusalCode},
};

/// Responds to every request, and counts it.
#[derive(Clone, Debug)]
pub struct Respond<S> {
    inner: S,
    parts: Rc<WorkerParts>,
    connection: Rc<Connection>,
}

impl<S> Respond<S> {
    pub(super) const fn new(inner: S, parts: Rc<WorkerParts>, connection: Rc<Connection>) -> Self {
        Self { inner, parts, connection }
    }
}

impl<S> Service<Request<Incoming>> for Respond<S>
where
    S: Service<Inbound, Response = Response<ResponseBody>, Error = Refusal>,
    S::Future: 'static,
{
    type Response = Answer;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let authorization = request.headers().get(header::AUTHORIZATION).cloned();
        let begun = self.parts.tracer.begin(request.headers(), self.connection.address.trusted_proxy);
        let (head, incoming) = request.into_parts();
        let record = Rc::new(Record::new(&head, begun));
        let (body, unread) = IncomingBody::new(incoming);
        let metrics = self.parts.metrics.clone();
        let connection = Rc::clone(&self.connection);
        let entry = AccessEntry::new(Rc::clone(&record), connection, unread.received(), metrics);
        let answer = self.inner.call(Inbound { head, body, record: Rc::clone(&record) });
        let in_flight = InFlight::begin(Rc::clone(&self.parts));
        let answer = Box::pin(async move {
            let answer = unless_overdue(&entry.record, answer).await;
            let answer = answer.unwrap_or_else(|| Err(Refusal::Overdue { is_body_unread: unread.is_some() }));
            let AccessEntry { record, connection, .. } = &entry;
            in_flight.answered(record, connection, &answer);
            let is_body_unread;
            let mut closes = false;
            let version = record.version;
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
                    if record.method == Method::HEAD {
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
            Ok(Answer { response, entry, is_body_unread, closes })
        });
        Answering::new(answer, record)
    }
}

/// A request whose response has not begun.
struct InFlight {
    parts: Rc<WorkerParts>,
    is_counted: Cell<bool>,
}

impl InFlight {
    fn begin(parts: Rc<WorkerParts>) -> Self {
        parts.metrics.requests_in_flight.begin();
        Self { parts, is_counted: Cell::new(false) }
    }

    /// Counts the request, which is answered now, and records the answer.
    fn answered(
        &self,
        record: &Record,
        connection: &Connection,
        answer: &Result<Response<ResponseBody>, Refusal>,
    ) {
        let durations = record.durations();
        let (outcome, status, refused) = match answer {
            Ok(response) => {
                if let Some((application, _)) = &*record.authenticated.borrow() {
                    application.refusals.served();
                }
                (Outcome::Forwarded, response.status(), None)
            }
            Err(refusal) => {
                let code = refusal.reason_code();
                self.parts.metrics.refusals.increment(code);
                let outcome = refusal.outcome();
                if outcome != Outcome::UpstreamFailed {
                    self.note_refused(record, code);
                }
                (outcome, refusal.status(), Some((code.value(), refusal.reason())))
            }
        };
        self.parts.metrics.requests.increment(outcome);
        self.is_counted.set(true);
        let traffic = self.parts.metrics.traffic();
        let answer = (outcome, status.as_u16());
        match record.series.get() {
            Some(series) => traffic.count(series, answer, durations.whole, durations.upstream),
            None => traffic.count_without_route(&connection.server_name, answer, durations.whole),
        }
        // It is answered once.
        let _ = record.answered.set(Answered { status, durations, refused });
    }

    /// Notes the refusal with the registered application that the request names, if it has come so far.
    fn note_refused(&self, record: &Record, code: RefusalCode) {
        let WorkerParts { site, clock, .. } = &*self.parts;
        let claimed = record.client_id.borrow();
        let site = site.load();
        if let Some(application) =
            claimed.as_ref().and_then(|id| site.trust.registry.application(id.as_str()))
        {
            application.refusals.refused(code.value(), clock.now());
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.parts.metrics.requests_in_flight.end();
        if !self.is_counted.get() {
            self.parts.metrics.requests.increment(Outcome::Cancelled);
        }
    }
}

/// Removes the body for HEAD but keeps its length. hyper does so over HTTP/1.1 only.
fn without_body(response: &mut Response<ResponseBody>) {
    let length = response.body().size_hint().exact();
    *response.body_mut() = ResponseBody::from_edge(String::new());
    if let Some(length) = length {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
}
