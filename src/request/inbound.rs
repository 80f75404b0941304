//! An incoming request, and its record for the access log.

use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::Rc,
    sync::Arc,
};

use http::{HeaderName, HeaderValue, request::Parts};

use tokio::time::Instant;

use crate::{
    forward::IncomingBody,
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

/// The header that carries the request's id to the upstream, and back to the client.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The facts about a request for the access log, filled in by the services. It contains names and verdicts, but no secrets:
/// no header values, no query, no body.
#[derive(Debug)]
pub struct Record {
    /// The request's id: the edge's own, or that of a trusted proxy.
    pub id: HeaderValue,
    /// The client that the request claims to be.
    pub client_id: RefCell<Option<ClientId>>,
    /// The application that was accepted, and the index of the credential that was verified.
    pub authenticated: RefCell<Option<(Arc<Application>, Option<usize>)>>,
    /// What the check of an authorization request found. Boxed, since other requests have none.
    pub checked: RefCell<Option<Box<CheckedRequest>>>,
    /// Where the requests of its route are counted, once it has a route.
    pub series: Cell<Option<RouteSeries>>,
    /// Its domain and its route, once it has one.
    pub routed: OnceCell<(Arc<Domain>, Arc<Route>)>,
    /// When it was sent to the upstream.
    pub sent_at: Cell<Option<Instant>>,
    /// The origin to which it was sent last, by its index in the upstream.
    pub origin: Cell<Option<usize>>,
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
    /// The record of the request with this id.
    pub(super) fn new(id: HeaderValue) -> Self {
        Self {
            id,
            client_id: RefCell::default(),
            authenticated: RefCell::default(),
            checked: RefCell::default(),
            series: Cell::default(),
            routed: OnceCell::new(),
            sent_at: Cell::default(),
            origin: Cell::default(),
        }
    }
}
