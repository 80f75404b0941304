//! The responses to refused requests: OAuth errors in JSON (RFC 6749 section 5.2). The texts of 401 responses are in
//! `authenticate::Denial::description`, all others here.

mod code;

use std::time::Duration;

use http::{HeaderValue, Method, Response, StatusCode, Version, header};

use super::{
    challenge::{challenge, is_decoded_basic},
    token_challenge,
};
use crate::{
    access_token::TokenRefusal,
    authenticate::{Denial, MechanismError},
    authorization_request::{FapiError, RequestError},
    forward::{BodyFault, Caller, ForwardError, ResponseBody},
    oauth::ParameterError,
    observe::metrics::Outcome,
    site::RouteError,
    vouch::TooLarge,
};

/// Appended to the description of a 401 if form-decoding changes the `client_id` or the secret of HTTP Basic.
const DECODED: &str = "; HTTP Basic carries the client_id and the secret form-encoded (RFC 6749, section 2.3.1): send a + as %2B and a % as %25";

/// Why a request is refused.
#[derive(Debug)]
pub enum Refusal {
    /// CONNECT, or an `Upgrade` that cannot be ignored.
    Upgrade,
    /// `Host` is missing, repeated or not a valid authority.
    Host,
    /// The authority differs from the connection's server name.
    Misdirected,
    /// The client's address is not allowed.
    Address,
    /// The client's address has sent too many requests, and may send the next after this time.
    AddressRate(Duration),
    /// The application has sent too many requests, and may send the next after this time.
    ApplicationRate(Duration),
    /// The request was not complete within `request_timeout`.
    Overdue {
        /// Whether more of its body may arrive.
        is_body_unread: bool,
    },
    /// The request has more header fields than this limit.
    Headers(usize),
    /// A field value over HTTP/2 has leading or trailing whitespace.
    SurroundingWhitespace,
    /// A field name over HTTP/2 is not a token.
    FieldName,
    /// A query parameter overrides the method by which the route was matched.
    MethodOverride,
    /// No route matches the path.
    NotFound {
        /// Whether upstreams may interpret the path in different ways.
        ambiguous: bool,
    },
    /// The path is longer than this limit in bytes.
    PathTooLong(usize),
    /// The route allows only these methods.
    Method(Vec<Method>),
    /// The request names no client, or upstreams may read its parameters in different ways.
    Parameter(ParameterError),
    /// The request has several mechanisms of client authentication, or an incomplete one.
    Mechanism(MechanismError),
    /// The authorization request breaks a rule.
    AuthorizationRequest(RequestError),
    /// The request breaks a clause of the domain's security profile.
    Profile(FapiError),
    /// The client's method breaks a clause of the profile, which only a client that has authenticated may learn: others get this
    /// denial, as if it were unknown.
    ProfileDenied(Denial),
    /// The domain requires a certificate since a reload, and this connection has none.
    CertificateRequired,
    /// Authentication was denied.
    Denied(Denial),
    /// The access token of a resource request is missing, not valid, or cannot be verified.
    Token(TokenRefusal),
    /// The certificate is too large for the header of the profile.
    TooLarge(TooLarge),
    /// The request body is too long, too slow or incomplete.
    Body(BodyFault),
    /// The upstream failed.
    Forward(ForwardError),
}

