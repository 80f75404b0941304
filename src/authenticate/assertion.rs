//! Client assertions: `private_key_jwt` (RFC 7523 section 3, draft-ietf-oauth-rfc7523bis, OpenID Connect Core section 9).
//!
//! [`Assertion::read`] judges what an assertion shows by itself, before anything about its client is looked up, so that its refusal
//! reveals nothing that is registered. [`Assertion::verify`] then verifies the signature, and [`Assertion::use_once`] records its
//! `jti`: last, so that only the holder of a registered key can fill the store, or use up a `jti`.

mod error;
#[cfg(test)]
mod tests;

pub use error::AssertionError;

use crate::{
    clock::Timestamp,
    jose::{Audience, Claims, ClaimsError, Header, Jws, Lifetime, TimeRules, VerifyingKey},
    replay::ReplayStore,
    text,
    trust::{ClientId, Issuer},
};

/// `client_assertion_type` of a JWT (RFC 7523 section 2.2).
pub const JWT: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// `client_assertion_type` of a SAML assertion (RFC 7522 section 2.2).
const SAML: &str = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer";
/// The accepted values of `typ`, which may also be absent (draft-ietf-oauth-rfc7523bis section 4).
const TYPES: [&str; 2] = ["JWT", "client-authentication+jwt"];
/// `typ` of a request object (RFC 9101 section 10.8).
const REQUEST_OBJECT: &str = "oauth-authz-req+jwt";

/// What assertions are judged by, besides the keys of their client.
#[derive(Clone, Copy, Debug)]
pub struct AssertionRules<'a> {
    /// The authorization server for which they must be made; `None` if the domain has none configured.
    pub issuer: Option<&'a Issuer>,
    /// Whether the FAPI 2.0 Security Profile applies: `aud` is the issuer as a string, and fewer algorithms are accepted.
    pub fapi: bool,
    /// The used `jti` values.
    pub used: &'a ReplayStore,
    /// How many of them are remembered at most.
    pub limit: usize,
}

/// An assertion that satisfies every rule but that its signature is not verified.
#[derive(Debug)]
pub(super) struct Assertion<'a> {
    jws: Jws<'a>,
    jti: String,
    expires: Timestamp,
}

impl<'a> Assertion<'a> {
    /// Judges everything but the signature and whether the assertion was used before.
    ///
    /// # Errors
    ///
    /// The first rule that it breaks.
    pub(super) fn read(
        kind: &str,
        assertion: &'a str,
        client_id: &ClientId,
        rules: AssertionRules<'_>,
        now: Timestamp,
    ) -> Result<Self, AssertionError> {
        match kind {
            JWT => {}
            SAML => return Err(AssertionError::Saml),
            other => return Err(AssertionError::Kind(bounded(other))),
        }
        let jws = Jws::parse(assertion).map_err(AssertionError::Jws)?;
        check_type(jws.header())?;
        if rules.fapi && !jws.header().algorithm().is_in_fapi2() {
            return Err(AssertionError::FapiAlgorithm(jws.header().algorithm()));
        }
        let claims = Claims::parse(jws.payload())?;
        // A request object is signed by the same client for the same server; what makes it one is neither issuer nor audience.
        if claims.get("response_type").is_some()
            || (claims.get("client_id").is_some() && claims.get("sub").is_none())
        {
            return Err(AssertionError::RequestObject);
        }
        for name in ["iss", "sub"] {
            let found = claims.required_string(name)?;
            if found != client_id.as_str() {
                return Err(AssertionError::OtherClient { claim: name, found: bounded(found) });
            }
        }
        check_audience(claims.audience()?, rules)?;
        let lifetime = TimeRules::ASSERTION.judge(&claims, now)?;
        check_start(lifetime, rules.used.started())?;
        let jti = claims.required_string("jti")?;
        if jti.is_empty() {
            return Err(ClaimsError::Missing { claim: "jti" }.into());
        }
        Ok(Self { jti: jti.to_owned(), expires: lifetime.expires, jws })
    }

