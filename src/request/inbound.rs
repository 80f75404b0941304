//! A request as it came, and the record that goes with it.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use http::{HeaderName, HeaderValue, Request};

use super::request_id;
use crate::{
    forward::Received,
    trust::{Application, ClientId},
};

/// A request as it came, with its record.
#[derive(Debug)]
pub struct Inbound {
    pub(super) request: Request<Received>,
    pub(super) record: Rc<Record>,
}

/// The header that carries a request's id to the upstream and back to the application.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the access log says of a request, filled in on its way. Names and verdicts, never secrets:
/// no header values, no query, no body.
#[derive(Debug)]
pub struct Record {
    /// The request's id: hex.
    pub id: HeaderValue,
    /// The client that the request names.
    pub client_id: RefCell<Option<ClientId>>,
    /// Whose it is, and by which of its credentials.
    pub authenticated: RefCell<Option<(Arc<Application>, usize)>>,
}

impl Record {
    /// A record with an id of its own.
    pub(super) fn new() -> Self {
        Self { id: request_id::next(), client_id: RefCell::default(), authenticated: RefCell::default() }
    }
}
