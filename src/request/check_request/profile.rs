//! The FAPI 2.0 Security Profile at the front door: what it requires of all requests and responses of a domain.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, header};

use super::super::{Authenticated, Context, Refusal};
use crate::{
    authenticate::{Denial, Mechanism, MechanismName, client_id},
    authorization_request::fapi::{check_client, check_token, is_authorization_request},
    clock::Clock,
    forward::{Caller, ResponseBody},
    jose::Jws,
    oauth::{ParameterError, Parameters},
    site::{Authenticate, SignedRequest},
};

/// The header of a DPoP proof (RFC 9449 section 4.1).
const DPOP: HeaderName = HeaderName::from_static("dpop");
/// Requires browsers to use TLS for a year (RFC 6797).
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Clauses for all requests but authorization requests.
pub(super) fn check(request: &Authenticated, parameters: &Parameters, clock: &Clock) -> Result<(), Refusal> {
    let Authenticated { context, route, application, certificate, caller, .. } = request;
    // With the methods that have a body, `get` is the value of the body; a server may use that of the query.
    let has_body = !matches!(context.head.method, Method::GET | Method::HEAD);
    if has_body && parameters.places("grant_type").query {
        return Err(Refusal::Parameter(ParameterError::InQuery("grant_type")));
    }
    let is_for_clients = route.authenticate == Authenticate::Client;
    if is_for_clients || parameters.get("grant_type").is_some() {
        check_client(application.as_deref()).map_err(|error| match caller {
            Caller::Anonymous if is_for_clients => denial(context, parameters, clock),
            _ => error.into(),
        })?;
        check_token(parameters, certificate.is_some() || has_proof(&context.head.headers))?;
    }
    Ok(())
}

/// The denial that an unknown client would get.
fn denial(context: &Context, parameters: &Parameters, clock: &Clock) -> Refusal {
    let client_id = match client_id(parameters) {
        Ok(client_id) => client_id,
        Err(error) => return Refusal::Parameter(error),
    };
    let mechanism = match Mechanism::of(&context.head.headers, parameters) {
        Ok(mechanism) => mechanism.name(),
        Err(error) => return Refusal::Mechanism(error),
    };
    let certificate = context.connection.identity.as_ref().map(|identity| &identity.certificate);
    Refusal::ProfileDenied(match (mechanism, certificate) {
        (MechanismName::Certificate, None) => Denial::NoCredential(client_id),
        (MechanismName::Certificate, Some(Err(error))) => Denial::Unreadable(error.clone()),
        (MechanismName::Certificate, Some(Ok(certificate))) => {
            Denial::of_validity(certificate.validity(), clock.now())
                .unwrap_or(Denial::UnknownClient(client_id))
        }
        (other, _) => Denial::UnknownClientBy(client_id, other),
    })
}

/// Whether a request has exactly one well-formed DPoP proof. The server verifies it: it issues the token, and has the nonce.
fn has_proof(headers: &HeaderMap) -> bool {
    let mut proofs = headers.get_all(DPOP).iter();
    let (Some(proof), None) = (proofs.next(), proofs.next()) else { return false };
    let proof = proof.to_str().ok().and_then(|proof| Jws::parse_with_jwk(proof).ok());
    proof.is_some_and(|(jws, _)| jws.header().is_type("dpop+jwt"))
}

/// Whether a request of a browser is for the authorization endpoint.
pub(super) fn is_authorization_endpoint(request: &Authenticated) -> bool {
    let Authenticated { context, route, .. } = request;
    let is_authorization = context.parameters.as_ref().is_some_and(is_authorization_request);
    route.signed_request != SignedRequest::Off || is_authorization
}

/// The response to a browser: without CORS at the authorization endpoint, so that no script can read it, and with HSTS (both
/// section 5.2.3).
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