    /// Verifies the signature, and returns the key that made it.
    ///
    /// # Errors
    ///
    /// If none of the keys did.
    pub(super) fn verify<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k VerifyingKey, IntoIter: Clone>,
    ) -> Result<&'k VerifyingKey, AssertionError> {
        self.jws.verify_with(keys).map_err(AssertionError::Key)
    }

    /// Records that the assertion was used.
    ///
    /// # Errors
    ///
    /// If it was used before, or the store is full.
    pub(super) fn use_once(
        &self,
        client_id: &ClientId,
        rules: AssertionRules<'_>,
        now: Timestamp,
    ) -> Result<(), AssertionError> {
        rules
            .used
            .record(client_id.as_str(), &self.jti, self.expires, now, rules.limit)
            .map_err(AssertionError::Replay)
    }
}

/// Whether an assertion, whose signature is not verified, is about this client and no other: `iss` and `sub`.
pub(super) fn names_only(assertion: &str, client_id: &str) -> bool {
    let Ok(jws) = Jws::parse(assertion) else { return false };
    Claims::parse(jws.payload()).is_ok_and(|claims| {
        ["iss", "sub"].iter().all(|name| claims.required_string(name).is_ok_and(|found| found == client_id))
    })
}

/// Judges what an assertion shows by itself: everything but its signature, and whether it was used before.
///
/// # Errors
///
/// The first rule that it breaks.
pub fn read_assertion(
    assertion: &str,
    client_id: &ClientId,
    rules: AssertionRules<'_>,
    now: Timestamp,
) -> Result<(), AssertionError> {
    Assertion::read(JWT, assertion, client_id, rules, now).map(|_| ())
}

/// The client that an assertion names, unverified: its `sub` (RFC 7521 section 4.2, where `client_id` is optional).
pub(super) fn subject(assertion: &str) -> Option<String> {
    let jws = Jws::parse(assertion).ok()?;
    let claims = Claims::parse(jws.payload()).ok()?;
    claims.string("sub").ok()?.map(str::to_owned)
}

/// Refuses tokens that are made for another purpose (RFC 8725 section 3.11).
fn check_type(header: &Header) -> Result<(), AssertionError> {
    match header.typ() {
        None => Ok(()),
        Some(_) if TYPES.into_iter().any(|known| header.is_type(known)) => Ok(()),
        Some(_) if header.is_type(REQUEST_OBJECT) => Err(AssertionError::RequestObject),
        Some(other) => Err(AssertionError::OtherType(bounded(other))),
    }
}

/// Every value must address the domain: an assertion that is also made for another server could be replayed there (RFC 7523
/// section 3, draft-ietf-oauth-rfc7523bis section 4).
fn check_audience(audience: Audience<'_>, rules: AssertionRules<'_>) -> Result<(), AssertionError> {
    let issuer = rules.issuer.ok_or(AssertionError::NoIssuer)?;
    if rules.fapi {
        return match audience {
            Audience::One(value) if value == issuer.identifier() => Ok(()),
            Audience::One(value) => Err(AssertionError::Audience(bounded(value))),
            Audience::Several(_) => Err(AssertionError::FapiAudience),
        };
    }
    match audience.values().find(|value| !issuer.accepts(value)) {
        Some(other) => Err(AssertionError::Audience(bounded(other))),
        None => Ok(()),
    }
}

/// Refuses an assertion that was issued before the process started. Without `iat` it may have been, if its life can have begun so
/// early.
fn check_start(Lifetime { expires, issued }: Lifetime, started: Timestamp) -> Result<(), AssertionError> {
    const LIFE: std::time::Duration = std::time::Duration::from_secs(300);
    match issued {
        Some(issued) if issued < started => Err(AssertionError::BeforeStart),
        None if expires - LIFE < started => Err(AssertionError::PerhapsBeforeStart),
        _ => Ok(()),
    }
}

fn bounded(found: &str) -> String {
    text::bounded(found, text::SHORT).into_owned()
}
