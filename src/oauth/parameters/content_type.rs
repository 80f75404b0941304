//! The format and charset of a body, by the grammar of `Content-Type`.

use http::{HeaderMap, HeaderValue, header};

use super::ParameterError;

/// The supported formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyKind {
    /// `application/x-www-form-urlencoded`
    Form,
    /// `application/json`
    Json,
}

/// The format of a body, and the bytes that it may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BodyType {
    pub(super) kind: BodyKind,
    pub(super) bytes: Bytes,
}

/// The bytes that a body may contain, so that all servers decode the same text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bytes {
    /// All, since the charset is UTF-8.
    All,
    /// ASCII, on which the charset agrees with UTF-8.
    Ascii,
}

/// Charsets in which ASCII text has the same bytes as in UTF-8 (IANA's names and common aliases). Not included: UTF-16 and
/// UTF-32, UTF-7, EBCDIC, ISO-2022 and HZ, which shift by ASCII bytes, and Shift_JIS, in which some decoders read 0x5C and 0x7E
/// differently.
const SUPERSETS: [&str; 36] = [
    "iso_8859-1:1987",
    "csisolatin1",
    "windows-874",
    "cp852",
    "cp858",
    "iso-8859-8-i",
    "us-ascii",
    "ascii",
    "ansi_x3.4-1968",
    "iso646-us",
    "latin1",
    "latin2",
    "latin5",
    "latin9",
    "l1",
    "cp819",
    "ibm819",
    "koi8-r",
    "koi8-u",
    "tis-620",
    "macintosh",
    "gbk",
    "gb2312",
    "gb18030",
    "big5",
    "big5-hkscs",
    "euc-jp",
    "euc-kr",
    "euc-tw",
    "euc-cn",
    "cp866",
    "ibm866",
    "cp850",
    "ibm850",
    "cp437",
    "ibm437",
];
/// Families of such charsets: a prefix, and the numbers that follow it.
const FAMILIES: [(&str, &[u8]); 7] = [
    ("iso-8859-", ISO_8859),
    ("iso8859-", ISO_8859),
    ("iso_8859-", ISO_8859),
    ("iso8859_", ISO_8859),
    ("iso8859", ISO_8859),
    ("windows-125", WINDOWS_125),
    ("cp125", WINDOWS_125),
];
const ISO_8859: &[u8] = &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16];
const WINDOWS_125: &[u8] = &[0, 1, 2, 3, 4, 5, 6, 7, 8];

/// The type of an uncompressed body with these headers. Some servers search `/json` anywhere in the value, split it at commas, or
/// use the last of two `charset`s. The header must therefore be a single line with a media type and at most one `charset` (RFC
/// 9110 section 8.3.1).
pub(super) fn body_type(headers: &HeaderMap) -> Result<BodyType, ParameterError> {
    if headers.get_all(header::CONTENT_ENCODING).iter().any(|coding| !is(coding.as_bytes(), b"identity")) {
        return Err(ParameterError::ContentEncoding);
    }
    let mut all = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(only), None) = (all.next(), all.next()) else { return Err(ParameterError::ContentType) };
    parse(only).ok_or(ParameterError::ContentType)
}

fn parse(value: &HeaderValue) -> Option<BodyType> {
    let mut parts = value.as_bytes().split(|byte| *byte == b';');
    let media_type = trim(parts.next()?);
    let kind = if is(media_type, b"application/x-www-form-urlencoded") {
        BodyKind::Form
    } else if is(media_type, b"application/json") {
        BodyKind::Json
    } else {
        return None;
    };
    // Empty parameters are ignored (RFC 9110 section 5.6.6).
    let mut parameters = parts.map(trim).filter(|parameter| !parameter.is_empty());
    let bytes = match (parameters.next(), parameters.next()) {
        (None, _) => Bytes::All,
        (Some(parameter), None) => {
            let (name, charset) = parameter.split_at_checked("charset=".len())?;
            if !is(name, b"charset=") {
                return None;
            }
            let inner = charset.strip_prefix(b"\"").and_then(|charset| charset.strip_suffix(b"\""));
            bytes(std::str::from_utf8(inner.unwrap_or(charset)).ok()?)?
        }
        _ => return None,
    };
    Some(BodyType { kind, bytes })
}

/// The bytes that are allowed in this charset; `None` for one that is not known to be a superset of ASCII.
fn bytes(charset: &str) -> Option<Bytes> {
    let charset = charset.to_ascii_lowercase();
    let is_one = |(family, numbers): &(&str, &[u8])| {
        charset.strip_prefix(family).is_some_and(|number| numbers.iter().any(|of| of.to_string() == number))
    };
    match charset.as_str() {
        "utf-8" | "utf8" => Some(Bytes::All),
        charset if SUPERSETS.contains(&charset) || FAMILIES.iter().any(is_one) => Some(Bytes::Ascii),
        _ => None,
    }
}

fn is(text: &[u8], wanted: &[u8]) -> bool {
    text.eq_ignore_ascii_case(wanted)
}

/// Trims optional whitespace (RFC 9110 section 5.6.3), and no other.
fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body_type(value: &str) -> Option<BodyType> {
        parse(&HeaderValue::from_bytes(value.as_bytes()).unwrap())
    }

    fn kind(value: &str) -> Option<BodyKind> {
        body_type(value).map(|body_type| body_type.kind)
    }

    #[test]
    fn supersets_of_ascii_allow_ascii_bytes() {
        for (charset, bytes) in [
            ("utf-8", Some(Bytes::All)),
            ("UTF8", Some(Bytes::All)),
            ("\"utf8\"", Some(Bytes::All)),
            ("ISO-8859-1", Some(Bytes::Ascii)),
            ("\"iso-8859-15\"", Some(Bytes::Ascii)),
            ("ISO8859_1", Some(Bytes::Ascii)),
            ("US-ASCII", Some(Bytes::Ascii)),
            ("windows-1252", Some(Bytes::Ascii)),
            ("Cp1252", Some(Bytes::Ascii)),
            ("KOI8-R", Some(Bytes::Ascii)),
            ("gb18030", Some(Bytes::Ascii)),
            ("utf-16", None),
            ("UTF-16LE", None),
            ("utf-32", None),
            ("utf-7", None),
            ("UTF-8-EBCDIC", None),
            ("cp037", None),
            ("IBM1047", None),
            ("ebcdic-us", None),
            ("iso-2022-jp", None),
            ("hz-gb-2312", None),
            ("Shift_JIS", None),
            ("iso-8859-", None),
            ("csISOLatin1", Some(Bytes::Ascii)),
            ("ISO_8859-1:1987", Some(Bytes::Ascii)),
            ("iso88591", Some(Bytes::Ascii)),
            ("iso-8859-16", Some(Bytes::Ascii)),
            ("iso-8859-0", None),
            ("iso-8859-01", None),
            ("iso-8859-12", None),
            ("iso-8859-17", None),
            ("windows-1259", None),
            ("windows-12500", None),
            ("iso-8859-1a", None),
            ("iso-8859-100", None),
            ("windows-125", None),
            ("x-unknown", None),
            ("", None),
            ("\"", None),
            ("\"utf-8", None),
            ("'utf-8'", None),
            (" utf-8", None),
            ("\"utf\\-8\"", None),
        ] {
            let value = format!("application/x-www-form-urlencoded; charset={charset}");
            assert_eq!(body_type(&value).map(|body_type| body_type.bytes), bytes, "{value}");
        }
    }

    #[test]
    fn only_a_media_type_and_a_charset_are_accepted() {
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
