//! Who an `Authorization` header says is calling.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, header};

use super::{ClientIdError, form};

/// The `client_id` of HTTP Basic, form-decoded (RFC 6749 section 2.3.1); nothing where there is no such header, or another scheme.
///
/// Servers find Basic by its first five octets, by white space of any kind, or by what follows the sixth octet. So what may be
/// taken for it must be it, and any other scheme must be one scheme, a space, and its credentials (RFC 9110 section 11.4).
pub(super) fn client_id(headers: &HeaderMap) -> Result<Option<String>, ClientIdError> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = all.next() else { return Ok(None) };
    if all.next().is_some() {
        return Err(ClientIdError::Basic);
    }
    let value = value.as_bytes();
    let scheme_end = value.iter().position(|octet| *octet == b' ').unwrap_or(value.len());
    let (scheme, credentials) = value.split_at_checked(scheme_end).unwrap_or_default();
    let credentials = without_spaces_before(credentials);
    if scheme.eq_ignore_ascii_case(b"basic") {
        return basic(credentials).map(Some);
    }
    // Anywhere in the value: `"Basic`, `,Basic`, `Basic:`, `Bearer x, Basic`, `Digest username="Basic `.
    if mentions_basic(scheme)
        || credentials.split(|octet| !is_token(*octet)).any(|word| word.eq_ignore_ascii_case(b"basic"))
    {
        return Err(ClientIdError::Basic);
    }
    if scheme.is_empty() || !scheme.iter().all(|octet| is_token(*octet)) || !are_credentials(credentials) {
        return Err(ClientIdError::Authorization);
    }
    Ok(None)
}

/// RFC 7617: base64 as RFC 4648 section 4 has it, padded, with nothing in between.
fn basic(credentials: &[u8]) -> Result<String, ClientIdError> {
    let decoded = STANDARD.decode(credentials).map_err(|_| ClientIdError::Basic)?;
    let colon = decoded.iter().position(|octet| *octet == b':').ok_or(ClientIdError::Basic)?;
    let (id, _secret) = decoded.split_at_checked(colon).unwrap_or_default();
    // Not every server decodes. No encoder escapes letters and digits, so no plain client_id has two readings.
    if id.windows(3).any(|escape| matches!(escape, [b'%', high, low] if is_alphanumeric(*high, *low))) {
        return Err(ClientIdError::BasicEscape);
    }
    form::decoded_id(id).map_err(|error| match error {
        ClientIdError::Escape => ClientIdError::BasicEscape,
        other => other,
    })
}

/// Whether these hexadecimal digits are those of a letter or digit.
fn is_alphanumeric(high: u8, low: u8) -> bool {
    let digit = |octet: u8| char::from(octet).to_digit(16);
    let octet = digit(high).zip(digit(low)).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
    octet.is_some_and(|octet| octet.is_ascii_alphanumeric())
}

/// One word, or `name=value` separated by commas.
fn are_credentials(credentials: &[u8]) -> bool {
    let is_word = |octet: &u8| octet.is_ascii_graphic() && !matches!(octet, b',' | b'"');
    if !credentials.is_empty() && credentials.iter().all(is_word) {
        return true;
    }
    let mut rest = credentials;
    loop {
        let Some(behind) = parameter(without_spaces_before(rest)) else { return false };
        match without_spaces_before(behind) {
            [] => return true,
            [b',', behind @ ..] => rest = behind,
            _ => return false,
        }
    }
}

/// What is behind one `name=value` or `name="value"`.
fn parameter(text: &[u8]) -> Option<&[u8]> {
    let name_end = text.iter().position(|octet| !is_token(*octet))?;
    let value = text.get(name_end..)?.strip_prefix(b"=").filter(|_| name_end > 0)?;
    if let Some(mut quoted) = value.strip_prefix(b"\"") {
        loop {
            match quoted {
                [b'"', behind @ ..] => return Some(behind),
                [b'\\', _, behind @ ..] | [_, behind @ ..] => quoted = behind,
                [] => return None,
            }
        }
    }
    let end = value.iter().position(|octet| !octet.is_ascii_graphic() || matches!(octet, b',' | b'"'));
    let end = end.unwrap_or(value.len());
    value.get(end..).filter(|_| end > 0)
}

