//! What a body is, by the grammar of its `Content-Type` alone.

use http::{HeaderMap, HeaderValue, header};

use super::ClientIdError;

/// The bodies that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyKind {
    /// `application/x-www-form-urlencoded`
    Form,
    /// `application/json`
    Json,
}

/// What an uncompressed body with these headers is. Servers look for `/json` anywhere in the value, split it at commas, or take the
/// last of two `charset`s: so it is one line, a media type and at most `charset=utf-8` (RFC 9110 section 8.3.1).
pub(super) fn body_kind(headers: &HeaderMap) -> Result<BodyKind, ClientIdError> {
    if headers.get_all(header::CONTENT_ENCODING).iter().any(|coding| !is(coding.as_bytes(), b"identity")) {
        return Err(ClientIdError::ContentEncoding);
    }
    let mut all = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(only), None) = (all.next(), all.next()) else { return Err(ClientIdError::ContentType) };
    parse(only).ok_or(ClientIdError::ContentType)
}

fn parse(value: &HeaderValue) -> Option<BodyKind> {
    let mut parts = value.as_bytes().split(|octet| *octet == b';');
    let media_type = trim(parts.next()?);
    let kind = if is(media_type, b"application/x-www-form-urlencoded") {
        BodyKind::Form
    } else if is(media_type, b"application/json") {
        BodyKind::Json
    } else {
        return None;
    };
    // An empty parameter is one that nobody reads (RFC 9110 section 5.6.6).
    let mut parameters = parts.map(trim).filter(|parameter| !parameter.is_empty());
    match (parameters.next(), parameters.next()) {
        (None, _) => Some(kind),
        (Some(charset), None) if is(charset, b"charset=utf-8") || is(charset, b"charset=\"utf-8\"") => {
            Some(kind)
        }
        _ => None,
    }
}

fn is(text: &[u8], wanted: &[u8]) -> bool {
    text.eq_ignore_ascii_case(wanted)
}

/// Without optional white space (RFC 9110 section 5.6.3), and no other.
fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(value: &str) -> Option<BodyKind> {
        parse(&HeaderValue::from_bytes(value.as_bytes()).unwrap())
    }

    #[test]
    fn a_media_type_and_utf_8_are_all_that_is_taken() {
        for value in [
            "application/x-www-form-urlencoded",
            "Application/X-WWW-Form-URLEncoded; charset=UTF-8",
            "application/x-www-form-urlencoded;charset=\"utf-8\"",
            "application/x-www-form-urlencoded ; Charset=utf-8 ;",
        ] {
            assert_eq!(kind(value), Some(BodyKind::Form), "{value}");
        }
        assert_eq!(kind("application/json;charset=utf-8"), Some(BodyKind::Json));
        for value in [
            "",
            "application/x-www-form-urlencoded, application/json",
            "application/x-www-form-urlencoded;, application/json",
            "application/x-www-form-urlencoded; a=/json",
            "application/x-www-form-urlencoded; a=+json",
            "application/x-www-form-urlencoded; boundary=x",
            "application/x-www-form-urlencoded; charset*=utf-7''x",
            "application/x-www-form-urlencoded; charset=utf-8; charset=utf-16",
            "application/x-www-form-urlencoded; charset=utf-8; charset=utf-8",
            "application/x-www-form-urlencoded; charset=utf-16",
            "application/x-www-form-urlencoded; charset = utf-8",
            "application/x-www-form-urlencoded; charset='utf-8'",
            "application/x-www-form-urlencoded; charset=\"utf\\-8\"",
            "application/x-www-form-urlencoded; charset=utf-8, application/json",
            "application/x-www-form-urlencoded\u{a0}",
            "application/x-www-form-urlencoded/json",
            "application/json+x",
            "application/vnd.api+json",
            "text/json",
            "multipart/form-data; boundary=x",
            "text/plain",
        ] {
            assert_eq!(kind(value), None, "{value}");
        }
    }
}