impl Refusal {
    /// The response's status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Upgrade => StatusCode::NOT_IMPLEMENTED,
            Self::Token(refusal) => match refusal {
                TokenRefusal::Missing | TokenRefusal::Invalid { .. } => StatusCode::UNAUTHORIZED,
                TokenRefusal::Request(_) => StatusCode::BAD_REQUEST,
                TokenRefusal::Unavailable(_) | TokenRefusal::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
            },
            Self::Profile(FapiError::ClientMethod) => StatusCode::UNAUTHORIZED,
            Self::Host
            | Self::SurroundingWhitespace
            | Self::FieldName
            | Self::MethodOverride
            | Self::Parameter(_)
            | Self::AuthorizationRequest(_)
            | Self::Profile(_)
            | Self::Mechanism(_)
            | Self::Denied(Denial::SecondMechanism { .. })
            | Self::Body(BodyFault::Broken) => StatusCode::BAD_REQUEST,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::Address => StatusCode::FORBIDDEN,
            Self::AddressRate(_) | Self::ApplicationRate(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Headers(_) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::NotFound { .. } => StatusCode::NOT_FOUND,
            Self::PathTooLong(_) => StatusCode::URI_TOO_LONG,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Denied(denial) if denial.is_temporary() => StatusCode::SERVICE_UNAVAILABLE,
            Self::CertificateRequired | Self::Denied(_) | Self::ProfileDenied(_) | Self::TooLarge(_) => {
                StatusCode::UNAUTHORIZED
            }
            Self::Body(BodyFault::TooLarge(_)) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Body(BodyFault::Slow(_)) | Self::Overdue { is_body_unread: true } => {
                StatusCode::REQUEST_TIMEOUT
            }
            Self::Body(BodyFault::NoRoom)
            | Self::Forward(ForwardError::Unreachable { .. } | ForwardError::Busy { .. }) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Forward(ForwardError::Broken { .. } | ForwardError::Body(_)) => StatusCode::BAD_GATEWAY,
            Self::Forward(ForwardError::Slow { .. }) | Self::Overdue { is_body_unread: false } => {
                StatusCode::GATEWAY_TIMEOUT
            }
        }
    }

    /// How the metrics count it: a 503 for lack of memory in the edge is not an upstream failure, nor are those that clients cause by sending
    /// more than their share: strangers that of connections, any client that of introspection.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Body(BodyFault::NoRoom)
            | Self::Token(TokenRefusal::Busy(_))
            | Self::Forward(ForwardError::Busy { caller: Caller::Anonymous, .. }) => Outcome::Refused,
            Self::Denied(denial) if denial.is_temporary() => Outcome::Refused,
            other => Outcome::of(other.status()),
        }
    }

    /// The OAuth error code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Denied(Denial::SecondMechanism { .. }) => "invalid_request",
            Self::Denied(denial) if denial.is_temporary() => "temporarily_unavailable",
            Self::CertificateRequired | Self::Denied(_) | Self::ProfileDenied(_) | Self::TooLarge(_) => {
                "invalid_client"
            }
            Self::AuthorizationRequest(error) => error.code(),
            Self::Token(TokenRefusal::Invalid { .. }) => "invalid_token",
            Self::Profile(error) => error.code(),
            Self::Address => "access_denied",
            Self::AddressRate(_)
            | Self::ApplicationRate(_)
            | Self::Overdue { is_body_unread: false }
            | Self::Body(BodyFault::NoRoom)
            | Self::Token(TokenRefusal::Unavailable(_) | TokenRefusal::Busy(_))
            | Self::Forward(
                ForwardError::Unreachable { .. } | ForwardError::Busy { .. } | ForwardError::Slow { .. },
            ) => "temporarily_unavailable",
            Self::Forward(_) => "server_error",
            _ => "invalid_request",
        }
    }

    /// The `error_description`: what the application's developer can fix. It reveals nothing about other applications.
    #[must_use]
    pub fn description(&self) -> String {
        match self {
            Self::Upgrade => {
                "this server neither upgrades connections (WebSocket) nor tunnels (CONNECT)".into()
            }
            Self::Host => "the request must carry exactly one valid Host header".into(),
            Self::Misdirected => {
                "the Host differs from the server name of the TLS connection: open a connection for this host"
                    .into()
            }
            Self::Address => "this server does not serve your address".into(),
            Self::AddressRate(_) => "too many requests from your address: try again later".into(),
            Self::ApplicationRate(_) => "too many requests of this client: try again later".into(),
            Self::Overdue { is_body_unread: true } => {
                "the request took too long: its body has not arrived completely".into()
            }
            Self::Overdue { is_body_unread: false } => {
                "the request took too long: the authorization server has not responded yet".into()
            }
            Self::Headers(limit) => format!("the request has more than {limit} header fields"),
            Self::SurroundingWhitespace => {
                "a header's value begins or ends with a space or a tab: remove it (RFC 9113, section 8.2.1)"
                    .into()
            }
            Self::FieldName => "a header's name has a quotation mark (RFC 9110, section 5.6.2)".into(),
            Self::MethodOverride => ParameterError::MethodOverride.to_string(),
            Self::NotFound { ambiguous: false } => "no such endpoint".into(),
            Self::NotFound { ambiguous: true } => {
                "no such endpoint: write the path without escapes, dot segments, doubled slashes, or an extension"
                    .into()
            }
            Self::PathTooLong(limit) => format!("the path is longer than {limit} bytes"),
            Self::Method(methods) => {
                let list: Vec<&str> = methods.iter().map(Method::as_str).collect();
                format!("method not allowed; allowed methods: {}", list.join(", "))
            }
            Self::Parameter(error) => error.to_string(),
            Self::AuthorizationRequest(error) => error.description().into_owned(),
            Self::Profile(error) => error.to_string(),
            Self::Mechanism(error) => error.to_string(),
            Self::CertificateRequired => Denial::NoCertificate.description().into_owned(),
            Self::Token(refusal) => refusal.description(),
            Self::Denied(denial) | Self::ProfileDenied(denial) => denial.description().into_owned(),
            Self::TooLarge(TooLarge { bytes, limit, .. }) => format!(
                "the client certificate is too large to forward ({bytes} bytes encoded, {limit} allowed): use a shorter key or fewer names"
            ),
            Self::Body(fault) => fault.to_string(),
            Self::Forward(ForwardError::Unreachable { .. }) => {
                "the authorization server is unreachable: try again later".into()
            }
            Self::Forward(ForwardError::Busy { .. }) => {
                "the authorization server is busy: try again later".into()
            }
            Self::Forward(ForwardError::Slow { .. }) => {
                "the authorization server did not respond in time".into()
            }
            Self::Forward(_) => "the authorization server did not complete its response".into(),
        }
    }

    /// The reason with all details, for the log.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Denied(denial) => denial.to_string(),
            Self::ProfileDenied(_) => FapiError::ClientMethod.to_string(),
            Self::Token(refusal) => refusal.to_string(),
            Self::AuthorizationRequest(error) => error.to_string(),
            Self::Forward(error) => error.to_string(),
            other => other.description(),
        }
    }

    /// Whether the rest of the body may be read: not if it was too slow or incomplete.
    #[must_use]
    pub const fn may_read_body(&self) -> bool {
        !matches!(
            self,
            Self::Body(BodyFault::Slow(_) | BodyFault::Broken) | Self::Overdue { is_body_unread: true }
        )
    }

    /// Whether to close the connection: its certificate is not trusted, or its framing is lost.
    #[must_use]
    pub fn closes(&self, version: Version) -> bool {
        match self {
            // Over HTTP/2 only the stream has ended. GOAWAY would end other requests of some clients (Java's `HttpClient`), and this one
            // while its body is being sent.
            Self::Body(_) | Self::Overdue { is_body_unread: true } | Self::Upgrade => {
                version < Version::HTTP_2
            }
            // Without a certificate, a browser can use the connection for routes that need none.
            Self::Denied(denial) | Self::ProfileDenied(denial) => denial.is_of_connection(),
            Self::Address | Self::CertificateRequired | Self::TooLarge(_) => true,
            _ => false,
        }
    }

    /// Builds the response, without the request's id. `authorization` is that of the request; `realm` is for the challenge.
    #[must_use]
    pub fn response(&self, authorization: Option<&HeaderValue>, realm: &str) -> Response<ResponseBody> {
        if let Self::Token(refusal) = self {
            return token_challenge::response(refusal, self.status(), self.code(), realm);
        }
        let mut description = self.description();
        if self.status() == StatusCode::UNAUTHORIZED && authorization.is_some_and(is_decoded_basic) {
            description.push_str(DECODED);
        }
        let body = serde_json::json!({ "error": self.code(), "error_description": description });
        let mut response = Response::new(ResponseBody::from_edge(body.to_string()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status() == StatusCode::UNAUTHORIZED
            && let Some(challenge) = authorization
                .and_then(|authorization| challenge(authorization, realm, self.code(), &description))
        {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        match self {
            Self::Method(methods) => {
                let list: Vec<&str> = methods.iter().map(Method::as_str).collect();
                if let Ok(allow) = HeaderValue::from_str(&list.join(", ")) {
                    headers.insert(header::ALLOW, allow);
                }
            }
            Self::Body(BodyFault::NoRoom)
            | Self::Forward(ForwardError::Unreachable { .. } | ForwardError::Busy { .. }) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
            }
            Self::Denied(denial) if denial.is_temporary() => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
            }
            Self::AddressRate(wait) | Self::ApplicationRate(wait) => {
                let seconds = wait.as_millis().div_ceil(1000).max(1);
                headers.insert(header::RETRY_AFTER, u64::try_from(seconds).unwrap_or(u64::MAX).into());
            }
            _ => {}
        }
        response
    }
}

