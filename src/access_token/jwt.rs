//! JWT access tokens, by the issuer's keys (RFC 9068 section 4, RFC 8725).

use super::{Confirmation, Facts, InvalidToken, IssuerKeys, Rules, TokenType};
use crate::{
    clock::Timestamp,
    jose::{Claims, Jws, TimeRules},
    text,
};

/// Verifies a token. Its binding is not checked yet: see [`check_binding`](super::check_binding).
///
/// # Errors
///
/// The first rule that it breaks.
pub fn verify_jwt(
    token: &str,
    rules: &Rules,
    keys: &IssuerKeys,
    now: Timestamp,
) -> Result<Facts, InvalidToken> {
    let jws = Jws::parse(token).map_err(InvalidToken::Jws)?;
    check_type(&jws, rules.typ)?;
    keys.verify(&jws).map_err(InvalidToken::Key)?;
    let claims = Claims::parse(jws.payload())?;
    if claims.required_string("iss")? != &*rules.issuer {
        return Err(InvalidToken::Issuer);
    }
    let audience = claims.audience()?;
    if !audience.values().any(|value| rules.audiences.iter().any(|own| &**own == value)) {
        return Err(InvalidToken::Audience);
    }
    let lifetime = TimeRules::ACCESS_TOKEN.judge(&claims, now)?;
    let confirmation = Confirmation::parse(claims.get("cnf")).map_err(InvalidToken::Confirmation)?;
    Ok(Facts { expires: Some(lifetime.expires), client_id: client_id(&claims), confirmation })
}

fn check_type(jws: &Jws<'_>, accepted: TokenType) -> Result<(), InvalidToken> {
    let header = jws.header();
    let is_plain = || header.typ().is_none() || header.is_type("JWT");
    if header.is_type("at+jwt") || (accepted == TokenType::AnyJwt && is_plain()) {
        return Ok(());
    }
    let found = header.typ().map(|typ| text::bounded(typ, text::SHORT).into_owned());
    Err(InvalidToken::Type(found))
}

/// `client_id` (RFC 9068 section 2.2), or `azp`, under which servers without RFC 9068 write it.
pub(super) fn client_id(claims: &Claims<'_>) -> Option<Box<str>> {
    let name = |claim| claims.string(claim).ok().flatten();
    name("client_id").or_else(|| name("azp")).map(|id| text::bounded(id, text::SHOWN).into())
}
