//! Why an origin does not work, as the log, the metrics and `/status` report it.

use http::StatusCode;

use crate::{
    clock::{Clock, Timestamp},
    text,
};

/// Whether a gateway before the authorization server has responded in its place.
pub(super) const fn is_gateway_error(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
}

/// Why an origin is failing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The last attempt to connect failed.
    Unreachable,
    /// Too many responses in succession failed.
    Ejected,
    /// The same, but the upstream has no other origin, or too few others that work: requests still go to it.
    Failing,
    /// Its health check fails.
    CheckFailing,
}

impl FailureKind {
    /// A word for metrics and `/status`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Ejected => "ejected",
            Self::Failing => "failing",
            Self::CheckFailing => "check_failing",
        }
    }
}

/// A failure of an origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When.
    pub at: Timestamp,
    /// A short text: the origin influences it.
    pub why: String,
}

impl Failure {
    /// One that happens now. Operators compare its time with those of other machines, so it is always the system's.
    pub(super) fn now(why: &str) -> Self {
        Self { at: Clock::System.now(), why: text::shown(&why) }
    }
}
