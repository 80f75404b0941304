//! A request as it came, and the record that goes with it.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::atomic::{AtomicU64, Ordering},
};

use http::{HeaderName, Request};
use hyper::body::Incoming;

/// A request as it came, with its record.
#[derive(Debug)]
pub struct Inbound {
    pub(super) request: Request<Incoming>,
    pub(super) record: Rc<Record>,
}

/// The header that carries a request's id to the upstream and back to the application.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the access log says of a request, filled in on its way. Names and verdicts, never secrets:
/// no header values, no query, no body.
#[derive(Debug)]
pub struct Record {
    /// The request's id.
    pub id: String,
    /// The client that the request names.
    pub client_id: RefCell<Option<String>>,
    /// The credential that matched.
    pub credential: RefCell<Option<String>>,
}

impl Record {
    /// A record with an id of its own.
    pub(super) fn new() -> Self {
        Self { id: next_id(), client_id: RefCell::default(), credential: RefCell::default() }
    }
}

/// Unguessable per process, so that ids of two instances do not meet; then a count.
fn next_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    static PREFIX: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    let prefix = PREFIX.get_or_init(|| {
        use std::hash::{BuildHasher, Hasher};
        std::collections::hash_map::RandomState::new().build_hasher().finish()
    });
    format!("{prefix:016x}{:08x}", NEXT.fetch_add(1, Ordering::Relaxed))
}
