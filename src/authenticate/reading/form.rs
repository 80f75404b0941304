//! `client_id` in `application/x-www-form-urlencoded` text: a body or a query.

use std::borrow::Cow;

use memchr::{memchr, memchr2};
use percent_encoding::percent_decode;

use super::{
    ClientIdError,
    name::{self, Meaning},
};

/// The one `client_id` of a form. One that is sent twice is refused (RFC 6749 section 3.2), and so is whatever a lenient
/// server would read as another: see [`name`] for names. Rack before 3, Python before 3.9.2 and CGI.pm end a parameter at `;` too.
pub(super) fn client_id(form: &[u8]) -> Result<Option<String>, ClientIdError> {
    let (mut found, mut is_behind_semicolon) = (None, false);
    for Piece { name, value, ends_at_semicolon } in pieces(form) {
        match name::meaning(&decode(name))? {
            Meaning::Other => {}
            Meaning::ClientId if is_behind_semicolon || ends_at_semicolon => {
                return Err(ClientIdError::Separator);
            }
            Meaning::ClientId => {
                if found.replace(decoded_id(value.unwrap_or_default())?).is_some() {
                    return Err(ClientIdError::Repeated);
                }
            }
            Meaning::Charset => {
                if !value.unwrap_or_default().eq_ignore_ascii_case(b"utf-8") {
                    return Err(ClientIdError::Charset);
                }
            }
        }
        is_behind_semicolon = ends_at_semicolon;
    }
    Ok(found)
}

/// Whether a query has a parameter that overrides the request's method.
#[must_use]
pub fn overrides_method(query: &str) -> bool {
    pieces(query.as_bytes())
        .any(|piece| matches!(name::meaning(&decode(piece.name)), Err(ClientIdError::MethodOverride)))
}

/// Whether a server that knows forms only, and asks for no Content-Type, would find a `client_id` in text of another format. What is
/// before the first `&` begins with that format's own signs, and what has a quotation mark in its name goes on beyond a JSON string.
pub(super) fn hides_client_id(text: &[u8]) -> bool {
    let mut is_behind_ampersand = false;
    pieces(text).any(|Piece { name, value, ends_at_semicolon }| {
        let is_parameter = is_behind_ampersand && value.is_some() && memchr(b'"', name).is_none();
        is_behind_ampersand = !ends_at_semicolon;
        is_parameter && !matches!(name::meaning(&decode(name)), Ok(Meaning::Other | Meaning::Charset))
    })
}

/// A parameter as it is written.
struct Piece<'f> {
    name: &'f [u8],
    /// Behind the first `=`.
    value: Option<&'f [u8]>,
    ends_at_semicolon: bool,
}

/// What is between `&` and `;`.
fn pieces(form: &[u8]) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = Some(form);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = memchr2(b'&', b';', text);
        let (piece, behind) = text.split_at_checked(end.unwrap_or(text.len()))?;
        rest = behind.split_first().map(|(_, behind)| behind);
        let ends_at_semicolon = behind.first() == Some(&b';');
        let equals = memchr(b'=', piece).and_then(|at| piece.split_at_checked(at));
        let (name, value) = equals.map_or((piece, None), |(name, value)| (name, value.get(1..)));
        Some(Piece { name, value, ends_at_semicolon })
    })
}

/// Decodes one component (WHATWG URL, as RFC 6749 appendix B asks): `+` is a space, `%XX` an octet.
fn decode(component: &[u8]) -> Cow<'_, [u8]> {
    if memchr2(b'+', b'%', component).is_none() {
        return Cow::Borrowed(component);
    }
    let spaced: Vec<u8> = component.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
    Cow::Owned(percent_decode(&spaced).collect())
}

/// The value of a `client_id`: text without control characters.
pub(super) fn decoded_id(value: &[u8]) -> Result<String, ClientIdError> {
    if !has_whole_escapes(value) {
        return Err(ClientIdError::Escape);
    }
    text(decode(value).into_owned())
}

/// A `client_id` as text that nobody cuts short at a NUL or a line's end.
pub(super) fn text(id: Vec<u8>) -> Result<String, ClientIdError> {
    let id = String::from_utf8(id).map_err(|_| ClientIdError::NotUtf8)?;
    if id.chars().any(char::is_control) { Err(ClientIdError::Control) } else { Ok(id) }
}

