//! `application/x-www-form-urlencoded` bodies and queries.

use std::borrow::Cow;

use memchr::{memchr, memchr2};
use percent_encoding::percent_decode;

use super::{
    Interest, ParameterError, Values, add,
    name::{self, Meaning},
};

/// The values of a form. A repeated parameter of interest is refused (RFC 6749 section 3.2), and so is a name that a lenient
/// server takes for one, see [`name`]. Rack before 3, Python before 3.9.2 and CGI.pm also separate parameters at `;`.
pub(super) fn values<const N: usize>(form: &[u8], interest: &Interest<N>) -> Result<Values, ParameterError> {
    let mut values = Vec::new();
    let mut follows_semicolon = false;
    for Piece { name, value, ends_at_semicolon } in pieces(form) {
        match name::meaning(&decode(name), interest)? {
            Meaning::Other => {}
            Meaning::Parameter(wanted) if follows_semicolon || ends_at_semicolon => {
                return Err(ParameterError::Separator(wanted.name));
            }
            Meaning::Parameter(wanted) => {
                add(&mut values, wanted, decoded(value.unwrap_or_default(), wanted.name)?)?;
            }
            Meaning::Charset => {
                if !value.unwrap_or_default().eq_ignore_ascii_case(b"utf-8") {
                    return Err(ParameterError::Charset);
                }
            }
        }
        follows_semicolon = ends_at_semicolon;
    }
    Ok(values)
}

/// Whether a query has a parameter that overrides the request's method.
pub(super) fn overrides_method<const N: usize>(query: &str, interest: &Interest<N>) -> bool {
    let overrides =
        |name| matches!(name::meaning(&decode(name), interest), Err(ParameterError::MethodOverride));
    pieces(query.as_bytes()).any(|piece| overrides(piece.name))
}

/// Whether a form has a parameter of interest, or one that a lenient server takes for it.
pub(super) fn names<const N: usize>(form: &[u8], interest: &Interest<N>) -> bool {
    pieces(form).any(|piece| {
        matches!(
            name::meaning(&decode(piece.name), interest),
            Ok(Meaning::Parameter(_)) | Err(ParameterError::Lookalike(_))
        )
    })
}

/// Whether a server that parses every body as a form would find a parameter of interest in JSON. The text before the first `&`
/// begins with JSON syntax, and a name with a quotation mark extends beyond a JSON string, so neither is a parameter.
pub(super) fn hides_parameter<const N: usize>(text: &[u8], interest: &Interest<N>) -> bool {
    let mut follows_ampersand = false;
    pieces(text).any(|Piece { name, value, ends_at_semicolon }| {
        let is_parameter = follows_ampersand && value.is_some() && memchr(b'"', name).is_none();
        follows_ampersand = !ends_at_semicolon;
        is_parameter
            && !matches!(name::meaning(&decode(name), interest), Ok(Meaning::Other | Meaning::Charset))
    })
}

/// An undecoded parameter.
struct Piece<'f> {
    name: &'f [u8],
    /// The text after the first `=`.
    value: Option<&'f [u8]>,
    ends_at_semicolon: bool,
}

/// Splits at `&` and `;`.
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

/// Decodes a name or value (RFC 6749 appendix B, WHATWG URL): `+` is a space, `%XX` a byte.
pub(super) fn decode(component: &[u8]) -> Cow<'_, [u8]> {
    if memchr2(b'+', b'%', component).is_none() {
        return Cow::Borrowed(component);
    }
    let spaced: Vec<u8> = component.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
    Cow::Owned(percent_decode(&spaced).collect())
}

/// Decodes the value of the parameter `name` to text without control characters.
pub(super) fn decoded(value: &[u8], name: &'static str) -> Result<String, ParameterError> {
    if !has_valid_escapes(value) {
        return Err(ParameterError::Escape(name));
    }
    text(decode(value).into_owned(), name)
}

