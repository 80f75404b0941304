//! Attribute values: DER, and the text of strings.

use x509_parser::asn1_rs::{Any, Class, FromDer};

/// ASN.1 universal tags of the string types (X.680 section 8.4).
mod tag {
    pub(super) const UTF8: u32 = 12;
    pub(super) const NUMERIC: u32 = 18;
    pub(super) const PRINTABLE: u32 = 19;
    pub(super) const TELETEX: u32 = 20;
    pub(super) const IA5: u32 = 22;
    pub(super) const UTC_TIME: u32 = 23;
    pub(super) const GENERALIZED_TIME: u32 = 24;
    pub(super) const VISIBLE: u32 = 26;
    pub(super) const UNIVERSAL: u32 = 28;
    pub(super) const BMP: u32 = 30;
}

/// The value of an attribute.
#[derive(Clone, Debug)]
pub(super) struct Value {
    /// The DER, with tag and length.
    der: Box<[u8]>,
    /// The text, if the value is a valid string.
    text: Option<Box<str>>,
}

impl Value {
    /// Parses exactly one DER value; `None` if it is malformed.
    pub(super) fn from_der(der: &[u8]) -> Option<Self> {
        let (rest, any) = Any::from_der(der).ok()?;
        rest.is_empty().then(|| Self { der: der.into(), text: decode(&any).map(Into::into) })
    }

    /// A UTF8String with this text, for values from a configuration.
    pub(super) fn from_text(text: &str) -> Self {
        let mut der = vec![0x0c];
        let length = text.len().to_be_bytes();
        let length: Vec<u8> = length.into_iter().skip_while(|b| *b == 0).collect();
        match length.as_slice() {
            [] => der.push(0),
            [short] if *short < 0x80 => der.push(*short),
            long => {
                der.push(0x80 | u8::try_from(long.len()).unwrap_or_default());
                der.extend_from_slice(long);
            }
        }
        der.extend_from_slice(text.as_bytes());
        Self { der: der.into(), text: Some(text.into()) }
    }

    /// The DER, with tag and length.
    pub(super) fn der(&self) -> &[u8] {
        &self.der
    }

    /// The text of a valid string.
    pub(super) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Whether it has a string type, but bytes that are invalid for the type.
    pub(super) fn is_broken_string(&self) -> bool {
        let (None, Ok((_, any))) = (&self.text, Any::from_der(&self.der)) else { return false };
        is_string(&any)
    }

    /// The text that OpenSSL prints: times are text too, and non-ASCII bytes are Latin-1 in all one-byte types.
    pub(super) fn openssl_text(&self) -> Option<String> {
        if let Some(text) = &self.text {
            return Some(text.to_string());
        }
        let (_, any) = Any::from_der(&self.der).ok()?;
        let one_byte =
            [tag::NUMERIC, tag::PRINTABLE, tag::IA5, tag::VISIBLE, tag::UTC_TIME, tag::GENERALIZED_TIME];
        (any.header.class() == Class::Universal && one_byte.contains(&any.header.tag().0))
            .then(|| latin1(any.data))
    }
}

fn is_string(any: &Any<'_>) -> bool {
    let strings = [
        tag::UTF8,
        tag::NUMERIC,
        tag::PRINTABLE,
        tag::TELETEX,
        tag::IA5,
        tag::VISIBLE,
        tag::UNIVERSAL,
        tag::BMP,
    ];
    any.header.class() == Class::Universal && strings.contains(&any.header.tag().0)
}

fn decode(any: &Any<'_>) -> Option<String> {
    if !is_string(any) || any.header.constructed() {
        return None;
    }
    let bytes = any.data;
    match any.header.tag().0 {
        tag::UTF8 => String::from_utf8(bytes.to_vec()).ok(),
        // X.690 specifies T.61, but tools in use write Latin-1.
        tag::TELETEX => Some(latin1(bytes)),
        tag::BMP => {
            let (units, rest) = bytes.as_chunks::<2>();
            let units: Vec<u16> = units.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
            if rest.is_empty() { String::from_utf16(&units).ok() } else { None }
        }
        tag::UNIVERSAL => {
            let (units, rest) = bytes.as_chunks::<4>();
            if !rest.is_empty() {
                return None;
            }
            units.iter().map(|unit| char::from_u32(u32::from_be_bytes(*unit))).collect()
        }
        _ => bytes.is_ascii().then(|| latin1(bytes)),
    }
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_string_type_decodes() {
        let text = |der: &[u8]| Value::from_der(der).unwrap().text().map(str::to_owned);
        assert_eq!(text(b"\x0c\x02\xc3\xbc").as_deref(), Some("\u{fc}"));
        assert_eq!(text(b"\x13\x01a").as_deref(), Some("a"));
        assert_eq!(text(b"\x14\x01\xfc").as_deref(), Some("\u{fc}"));
        assert_eq!(text(b"\x1e\x02\x00\xfc").as_deref(), Some("\u{fc}"));
        assert_eq!(text(b"\x1c\x04\x00\x00\x00\xfc").as_deref(), Some("\u{fc}"));
        assert_eq!(text(b"\x02\x01\x05"), None);
    }

    #[test]
    fn broken_strings_have_no_text() {
        for der in [&b"\x0c\x01\xff"[..], b"\x13\x01\xfc", b"\x1e\x01\x00", b"\x1c\x04\x00\x11\x00\x00"] {
            let value = Value::from_der(der).unwrap();
            assert!(value.text().is_none() && value.is_broken_string());
        }
        assert!(Value::from_der(b"\x0c\x01a!").is_none());
    }

    #[test]
    fn text_of_any_length_is_encoded_as_der() {
        for length in [0, 127, 128, 255, 256, 70_000] {
            let text = "x".repeat(length);
            let value = Value::from_text(&text);
            assert_eq!(Value::from_der(value.der()).unwrap().text(), Some(text.as_str()));
        }
    }
}
