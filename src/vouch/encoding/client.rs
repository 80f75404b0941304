//! Encodings of what is known of every authenticated client, whatever it authenticated by.

use http::HeaderValue;

use super::super::evidence::{Client, Verdict};

/// An encoding of a fact that every authenticated client has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEncoding {
    /// `verdict`: `SUCCESS`, or `FAILED:` and the reason (nginx's `$ssl_client_verify`).
    Verdict,
}

impl ClientEncoding {
    /// The value of a header.
    pub(super) fn encode(self, client: &Client) -> HeaderValue {
        match self {
            Self::Verdict => verdict(client.verdict),
        }
    }
}

/// The verdict never goes missing: a reason that a header cannot carry is dropped, the failure is not.
fn verdict(verdict: Verdict) -> HeaderValue {
    match verdict {
        Verdict::Verified => HeaderValue::from_static("SUCCESS"),
        Verdict::NotVerified("") => HeaderValue::from_static("FAILED"),
        Verdict::NotVerified(reason) => HeaderValue::try_from(format!("FAILED:{reason}"))
            .unwrap_or_else(|_| HeaderValue::from_static("FAILED")),
    }
}
