//! The issuers of access tokens, ready to verify them.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, uri::PathAndQuery};
use tokio::sync::Notify;

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
    /// By its key set.
    Keys(PublishedKeys),
    /// By asking it.
    Introspection(IntrospectionEndpoint),
}

/// The key set of an issuer.
#[derive(Debug, PartialEq, Eq)]
pub struct PublishedKeys {
    /// The URL, without a query.
    pub url: Box<str>,
    /// Its keys; `None` until it has been fetched.
    pub keys: Option<IssuerKeys>,
    /// Asks for a fetch.
    pub refresh: RefreshRequest,
}

/// Asks the source of a document to fetch it soon, from any thread. A clone asks the same source; ignored by comparisons.
#[derive(Clone, Debug, Default)]
pub struct RefreshRequest(Arc<Notify>);

impl RefreshRequest {
    /// Asks for a fetch. It may come later, since fetches have a minimum distance.
    pub fn ask(&self) {
        self.0.notify_one();
    }

    /// Waits until somebody asks, or returns at once if somebody has asked since the last time.
    pub async fn asked(&self) {
        self.0.notified().await;
    }
}

impl PartialEq for RefreshRequest {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for RefreshRequest {}

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