/// Converts the value of the parameter `name` to text. Control characters are refused, since some servers end a value there.
pub(super) fn text(value: Vec<u8>, name: &'static str) -> Result<String, ParameterError> {
    let value = String::from_utf8(value).map_err(|_| ParameterError::NotUtf8(name))?;
    if has_control(&value) { Err(ParameterError::Control(name)) } else { Ok(value) }
}

/// Whether a text has a control character. In ASCII without a branch per byte, so that the loop is vectorized.
#[allow(
    clippy::needless_bitwise_bool,
    reason = "a branch per byte would keep the compiler from vectorizing the loop"
)]
fn has_control(text: &str) -> bool {
    let in_ascii = text.bytes().fold(false, |found, byte| found | (byte < b' ') | (byte == 0x7f));
    in_ascii || (!text.is_ascii() && text.chars().any(char::is_control))
}

/// Whether every percent sign is followed by two hexadecimal digits.
fn has_valid_escapes(component: &[u8]) -> bool {
    let mut parts = component.split(|byte| *byte == b'%');
    parts.next();
    parts.all(|part| matches!(part, [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT_ID: Interest<1> = Interest::new(["client_id"]);

    fn client_id(form: &[u8]) -> Result<Option<String>, ParameterError> {
        values(form, &CLIENT_ID).map(|values| values.into_iter().next().and_then(|parameter| parameter.value))
    }

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
    fn a_lookalike_parameter_is_refused() {
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
            assert_eq!(client_id(form.as_bytes()), Err(ParameterError::Lookalike("client_id")), "{form}");
        }
        for (form, error) in [
            ("?client_id=b&client_id=a", ParameterError::Lookalike("client_id")),
            ("\u{feff}client_id=b&client_id=a", ParameterError::Lookalike("client_id")),
            ("client_id=a&x=1;client_id=b", ParameterError::Separator("client_id")),
            ("client_id=a&amp;client_id=b", ParameterError::Separator("client_id")),
            ("client_id=a;client_id=b", ParameterError::Separator("client_id")),
            ("client_id=a;x=1", ParameterError::Separator("client_id")),
            ("client_id=a&x=1;Client_Id=b", ParameterError::Lookalike("client_id")),
            ("client_id=a&%u0063lient_id=b", ParameterError::Lookalike("client_id")),
            ("client_id=a&client%255Fid=b", ParameterError::Lookalike("client_id")),
            ("client_id=a&client%C1%9Fid=b", ParameterError::Lookalike("client_id")),
            ("client_id=a&%C1%A3lient_id=b", ParameterError::Lookalike("client_id")),
            ("client_id=%61%zz", ParameterError::Escape("client_id")),
            ("client_id=a%00b", ParameterError::Control("client_id")),
            ("client_id=a%0a", ParameterError::Control("client_id")),
            ("client_id=%C2%85a", ParameterError::Control("client_id")),
            ("client_id=a&_method=PUT", ParameterError::MethodOverride),
            ("client_id=a&_charset_=utf-7", ParameterError::Charset),
            ("client_id=a&__proto__[client_id]=b", ParameterError::Lookalike("client_id")),
        ] {
            assert_eq!(client_id(form.as_bytes()), Err(error), "{form}");
        }
    }

    #[test]
    fn a_repeated_parameter_is_refused_even_if_equal() {
        assert_eq!(client_id(b"client_id=a&client_id=a"), Err(ParameterError::Repeated("client_id")));
        assert_eq!(client_id(b"client_id=%ff"), Err(ParameterError::NotUtf8("client_id")));
    }

    #[test]
    fn a_form_inside_another_format_is_found() {
        let hides = |text: &[u8]| hides_parameter(text, &CLIENT_ID);
        assert!(hides(br#"{"x":"&client_id=b&"}"#));
        assert!(hides(br#"{"x":"&client%5fid=b"}"#));
        assert!(hides(br#"{"x":"a;b&Client_id=b"}"#));
        assert!(!hides(br#"{"client_id":"a","note":"client & client_id","u":"https://a?client_id=b"}"#));
    }
}
