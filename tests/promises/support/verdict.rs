//! The two outcomes of a token request, each with everything that must hold of it.

use super::{Answer, Client, Edge, Seen, Upstream};

/// The `error_description` for any certificate that is not registered for the application.
pub const NOT_REGISTERED: &str = "the client certificate is not registered for this client_id: check the client_id and which certificate is presented";
pub const EXPIRED: &str = "the client certificate has expired: present a current one";
pub const NOT_YET_VALID: &str = "the client certificate is not valid yet";

/// Asserts that a token request passes; gives what reached the upstream.
pub async fn passes(client: &Client, upstream: &Upstream, client_id: &str) -> Seen {
    let before = upstream.seen().len();
    let answer = client.token(client_id).await;
    assert_eq!(answer.status, 200, "{client_id}: {answer:?}");
    assert_eq!(upstream.seen().len(), before + 1, "{client_id}");
    let seen = upstream.last();
    assert_eq!(seen.body, format!("grant_type=client_credentials&client_id={client_id}"));
    seen
}

/// A refusal, as the application and as the operator sees it.
#[derive(Debug)]
pub struct Refused {
    /// The reason in the log.
    pub reason: String,
    /// The `error_description` of the response.
    pub description: String,
    /// The whole log line.
    pub log: serde_json::Value,
}

/// Asserts that a token request gets 401 `invalid_client` and never reaches the upstream.
pub async fn refused(edge: &Edge, client: &Client, upstream: &Upstream, client_id: &str) -> Refused {
    let before = upstream.seen().len();
    let answer: Answer = client.token(client_id).await;
    let description = answer.oauth_error(401, "invalid_client");
    let body = answer.json();
    assert_eq!(body.as_object().unwrap().len(), 2, "only error and error_description: {body}");
    assert_eq!(upstream.seen().len(), before, "{client_id}: the upstream saw a refused request");
    let log = edge.log_of(&answer);
    let reason = log["reason"].as_str().unwrap_or_else(|| panic!("no reason: {log}")).to_owned();
    Refused { reason, description, log }
}

impl Refused {
    /// Asserts that the response is the same as for any other certificate, and returns the reason in the log.
    pub fn generic_refusal_reason(self) -> String {
        assert_eq!(self.description, NOT_REGISTERED);
        self.reason
    }
}
