//! Whether a request presents the token of the admin address.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, header};
use zeroize::Zeroizing;

use crate::site::AdminRules;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It presents no token; a browser's first request never does.
    Missing,
    /// It presents another token, or one that cannot be read.
    Invalid,
}

/// Checks the token, if there is one: as Bearer (RFC 6750), or as the password of any user (RFC 7617), which is what browsers can send.
pub(super) fn check(headers: &HeaderMap, rules: &AdminRules) -> Result<(), Refused> {
    if rules.tokens.is_empty() {
        return Ok(());
    }
    let mut fields = headers.get_all(header::AUTHORIZATION).iter();
    let field = fields.next().ok_or(Refused::Missing)?;
    if fields.next().is_some() {
        return Err(Refused::Invalid);
    }
    let presented = field.to_str().ok().and_then(presented).ok_or(Refused::Invalid)?;
    if rules.accept(&presented) { Ok(()) } else { Err(Refused::Invalid) }
}

/// The token in a field value.
fn presented(field: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (scheme, value) = field.split_once(' ')?;
    let value = value.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Zeroizing::new(value.as_bytes().to_vec()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = Zeroizing::new(STANDARD.decode(value).ok()?);
    let colon = pair.iter().position(|byte| *byte == b':')?;
    pair.get(colon + 1..).map(|password| Zeroizing::new(password.to_vec()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::site::AdminToken;

    fn checked(fields: &[&str]) -> Result<(), Refused> {
        let tokens = ["first-token-12345", "second:token+abc="].map(|token| AdminToken::of(token.as_bytes()));
        let rules = AdminRules { tokens: tokens.to_vec(), ..AdminRules::default() };
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(field).unwrap());
        }
        check(&headers, &rules)
    }

    #[test]
    fn a_token_is_presented_as_bearer_or_as_password() {
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        for field in [
            "Bearer first-token-12345",
            "bearer second:token+abc=",
            &basic(":first-token-12345"),
            &basic("anyone:second:token+abc="),
        ] {
            assert_eq!(checked(&[field]), Ok(()), "{field}");
        }
        assert_eq!(checked(&[]), Err(Refused::Missing));
        for field in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer first-token-1234",
            "Bearer first-token-123456",
            "Bearer first-token-12345 x",
            "Token first-token-12345",
            "first-token-12345",
            "Basic first-token-12345",
            &basic("first-token-12345"),
            &basic("first-token-12345:"),
        ] {
            assert_eq!(checked(&[field]), Err(Refused::Invalid), "{field}");
        }
        let twice = ["Bearer first-token-12345", "Bearer first-token-12345"];
        assert_eq!(checked(&twice), Err(Refused::Invalid));
    }
}
