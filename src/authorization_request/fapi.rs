//! The clauses of the FAPI 2.0 Security Profile (final) about requests: sections 5.3.2.1, 5.3.2.2 and 5.3.3.2, 5.3.4 for access
//! tokens, and 5.4.1 for algorithms.

use super::{RequestObject, error::FapiError};
use crate::{
    oauth::{Interest, Parameters, form_names},
    trust::{Application, Method},
};

/// The parameters that make a request an authorization request, at whatever path: a server that is called with one of these
/// could answer with a code or a token.
const OF_AUTHORIZATION: [&str; 4] = ["response_type", "request", "request_uri", "code_challenge"];
/// The parameter of RFC 6750 section 2.3.
static ACCESS_TOKEN: Interest<1> = Interest::new(["access_token"]);
/// What must not be sent beside a reference to a pushed request.
const ONLY_PUSHED: [&str; 5] =
    ["response_type", "redirect_uri", "code_challenge", "code_challenge_method", "request"];

/// Whether a request is an authorization request, pushed or not.
#[must_use]
pub fn is_authorization_request(parameters: &Parameters) -> bool {
    OF_AUTHORIZATION.iter().any(|name| parameters.places(name).is_anywhere())
}

/// Whether a request of a client that has authenticated is a pushed authorization request. One without `response_type` is one, too:
/// a server may have a default.
#[must_use]
pub fn is_pushed_request(parameters: &Parameters) -> bool {
    let has = |name| parameters.places(name).is_anywhere();
    is_authorization_request(parameters) || (has("redirect_uri") && !has("grant_type"))
}

/// Clauses for all requests.
///
/// # Errors
///
/// If an access token is in the query (RFC 6750 section 2.3).
pub fn check_query(query: Option<&str>) -> Result<(), FapiError> {
    match query {
        Some(query) if form_names(query.as_bytes(), &ACCESS_TOKEN) => Err(FapiError::TokenInQuery),
        _ => Ok(()),
    }
}

/// Clauses for the authorization endpoint, after the request is known to refer to a pushed one.
///
/// # Errors
///
/// If the request has parameters that must be pushed.
pub fn check_reference(parameters: &Parameters) -> Result<(), FapiError> {
    match ONLY_PUSHED.iter().find(|name| parameters.places(name).is_anywhere()) {
        Some(name) => Err(FapiError::BesideReference(name)),
        None => Ok(()),
    }
}

/// Clauses for clients: they authenticate by mTLS or by an assertion. `None` for one that is not registered.
///
/// # Errors
///
/// If the client is public, or uses a secret.
pub fn check_client(application: Option<&Application>) -> Result<(), FapiError> {
    match application.map(|application| &application.method) {
        Some(Method::Tls(_) | Method::PrivateKeyJwt(_)) => Ok(()),
        Some(Method::ClientSecret { .. } | Method::None) | None => Err(FapiError::ClientMethod),
    }
}

/// Clauses for token requests. `is_bound` if the client presents a certificate that is vouched for, or a DPoP proof.
///
/// # Errors
///
/// For the grant by password, and for a token that would not be bound.
pub fn check_token(parameters: &Parameters, is_bound: bool) -> Result<(), FapiError> {
    match parameters.get("grant_type") {
        Some("password") => Err(FapiError::PasswordGrant),
        Some(_) if !is_bound => Err(FapiError::Unbound),
        _ => Ok(()),
    }
}

/// Where the parameters of a pushed request are.
#[derive(Clone, Copy, Debug)]
pub enum Pushed<'r> {
    /// In the request.
    Parameters(&'r Parameters),
    /// In its verified request object.
    Object(&'r RequestObject<'r>),
}

impl<'r> Pushed<'r> {
    fn get(self, name: &str) -> Option<&'r str> {
        match self {
            Self::Parameters(parameters) => parameters.get(name),
            Self::Object(object) => object.parameter(name),
        }
    }

    /// Clauses for pushed requests.
    ///
    /// # Errors
    ///
    /// The first clause that the request breaks.
    pub fn check(self) -> Result<(), FapiError> {
        if let Self::Object(object) = self {
            let algorithm = object.key.registered.key.algorithm();
            if !algorithm.is_in_fapi2() {
                return Err(FapiError::Algorithm(algorithm));
            }
        }
        if self.get("response_type") != Some("code") {
            return Err(FapiError::ResponseType);
        }
        let redirect_uri = self.get("redirect_uri").ok_or(FapiError::NoRedirectUri)?;
        if !is_confidential(redirect_uri) {
            return Err(FapiError::RedirectUri);
        }
        if self.get("code_challenge").is_none() || self.get("code_challenge_method") != Some("S256") {
            return Err(FapiError::Challenge);
        }
        Ok(())
    }
}

/// Whether a response to this URI is encrypted, or stays on the user's machine (RFC 8252 section 7).
fn is_confidential(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    // RFC 3986 section 3.1.
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if !scheme.eq_ignore_ascii_case("http") {
        return is_scheme;
    }
    let Some(authority) = rest.strip_prefix("//") else { return false };
    // A backslash ends the authority in a browser, but not by RFC 3986: then it is part of the host here, which is none of these.
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port),
        None => {
            authority.split_at_checked(authority.find(':').unwrap_or(authority.len())).unwrap_or_default()
        }
    };
    let is_port = port.is_empty()
        || port.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    is_port && ["127.0.0.1", "::1", "localhost"].contains(&host)
}

#[cfg(test)]
mod tests;
