//! The issuers of access tokens, ready to verify them.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, uri::PathAndQuery};

use crate::{
    access_token::{IssuerKeys, Rules},
    forward::Target,
};

/// An issuer of access tokens.
#[derive(Debug, PartialEq, Eq)]
pub struct TokenIssuer {
    /// The operator's name for it.
    pub name: Box<str>,
    /// What its tokens must say.
    pub rules: Rules,
    /// How they are verified.
    pub verification: Verification,
}

/// How the tokens of an issuer are verified.
#[derive(Debug, PartialEq, Eq)]
pub enum Verification {
    /// By its keys; `None` until its key set has been fetched.
    Keys(Option<IssuerKeys>),
    /// By asking it.
    Introspection(IntrospectionEndpoint),
}

/// The introspection endpoint of an issuer (RFC 7662).
#[derive(Debug, PartialEq, Eq)]
pub struct IntrospectionEndpoint {
    /// Its server.
    pub target: Arc<Target>,
    /// Its path.
    pub path: PathAndQuery,
    /// `Host`.
    pub host: HeaderValue,
    /// The edge's own credentials: HTTP Basic, marked as sensitive.
    pub authorization: HeaderValue,
    /// For a whole request.
    pub timeout: Duration,
}
