//! Encodings of facts about every authenticated client, independent of its authentication method.

use http::HeaderValue;

use super::super::evidence::{Client, Verdict};

/// An encoding of a fact about every authenticated client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEncoding {
    /// `verdict`: `SUCCESS`, or `FAILED:` and the reason (nginx's `$ssl_client_verify`).
    Verdict,
}

impl ClientEncoding {
    /// The header value.
    pub(super) fn encode(self, client: &Client) -> HeaderValue {
        match self {
            Self::Verdict => verdict(client.verdict),
        }
    }
}

/// The verdict is always sent: if the reason is not a valid header value, only the reason is omitted.
fn verdict(verdict: Verdict) -> HeaderValue {
    match verdict {
        Verdict::Verified => HeaderValue::from_static("SUCCESS"),
        Verdict::NotVerified("") => HeaderValue::from_static("FAILED"),
        Verdict::NotVerified(reason) => HeaderValue::try_from(format!("FAILED:{reason}"))
            .unwrap_or_else(|_| HeaderValue::from_static("FAILED")),
    }
}
