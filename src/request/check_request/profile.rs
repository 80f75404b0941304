//! The FAPI 2.0 Security Profile at the front door: what it requires of all requests and responses of a domain.

use http::{HeaderName, HeaderValue, Response, header};

use super::super::Authenticated;
use crate::{
    authorization_request::{
        FapiError,
        fapi::{check_client, check_query, check_token, is_authorization_request},
    },
    forward::ResponseBody,
    oauth::RequestParameters,
    site::{Authenticate, SignedRequest},
};

/// The header of a DPoP proof (RFC 9449 section 4.1).
const DPOP: HeaderName = HeaderName::from_static("dpop");
/// Tells browsers to use TLS for a year (RFC 6797).
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Clauses for all requests but authorization requests.
pub(super) fn check(request: &Authenticated, parameters: &RequestParameters) -> Result<(), FapiError> {
    let Authenticated { context, route, application, certificate, .. } = request;
    check_query(parameters)?;
    let is_for_clients = route.authenticate == Authenticate::Client;
    if is_for_clients || parameters.get("grant_type").is_some() {
        check_client(application.as_deref())?;
        let is_bound = certificate.is_some() || context.head.headers.contains_key(DPOP);
        check_token(parameters, is_bound)?;
    }
    Ok(())
}

/// Whether a request of a browser is for the authorization endpoint.
pub(super) fn is_authorization_endpoint(request: &Authenticated) -> bool {
    let Authenticated { context, route, .. } = request;
    let is_authorization = context.parameters.as_ref().is_some_and(is_authorization_request);
    route.signed_request != SignedRequest::Off || is_authorization
}

/// The response to a browser: without CORS at the authorization endpoint (section 5.2.2.2), so that no script can read it, and with
/// HSTS (section 5.2.2.1).
pub(super) fn for_browsers(
    mut response: Response<ResponseBody>,
    is_authorization_endpoint: bool,
) -> Response<ResponseBody> {
    let headers = response.headers_mut();
    if is_authorization_endpoint {
        for name in [
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            header::ACCESS_CONTROL_ALLOW_METHODS,
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            header::ACCESS_CONTROL_MAX_AGE,
        ] {
            headers.remove(name);
        }
    }
    headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(HSTS);
    response
}
