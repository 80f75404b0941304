//! The endpoints to which authorization requests are sent.

/// The endpoint that a request is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// The authorization endpoint, which a browser calls (RFC 6749 section 3.1).
    Authorization,
    /// The pushed authorization request endpoint, which the authenticated application calls (RFC 9126 section 2).
    Pushed,
}
