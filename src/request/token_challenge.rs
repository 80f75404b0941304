//! The responses to refused resource requests, with their challenges (RFC 6750 section 3, RFC 9449 section 7.1).

use http::{HeaderValue, Response, StatusCode, header};

use super::challenge::quoted;
use crate::{
    access_token::{Scheme, TokenRefusal},
    forward::ResponseBody,
    jose::Algorithm,
};

/// The response to a refused request, with this status and error code.
pub(super) fn response(
    refusal: &TokenRefusal,
    status: StatusCode,
    code: &str,
    realm: &str,
) -> Response<ResponseBody> {
    let description = refusal.description();
    let body = match refusal {
        // A request without credentials gets no error information (RFC 6750 section 3.1).
        TokenRefusal::Missing => String::new(),
        _ => serde_json::json!({ "error": code, "error_description": description }).to_string(),
    };
    let has_body = !body.is_empty();
    let mut response = Response::new(ResponseBody::from_edge(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if has_body {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let error = |scheme| error(scheme, realm, code, &description);
    let challenges = match refusal {
        TokenRefusal::Missing => missing(realm).to_vec(),
        TokenRefusal::Request(_) => vec![error(Scheme::Bearer)],
        TokenRefusal::Invalid { scheme, .. } => vec![error(*scheme)],
        TokenRefusal::Unavailable(_) | TokenRefusal::Busy(_) => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
            Vec::new()
        }
    };
    for challenge in challenges.into_iter().filter_map(|text| HeaderValue::try_from(text).ok()) {
        headers.append(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// Without a token: both schemes, and no error code.
fn missing(realm: &str) -> [String; 2] {
    let realm = quoted(realm);
    [format!("Bearer realm={realm}"), format!("DPoP realm={realm}, algs=\"{}\"", algorithms())]
}

fn error(scheme: Scheme, realm: &str, code: &str, description: &str) -> String {
    let (name, realm, description) = (scheme.as_str(), quoted(realm), quoted(description));
    let algs = match scheme {
        Scheme::Bearer => String::new(),
        Scheme::Dpop => format!(", algs=\"{}\"", algorithms()),
    };
    format!("{name} realm={realm}, error=\"{code}\", error_description={description}{algs}")
}

/// The algorithms of DPoP proofs, separated by spaces.
fn algorithms() -> String {
    Algorithm::ALL.map(Algorithm::as_str).join(" ")
}
