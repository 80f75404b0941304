//! Token introspection (RFC 7662): the form that is sent, and the meaning of the response.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Confirmation, Facts, InvalidToken, Rules, jwt};
use crate::{
    clock::Timestamp,
    jose::{Claims, ClaimsError, TimeRules},
};

/// The characters that a form does not encode (WHATWG URL), but for the space.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*');
const SKEW: i64 = TimeRules::SKEW;

/// Why an introspection response cannot be used. The token is neither accepted nor known to be invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntrospectionError {
    /// Not one JSON object without repeated members.
    #[error("the introspection response is not usable: {0}")]
    Malformed(ClaimsError),
    /// `active` is missing or not a boolean.
    #[error("the introspection response has no boolean active")]
    Active,
}

/// The form of an introspection request (RFC 7662 section 2.1).
#[must_use]
pub fn introspection_form(token: &str) -> String {
    format!("token={}&token_type_hint=access_token", utf8_percent_encode(token, FORM))
}

/// Judges an introspection response (RFC 7662 section 2.2). The inner result is about the token, and may be cached.
///
/// # Errors
///
/// If the response cannot be used.
pub fn introspected(
    response: &[u8],
    rules: &Rules,
    now: Timestamp,
) -> Result<Result<Facts, InvalidToken>, IntrospectionError> {
    let claims = Claims::parse(response).map_err(IntrospectionError::Malformed)?;
    match claims.get("active").and_then(serde_json::Value::as_bool) {
        None => Err(IntrospectionError::Active),
        Some(false) => Ok(Err(InvalidToken::Inactive)),
        Some(true) => Ok(active(&claims, rules, now)),
    }
}

fn active(claims: &Claims<'_>, rules: &Rules, now: Timestamp) -> Result<Facts, InvalidToken> {
    // Some servers introspect refresh tokens, too, and name the kind of a token in one of these.
    for member in ["token_use", "token_type", "typ"] {
        let kind = claims.get(member).and_then(serde_json::Value::as_str).unwrap_or_default();
        if ["refresh_token", "refresh", "id_token", "id"].iter().any(|other| kind.eq_ignore_ascii_case(other))
        {
            return Err(InvalidToken::NotAnAccessToken);
        }
    }
    if claims.string("iss")?.is_some_and(|issuer| issuer != &*rules.issuer) {
        return Err(InvalidToken::Issuer);
    }
    if !rules.audiences.is_empty() {
        let audience = claims.audience()?;
        if !audience.values().any(|value| rules.audiences.iter().any(|own| &**own == value)) {
            return Err(InvalidToken::Audience);
        }
    }
    let expires = claims.time("exp")?;
    if let Some(expires) = expires.filter(|expires| *expires <= now) {
        return Err(ClaimsError::Expired { seconds: now.seconds_since(expires) }.into());
    }
    for claim in ["iat", "nbf"] {
        let seconds = claims.time(claim)?.map_or(0, |time| time.seconds_since(now));
        if seconds > SKEW {
            return Err(ClaimsError::InTheFuture { claim, seconds, limit: SKEW }.into());
        }
    }
    let confirmation = Confirmation::parse(claims.get("cnf")).map_err(InvalidToken::Confirmation)?;
    Ok(Facts { expires, client_id: jwt::client_id(claims), confirmation })
}