fn without_spaces_before(mut text: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] = text {
        text = rest;
    }
    text
}

fn mentions_basic(scheme: &[u8]) -> bool {
    scheme.windows(5).any(|window| window.eq_ignore_ascii_case(b"basic"))
}

/// RFC 9110 section 5.6.2.
fn is_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(value: &[u8]) -> Result<Option<String>, ClientIdError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        client_id(&headers)
    }

    fn basic_of(text: &str) -> Result<Option<String>, ClientIdError> {
        read(format!("bAsIc  {}", STANDARD.encode(text)).as_bytes())
    }

    #[test]
    fn basic_is_form_decoded() {
        assert_eq!(basic_of("a:s").unwrap().as_deref(), Some("a"));
        assert_eq!(basic_of("a%3Ab+c:s:s").unwrap().as_deref(), Some("a:b c"));
        // As oauth4webapi encodes.
        assert_eq!(basic_of("my%2Dclient%5F1%2E:s").unwrap().as_deref(), Some("my-client_1."));
        for (text, error) in [
            ("%62:s", ClientIdError::BasicEscape),
            ("a%zz:s", ClientIdError::BasicEscape),
            ("a%:s", ClientIdError::BasicEscape),
            ("a%00:s", ClientIdError::Control),
            ("a\0b:s", ClientIdError::Control),
            ("a\n:s", ClientIdError::Control),
            ("a%ff:s", ClientIdError::NotUtf8),
            ("a", ClientIdError::Basic),
        ] {
            assert_eq!(basic_of(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn what_may_be_taken_for_basic_must_be_basic() {
        for value in [
            &b"Basic"[..],
            b"Basic ",
            b"Basic !!",
            b"Basic Yjo",
            b"Basic Yjo=\t",
            b"Basic Yj o=",
            b"Basic Yjp=",
            b"Basic Yjo=, Basic YTo=",
            b"Basic Yjo=,",
            b"Basic \"Yjo=\"",
            b"Basic\tYjo=",
            b"Basic \tYjo=",
            b"Basic:Yjo=",
            b"Basic,Yjo=",
            b"BasicXYjo=",
            b"Basic\xa0Yjo=",
            b"\tBasic Yjo=",
            b",Basic Yjo=",
            b"\"Basic Yjo=\"",
            b"'Basic Yjo='",
            b"Bearer x, Basic Yjo=",
            b"Bearer x,Basic Yjo=",
            b"Bearer Basic Yjo=",
            b"Digest realm=\"x\", Basic Yjo=",
            b"Digest username=\"Basic Yjo=\"",
            b"X-Basic Yjo=",
        ] {
            assert_eq!(read(value), Err(ClientIdError::Basic), "{}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn another_scheme_is_one_scheme_and_its_credentials() {
        for value in [
            &b"Bearer x"[..],
            b"DPoP eyJ.a-b_c.d~e+/==",
            b"Bearer  x",
            b"ApiKey id:secret",
            b"Digest username=\"a, b\", realm=\"x\\\"y\" , qop=auth",
            b"Signature keyId=\"k\",algorithm=\"rsa-sha256\"",
            b"AWS4-HMAC-SHA256 Credential=A/2026/eu/s/aws4_request, SignedHeaders=host;x-amz-date, Signature=ab",
        ] {
            assert_eq!(read(value), Ok(None), "{}", String::from_utf8_lossy(value));
        }
        for value in [
            &b""[..],
            b" ",
            b"Bearer",
            b"Bearer ",
            b"Bearer\tx",
            b"Bearer x y",
            b"Bearer x, y",
            b"Bearer x, Bearer y",
            b"Bearer \"x\"",
            b"Bearer x\xa0",
            b"Bear:er x",
            b"\xe9 x",
            b"Digest a=b, Bearer c=d",
            b"Digest a=\"b",
            b"Digest a=b,",
            b"Yjo=",
        ] {
            assert_eq!(read(value), Err(ClientIdError::Authorization), "{}", String::from_utf8_lossy(value));
        }
    }
}
