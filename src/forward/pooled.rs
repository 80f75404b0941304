//! HTTP/1.1 connections as they are pooled.

use std::{pin::Pin, time::Duration};

use tokio::time::Sleep;

use super::{RequestBody, in_use::InUse};
use crate::h1;

/// An HTTP/1.1 connection to an origin.
pub(super) type Http1 = h1::Connection<RequestBody>;

/// Reset only when it fires, or if it would fire too late.
pub(super) type Timer = Pin<Box<Sleep>>;

/// One that goes off after so long.
pub(super) fn timer(after: Duration) -> Timer {
    Box::pin(tokio::time::sleep(after))
}

/// A connection of HTTP/1.1, and the timer for the responses that are waited for, one after the other.
pub(super) struct Kept {
    pub(super) http1: Box<Http1>,
    pub(super) timer: Timer,
    /// Whether it has carried a request before.
    pub(super) is_used: bool,
    /// While it carries a request.
    pub(super) in_use: Option<InUse>,
}
