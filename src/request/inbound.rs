//! An incoming request, and its record for the access log.

use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use http::{HeaderValue, Method, StatusCode, Uri, Version, request::Parts};

use tokio::time::Instant;

use super::trace_context::RequestTrace;
use crate::{
    forward::{IncomingBody, Tried},
    observe::metrics::RouteSeries,
    site::{Domain, Route},
    trust::{Application, ClientId},
};

/// An incoming request with its record.
#[derive(Debug)]
pub struct Inbound {
    pub(super) head: Parts,
    pub(super) body: IncomingBody,
    pub(super) record: Rc<Record>,
}

/// The facts about a request for the access log, filled in by the services. It contains names and verdicts, but no secrets:
/// no header values and no body; of the target only the path is logged.
#[derive(Debug)]
pub struct Record {
    /// The request's id: the edge's own, or that of a trusted proxy.
    pub id: HeaderValue,
    /// Its trace, if traces are on.
    pub(super) trace: Option<RequestTrace>,
    /// Its method.
    pub method: Method,
    /// Its target.
    pub uri: Uri,
    /// Its protocol.
    pub version: Version,
    /// When its head was complete.
    pub started: Instant,
    /// The client that the request claims to be.
    pub client_id: RefCell<Option<ClientId>>,
    /// The application that was accepted, and the index of the credential that was verified.
    pub authenticated: RefCell<Option<(Arc<Application>, Option<usize>)>>,
    /// What the check of an authorization request found. Boxed, since other requests have none.
    pub checked: RefCell<Option<Box<CheckedRequest>>>,
    /// Where the requests of its route are counted, once it has a route.
    pub series: Cell<Option<RouteSeries>>,
    /// Its domain and its route, once it has one. They are others if it is routed again by a new site.
    pub routed: RefCell<Option<(Arc<Domain>, Arc<Route>)>>,
    /// When it was sent to the upstream.
    pub sent_at: Cell<Option<Instant>>,
    /// Where it was sent.
    pub tried: Tried,
    /// Whether it has taken too long.
    pub is_overdue: Cell<bool>,
    /// The answer, once there is one.
    pub(super) answered: OnceCell<Answered>,
}

/// What is known once the request is answered.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) durations: Durations,
    /// Code and reason of a refusal.
    pub(super) refused: Option<(&'static str, String)>,
}

/// How long a request took until it was answered or cancelled, and the upstream's part of that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Durations {
    pub(super) whole: Duration,
    pub(super) upstream: Option<Duration>,
}

/// What the check of an authorization request found.
#[derive(Debug)]
pub struct CheckedRequest {
    /// The outcome, as in the metrics.
    pub outcome: &'static str,
    /// The names of the parameters outside the request object that contradict it.
    pub contradicted: Option<String>,
    /// The names of the parameters that are only outside.
    pub only_outside: Option<String>,
}

impl Record {
    /// The record of the request with this head, under this id and in this trace.
    pub(super) fn new(head: &Parts, (id, trace): (HeaderValue, Option<RequestTrace>)) -> Self {
        Self {
            id,
            trace,
            method: head.method.clone(),
            uri: head.uri.clone(),
            version: head.version,
            started: Instant::now(),
            client_id: RefCell::default(),
            authenticated: RefCell::default(),
            checked: RefCell::default(),
            series: Cell::default(),
            routed: RefCell::default(),
            sent_at: Cell::default(),
            tried: Tried::default(),
            is_overdue: Cell::default(),
            answered: OnceCell::new(),
        }
    }

    /// The durations of a request that is answered or cancelled now.
    pub(super) fn durations(&self) -> Durations {
        let now = Instant::now();
        let since = |start: Instant| now.saturating_duration_since(start);
        Durations { whole: since(self.started), upstream: self.sent_at.get().map(since) }
    }
}
