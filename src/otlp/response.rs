//! What a collector says to an export.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use prost::Message;

use super::message::{ExportTraceServiceResponse, Failure, PartialSuccess};
use crate::{header::retry_after::retry_after, text};

/// The outcome of an export.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Accepted, except this many spans, with the collector's remark.
    Accepted { rejected: u64, remark: String },
    /// Refused: the same spans would be refused again.
    Refused(String),
    /// Not now. The collector may name the time after which it may be tried again.
    Later { why: String, after: Option<Duration> },
}

/// The statuses after which an export may be sent again (OTLP 1.x, "Retryable Response Codes").
const RETRYABLE: [StatusCode; 4] = [
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::BAD_GATEWAY,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::GATEWAY_TIMEOUT,
];

/// Reads a response. Its text is bounded, since it is logged.
pub(super) fn outcome(status: StatusCode, headers: &HeaderMap, body: Bytes) -> Outcome {
    if status.is_success() {
        let partial = ExportTraceServiceResponse::decode(body).ok().and_then(|said| said.partial_success);
        let PartialSuccess { rejected_spans, error_message } = partial.unwrap_or_default();
        let rejected = u64::try_from(rejected_spans).unwrap_or(0);
        return Outcome::Accepted { rejected, remark: text::shown(&error_message) };
    }
    let said = Failure::decode(body).map(|failure| failure.message).unwrap_or_default();
    let separator = if said.is_empty() { "" } else { ": " };
    let why = format!("the collector responded with {status}{separator}{}", text::shown(&said));
    if RETRYABLE.contains(&status) {
        return Outcome::Later { why, after: retry_after(headers, SystemTime::now()) };
    }
    Outcome::Refused(why)
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header};

    use super::*;

    fn of(status: u16, retry_after: Option<&'static str>, body: &impl Message) -> Outcome {
        let after = retry_after.map(|after| (header::RETRY_AFTER, HeaderValue::from_static(after)));
        let headers = after.into_iter().collect();
        outcome(StatusCode::from_u16(status).unwrap(), &headers, body.encode_to_vec().into())
    }

    fn nothing() -> Failure {
        Failure { message: String::new() }
    }

    #[test]
    fn a_success_may_be_partial() {
        let accepted = |rejected, remark: &str| Outcome::Accepted { rejected, remark: remark.to_owned() };
        assert_eq!(of(200, None, &nothing()), accepted(0, ""));
        let partial = |rejected_spans| ExportTraceServiceResponse {
            partial_success: Some(PartialSuccess { rejected_spans, error_message: "too old".to_owned() }),
        };
        assert_eq!(of(200, None, &partial(7)), accepted(7, "too old"));
        assert_eq!(of(202, None, &partial(-7)), accepted(0, "too old"));
        // Some collectors answer with JSON or nothing.
        assert_eq!(outcome(StatusCode::OK, &HeaderMap::new(), Bytes::from_static(b"{}")), accepted(0, ""));
    }

    #[test]
    fn only_what_may_pass_later_is_sent_again() {
        let failure = || Failure { message: "slow down".to_owned() };
        let why = |status: &str| format!("the collector responded with {status}: slow down");
        for (header, after) in [
            (Some("7"), Some(Duration::from_secs(7))),
            (Some("Thu, 01 Jan 1970 00:00:00 GMT"), Some(Duration::ZERO)),
            (None, None),
        ] {
            let later = Outcome::Later { why: why("503 Service Unavailable"), after };
            assert_eq!(of(503, header, &failure()), later);
        }
        for status in [429, 502, 504] {
            assert!(matches!(of(status, None, &nothing()), Outcome::Later { .. }), "{status}");
        }
        for status in [301, 302, 400, 401, 403, 404, 413, 500] {
            assert!(matches!(of(status, Some("1"), &nothing()), Outcome::Refused(_)), "{status}");
        }
        let long = Failure { message: "x".repeat(100_000) };
        assert!(matches!(of(400, None, &long), Outcome::Refused(why) if why.len() < 400));
    }
}
