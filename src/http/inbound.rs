//! A request as it came, and the record that goes with it.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use http::{HeaderName, HeaderValue, Request};
use hyper::body::Incoming;

use crate::trust::{Application, ClientId};

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
    /// The request's id: hex.
    pub id: HeaderValue,
    /// The client that the request names.
    pub client_id: RefCell<Option<ClientId>>,
    /// Whose it is, and by which of its credentials.
    pub proved: RefCell<Option<(Arc<Application>, usize)>>,
}

impl Record {
    /// A record with an id of its own.
    pub(super) fn new() -> Self {
        Self { id: next_id(), client_id: RefCell::default(), proved: RefCell::default() }
    }
}

/// Unguessable per process, so that ids of two instances do not meet; then a count.
fn next_id() -> HeaderValue {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    static PREFIX: LazyLock<[u8; 16]> = LazyLock::new(|| {
        use std::hash::{BuildHasher, Hasher};
        hex(std::collections::hash_map::RandomState::new().build_hasher().finish())
    });
    let count = hex(NEXT.fetch_add(1, Ordering::Relaxed));
    let mut id = [0; 28];
    for (digit, from) in id.iter_mut().zip(PREFIX.iter().chain(count.iter().skip(4))) {
        *digit = *from;
    }
    HeaderValue::from_bytes(&id).unwrap_or_else(|_| HeaderValue::from_static("none"))
}

/// In 16 digits, lower case.
fn hex(number: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    for (digit, shift) in digits.iter_mut().rev().zip((0..64).step_by(4)) {
        let value = u8::try_from(number >> shift & 0xf).unwrap_or_default();
        *digit = if value < 10 { b'0' + value } else { b'a' + value - 10 };
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_standard_library_writes_them() {
        for number in [0, 1, 0xdead_beef, u64::MAX, 0x0123_4567_89ab_cdef] {
            assert_eq!(hex(number).as_slice(), format!("{number:016x}").as_bytes());
        }
    }

    #[test]
    fn ids_differ_and_are_28_digits() {
        let (one, two) = (next_id(), next_id());
        assert_ne!(one, two);
        assert!(one.len() == 28 && one.as_bytes().iter().all(u8::is_ascii_hexdigit), "{one:?}");
    }
}