/// Whether two hexadecimal digits follow every percent sign.
fn has_whole_escapes(component: &[u8]) -> bool {
    let mut parts = component.split(|octet| *octet == b'%');
    parts.next();
    parts.all(|part| matches!(part, [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_names_one_client() {
        assert_eq!(client_id(b"grant_type=x&client_id=a%20b+c").unwrap().as_deref(), Some("a b c"));
        assert_eq!(client_id(b"client%5Fid=a").unwrap().as_deref(), Some("a"));
        assert_eq!(client_id(b"xclient_id=a&client_id2=b&client=c").unwrap(), None);
        assert_eq!(client_id(b"").unwrap(), None);
        assert_eq!(client_id(b"&&client_id=a&").unwrap().as_deref(), Some("a"));
        assert_eq!(client_id(b"scope=a;b&x=%zz%&client_id=a=b&y=\xff\xfe").unwrap().as_deref(), Some("a=b"));
        assert_eq!(client_id(b"x=a;100%\xff;y&%zz=\xff&\xff%=1&client_id=a").unwrap().as_deref(), Some("a"));
        assert_eq!(client_id(b"_charset_=UTF-8&client_id=a").unwrap().as_deref(), Some("a"));
    }

    #[test]
    fn a_parameter_that_another_server_reads_as_client_id_is_refused() {
        for form in [
            "client.id=b",
            "client_id[]=b",
            "client_id%5B0%5D=b",
            "client+id=b",
            "CLIENT_ID=b",
            "+client_id=b",
            "client_id%00x=b",
            "?client_id=b",
            "%EF%BB%BFclient_id=b",
            "client_id%20=b",
            "client_%C4%B1d=b",
            "clientId=b",
        ] {
            let form = format!("client_id=a&{form}");
            assert_eq!(client_id(form.as_bytes()), Err(ClientIdError::Lookalike), "{form}");
        }
        for (form, error) in [
            ("?client_id=b&client_id=a", ClientIdError::Lookalike),
            ("\u{feff}client_id=b&client_id=a", ClientIdError::Lookalike),
            ("client_id=a&x=1;client_id=b", ClientIdError::Separator),
            ("client_id=a&amp;client_id=b", ClientIdError::Separator),
            ("client_id=a;client_id=b", ClientIdError::Separator),
            ("client_id=a;x=1", ClientIdError::Separator),
            ("client_id=a&x=1;Client_Id=b", ClientIdError::Lookalike),
            ("client_id=a&%u0063lient_id=b", ClientIdError::Lookalike),
            ("client_id=a&client%255Fid=b", ClientIdError::Lookalike),
            ("client_id=a&client%C1%9Fid=b", ClientIdError::Lookalike),
            ("client_id=a&%C1%A3lient_id=b", ClientIdError::Lookalike),
            ("client_id=%61%zz", ClientIdError::Escape),
            ("client_id=a%00b", ClientIdError::Control),
            ("client_id=a%0a", ClientIdError::Control),
            ("client_id=%C2%85a", ClientIdError::Control),
            ("client_id=a&_method=PUT", ClientIdError::MethodOverride),
            ("client_id=a&_charset_=utf-7", ClientIdError::Charset),
            ("client_id=a&__proto__[client_id]=b", ClientIdError::Lookalike),
        ] {
            assert_eq!(client_id(form.as_bytes()), Err(error), "{form}");
        }
    }

    #[test]
    fn twice_is_refused_even_if_equal() {
        assert_eq!(client_id(b"client_id=a&client_id=a"), Err(ClientIdError::Repeated));
        assert_eq!(client_id(b"client_id=%ff"), Err(ClientIdError::NotUtf8));
    }

    #[test]
    fn a_form_inside_another_format_is_found() {
        assert!(hides_client_id(br#"{"x":"&client_id=b&"}"#));
        assert!(hides_client_id(br#"{"x":"&client%5fid=b"}"#));
        assert!(hides_client_id(br#"{"x":"a;b&Client_id=b"}"#));
        assert!(!hides_client_id(
            br#"{"client_id":"a","note":"client & client_id","u":"https://a?client_id=b"}"#
        ));
    }
}
