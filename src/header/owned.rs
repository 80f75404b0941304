//! Header names that a configuration must not use, and what sets them.

use http::{HeaderName, header};

use super::{
    fold::are_equivalent,
    forwarded::{X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PORT, X_FORWARDED_PROTO},
    hop::HOP_BY_HOP,
};

/// What sets a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// HTTP, as a hop-by-hop field.
    Hop,
    /// HTTP, to frame the body.
    Framing,
    /// The `host` key of an upstream.
    Host,
    /// The `forwarded` key of an upstream.
    Forwarded,
    /// The edge, in every request.
    Edge,
    /// The client. The request changes its meaning without it, so a vouching header must not replace it; `headers` of an upstream may.
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

/// The owner of a header name in any spelling, with the name's canonical spelling.
#[must_use]
pub fn owner(name: &str) -> Option<(HeaderName, Owner)> {
    let hop = HOP_BY_HOP.into_iter().map(|name| (HeaderName::from_static(name), Owner::Hop));
    hop.chain(OWNED).find(|(owned, _)| are_equivalent(owned.as_str(), name))
}
