//! The parameters in an `Authorization` header: the credentials of HTTP Basic.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, header};
use memchr::memchr;

use super::{Interest, ParameterError, Values, add, form};

/// `client_id` and `client_secret` of HTTP Basic, form-decoded (RFC 6749 section 2.3.1); none without the header, or with another
/// scheme.
///
/// Servers recognize Basic by its first five bytes, by any kind of whitespace after it, or anywhere in the value. A value that
/// could be mistaken for Basic must therefore be valid Basic, and any other must be a scheme, a space, and its credentials (RFC
/// 9110 section 11.4).
pub(super) fn values<const N: usize>(
    headers: &HeaderMap,
    interest: &Interest<N>,
) -> Result<Values, ParameterError> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = all.next() else { return Ok(Vec::new()) };
    if all.next().is_some() {
        return Err(ParameterError::Basic);
    }
    let value = value.as_bytes();
    let scheme_end = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    let (scheme, credentials) = value.split_at_checked(scheme_end).unwrap_or_default();
    let credentials = without_spaces_before(credentials);
    if scheme.eq_ignore_ascii_case(b"basic") {
        return basic(credentials, interest);
    }
    // Anywhere in the value: `"Basic`, `,Basic`, `Basic:`, `Bearer x, Basic`, `Digest username="Basic `.
    if mentions_basic(scheme)
        || credentials.split(|byte| !is_token(*byte)).any(|word| word.eq_ignore_ascii_case(b"basic"))
    {
        return Err(ParameterError::Basic);
    }
    if scheme.is_empty() || !scheme.iter().all(|byte| is_token(*byte)) || !are_credentials(credentials) {
        return Err(ParameterError::Authorization);
    }
    Ok(Vec::new())
}

/// Parses the credentials of HTTP Basic (RFC 7617): padded base64 (RFC 4648 section 4) without whitespace.
fn basic<const N: usize>(credentials: &[u8], interest: &Interest<N>) -> Result<Values, ParameterError> {
    let decoded = STANDARD.decode(credentials).map_err(|_| ParameterError::Basic)?;
    let colon = memchr(b':', &decoded).ok_or(ParameterError::Basic)?;
    let (id, secret) = decoded.split_at_checked(colon).unwrap_or_default();
    let secret = secret.get(1..).unwrap_or_default();
    let mut values = Vec::new();
    for (name, value) in [("client_id", id), ("client_secret", secret)] {
        if let Some(wanted) = interest.exactly(name.as_bytes()) {
            add(&mut values, wanted, component(value, wanted.name)?)?;
        }
    }
    Ok(values)
}

/// Form-decodes the identifier or the secret.
fn component(value: &[u8], name: &'static str) -> Result<String, ParameterError> {
    // Some servers do not decode. Encoders do not escape letters and digits, so an escaped one is ambiguous.
    if value.windows(3).any(|escape| matches!(escape, [b'%', high, low] if is_alphanumeric(*high, *low))) {
        return Err(ParameterError::BasicEscape(name));
    }
    form::decoded(value, name).map_err(|error| match error {
        ParameterError::Escape(name) => ParameterError::BasicEscape(name),
        other => other,
    })
}

/// Whether two hexadecimal digits encode a letter or digit.
fn is_alphanumeric(high: u8, low: u8) -> bool {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = digit(high).zip(digit(low)).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
    byte.is_some_and(|byte| byte.is_ascii_alphanumeric())
}

/// Whether credentials are a token68-like word, or auth-params separated by commas (RFC 9110 section 11.4).
fn are_credentials(credentials: &[u8]) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b',' | b'"');
    if !credentials.is_empty() && credentials.iter().all(is_word) {
        return true;
    }
    let mut rest = credentials;
    loop {
        let Some(after) = parameter(without_spaces_before(rest)) else { return false };
        match without_spaces_before(after) {
            [] => return true,
            [b',', after @ ..] => rest = after,
            _ => return false,
        }
    }
}

/// The text after a `name=value` or `name="value"`.
fn parameter(text: &[u8]) -> Option<&[u8]> {
    let name_end = text.iter().position(|byte| !is_token(*byte))?;
    let value = text.get(name_end..)?.strip_prefix(b"=").filter(|_| name_end > 0)?;
    if let Some(mut quoted) = value.strip_prefix(b"\"") {
        loop {
            match quoted {
                [b'"', after @ ..] => return Some(after),
                [b'\\', _, after @ ..] | [_, after @ ..] => quoted = after,
                [] => return None,
            }
        }
    }
    let end = value.iter().position(|byte| !byte.is_ascii_graphic() || matches!(byte, b',' | b'"'));
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

/// Whether a byte is a tchar (RFC 9110 section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(value: &[u8]) -> Result<Option<String>, ParameterError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        values(&headers, &Interest::new(["client_id"]))
            .map(|values| values.into_iter().next().and_then(|parameter| parameter.value))
    }

    fn basic_of(text: &str) -> Result<Option<String>, ParameterError> {
        read(format!("bAsIc  {}", STANDARD.encode(text)).as_bytes())
    }

    #[test]
    fn basic_is_form_decoded() {
        assert_eq!(basic_of("a:s").unwrap().as_deref(), Some("a"));
        assert_eq!(basic_of("a%3Ab+c:s:s").unwrap().as_deref(), Some("a:b c"));
        // As oauth4webapi encodes.
        assert_eq!(basic_of("my%2Dclient%5F1%2E:s").unwrap().as_deref(), Some("my-client_1."));
        for (text, error) in [
            ("%62:s", ParameterError::BasicEscape("client_id")),
            ("a%zz:s", ParameterError::BasicEscape("client_id")),
            ("a%:s", ParameterError::BasicEscape("client_id")),
            ("a%00:s", ParameterError::Control("client_id")),
            ("a\0b:s", ParameterError::Control("client_id")),
            ("a\n:s", ParameterError::Control("client_id")),
            ("a%ff:s", ParameterError::NotUtf8("client_id")),
            ("a", ParameterError::Basic),
        ] {
            assert_eq!(basic_of(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn lookalikes_of_basic_are_refused() {
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
            assert_eq!(read(value), Err(ParameterError::Basic), "{}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn other_schemes_must_be_well_formed() {
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
            assert_eq!(read(value), Err(ParameterError::Authorization), "{}", String::from_utf8_lossy(value));
        }
    }
}
