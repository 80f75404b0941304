//! Verification of a request object (RFC 9101 section 6).

use std::{borrow::Cow, collections::BTreeSet};

use serde_json::Value;

use super::{Contradictions, Outside, RequestError};
use crate::{
    clock::Timestamp,
    jose::{Claims, ClaimsError, Jws, TimeRules},
    trust::{Application, Credential, Issuer, RegisteredKey},
};

/// The values of `typ` of a request object, which may have none: its own (RFC 9101 section 10.8), and that of any JWT.
const TYPES: [&str; 2] = ["oauth-authz-req+jwt", "jwt"];
/// A verified request object, whose claims are the parameters of the request.
#[derive(Debug)]
pub struct RequestObject<'a> {
    claims: Claims<'static>,
    /// The request key of the application that verified it.
    pub key: &'a Credential<RegisteredKey>,
}

impl<'a> RequestObject<'a> {
    /// A request object lives at most the 60 minutes of FAPI 1.0 Advanced and of FAPI 2.0 Message Signing.
    pub const TIMES: TimeRules = TimeRules { max_life: Some(3600), skew: TimeRules::SKEW };

    /// Verifies a request object with the request keys of the application that the request names. `issuer` is that of the domain.
    ///
    /// It may be used again: a browser that reloads the page sends the same request.
    ///
    /// # Errors
    ///
    /// The first rule that it breaks.
    pub fn verify(
        object: &str,
        application: &'a Application,
        outside: &Outside<'_>,
        issuer: Option<&Issuer>,
        now: Timestamp,
    ) -> Result<Self, RequestError> {
        let issuer = issuer.ok_or(RequestError::NoIssuer)?;
        let jws = Jws::parse(object)?;
        let header = jws.header();
        if header.typ().is_some() && !TYPES.iter().any(|known| header.is_type(known)) {
            return Err(RequestError::Type);
        }
        let keys = application.request_keys.as_ref().ok_or(RequestError::NoKey)?;
        let in_force = || keys.iter().filter(|key| !key.is_expired(now));
        if in_force().next().is_none() {
            return Err(RequestError::ExpiredKeys);
        }
        let verified_by = jws.verify_with(in_force().map(|key| &*key.registered.key))?;
        let key = in_force()
            .find(|key| std::ptr::eq(&raw const *key.registered.key, verified_by))
            .ok_or(RequestError::NoKey)?;
        let claims = Claims::parse(jws.payload())?;
        check_client(&claims, application.client_id.as_str())?;
        check_audience(&claims, issuer)?;
        check_times(&claims, now)?;
        check_parameters(&claims, outside)?;
        Ok(Self { claims: claims.into_owned(), key })
    }

    /// A parameter of the request that is a string in the object, and not empty.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.claims.get(name).and_then(Value::as_str).filter(|value| !value.is_empty())
    }

    /// The parameters outside that differ from those in the object. Every occurrence of a repeated one is compared.
    #[must_use]
    pub fn contradictions<'o>(
        &self,
        outside: impl IntoIterator<Item = (Cow<'o, str>, Cow<'o, str>)>,
    ) -> Contradictions {
        Contradictions::between(&self.claims, outside)
    }

    /// What may be outside alone: the request object itself, and how its client is named and authenticates.
    const OUTSIDE: [&'static str; 5] =
        ["client_id", "request", "client_secret", "client_assertion", "client_assertion_type"];

    /// The names of the parameters that are only outside, which a server must not use (RFC 9101 section 6.3), in alphabetical order.
    #[must_use]
    pub fn only_outside<'n>(&self, outside: impl IntoIterator<Item = &'n str>) -> Option<String> {
        let is_only_outside = |name: &&str| !Self::OUTSIDE.contains(name) && self.claims.get(name).is_none();
        let names: BTreeSet<&str> = outside.into_iter().filter(is_only_outside).collect();
        (!names.is_empty()).then(|| names.into_iter().collect::<Vec<_>>().join(", "))
    }
}

/// The object is from the client that the request names, and not an assertion for its authentication, which has `sub`.
fn check_client(claims: &Claims<'_>, client_id: &str) -> Result<(), RequestError> {
    if claims.required_string("client_id")? != client_id {
        return Err(RequestError::OtherClient);
    }
    if claims.required_string("iss")? != client_id {
        return Err(RequestError::Issuer);
    }
    if claims.string("sub")? == Some(client_id) {
        return Err(RequestError::Subject);
    }
    match claims.string("jti")? {
        Some(id) if id.is_empty() || id.len() > RequestError::LONGEST_JTI => Err(RequestError::Id),
        _ => Ok(()),
    }
}

/// `aud` contains the issuer. Other values are allowed beside it, unlike in an assertion: FAPI requires servers to accept them, and
/// another recipient of the object could not send anything but the same request.
fn check_audience(claims: &Claims<'_>, issuer: &Issuer) -> Result<(), RequestError> {
    if claims.audience()?.values().any(|audience| issuer.accepts(audience)) {
        Ok(())
    } else {
        Err(RequestError::Audience { expected: issuer.identifier().into() })
    }
}

fn check_times(claims: &Claims<'_>, now: Timestamp) -> Result<(), RequestError> {
    const TIMES: TimeRules = RequestObject::TIMES;
    let lifetime = TIMES.judge(claims, now)?;
    if let (Some(limit), Some(begins)) = (TIMES.max_life, claims.time("nbf")?) {
        let seconds = lifetime.expires.seconds_since(begins);
        if seconds > limit {
            return Err(RequestError::LifeTooLong { seconds, limit });
        }
    }
    Ok(())
}

fn check_parameters(claims: &Claims<'_>, outside: &Outside<'_>) -> Result<(), RequestError> {
    for nested in ["request", "request_uri"] {
        if claims.get(nested).is_some() {
            return Err(RequestError::Nested(nested));
        }
    }
    let response_type = claims.required_string("response_type")?;
    if response_type.is_empty() {
        return Err(ClaimsError::Missing { claim: "response_type" }.into());
    }
    // RFC 9101 does not require it outside.
    if outside.response_type.is_some_and(|outside| outside != response_type) {
        return Err(RequestError::OtherResponseType);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
