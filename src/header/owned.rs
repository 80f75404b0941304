//! The names that no configured header may have, and who sets them.

use http::{HeaderName, header};

use super::{
    fold::are_equivalent,
    forwarded::{X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PORT, X_FORWARDED_PROTO},
    hop::HOP_BY_HOP,
};

/// Who sets a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// HTTP: it belongs to one connection.
    Hop,
    /// HTTP: it frames the body.
    Framing,
    /// `host` of an upstream.
    Host,
    /// `forwarded` of an upstream.
    Forwarded,
    /// The edge, on every request.
    Edge,
    /// The client: the request means something else without it. An upstream's own header may replace it, a vouching header may not.
    Client,
}

const OWNED: [(HeaderName, Owner); 16] = [
    (header::CONTENT_LENGTH, Owner::Framing),
    (header::HOST, Owner::Host),
    (header::FORWARDED, Owner::Forwarded),
    (X_FORWARDED_FOR, Owner::Edge),
    (X_FORWARDED_HOST, Owner::Edge),
    (X_FORWARDED_PORT, Owner::Edge),
    (X_FORWARDED_PROTO, Owner::Edge),
    (header::ACCEPT, Owner::Client),
    (header::AUTHORIZATION, Owner::Client),
    (header::CONTENT_ENCODING, Owner::Client),
    (header::CONTENT_TYPE, Owner::Client),
    (header::COOKIE, Owner::Client),
    (HeaderName::from_static("dpop"), Owner::Client),
    (header::ORIGIN, Owner::Client),
    (header::USER_AGENT, Owner::Client),
    (HeaderName::from_static("x-request-id"), Owner::Client),
];

/// Who sets the header of this name, in whatever spelling, with the name as HTTP has it.
#[must_use]
pub fn owner(name: &str) -> Option<(HeaderName, Owner)> {
    let hop = HOP_BY_HOP.into_iter().map(|name| (name, Owner::Hop));
    hop.chain(OWNED).find(|(owned, _)| are_equivalent(owned.as_str(), name))
}