impl From<BodyFault> for Refusal {
    fn from(fault: BodyFault) -> Self {
        Self::Body(fault)
    }
}

impl From<ForwardError> for Refusal {
    fn from(error: ForwardError) -> Self {
        match error {
            ForwardError::Body(fault) => Self::Body(fault),
            other => Self::Forward(other),
        }
    }
}

impl From<RouteError> for Refusal {
    fn from(error: RouteError) -> Self {
        match error {
            RouteError::NotFound => Self::NotFound { ambiguous: false },
            RouteError::Ambiguous => Self::NotFound { ambiguous: true },
            RouteError::TooLong(limit) => Self::PathTooLong(limit),
            RouteError::Method(methods) => Self::Method(methods),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_exhaust_is_no_upstream_failure() {
        let busy = |caller| {
            let (upstream, reason) = ("as".to_owned(), "its limit".to_owned());
            Refusal::Forward(ForwardError::Busy { upstream, reason, caller })
        };
        let token = |refusal: fn(String) -> TokenRefusal| Refusal::Token(refusal("why".to_owned()));
        for (refusal, outcome) in [
            (busy(Caller::Anonymous), Outcome::Refused),
            (busy(Caller::Authenticated), Outcome::UpstreamFailed),
            (token(TokenRefusal::Busy), Outcome::Refused),
            (token(TokenRefusal::Unavailable), Outcome::UpstreamFailed),
        ] {
            assert_eq!((refusal.status(), refusal.outcome()), (StatusCode::SERVICE_UNAVAILABLE, outcome));
        }
    }
}
