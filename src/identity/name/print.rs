//! The printed forms of a name.

use std::fmt::Write as _;

use super::{Attribute, DistinguishedName, Rdn, attribute, parse};
use crate::text::{SHOWN, bounded, is_hidden};

impl DistinguishedName {
    /// The RFC 2253 form, byte for byte as OpenSSL 3 prints it with `-nameopt RFC2253`.
    ///
    /// It is printable ASCII, since other bytes are escaped as `\C3\BC`, and thus safe in a header.
    #[must_use]
    pub fn to_rfc2253(&self) -> String {
        let rdn = |rdn: &Rdn| {
            // OpenSSL reverses the whole list, including the attributes of a multi-valued RDN.
            let parts: Vec<String> = rdn.attributes.iter().rev().map(openssl_rfc2253).collect();
            parts.join("+")
        };
        let rdns: Vec<String> = self.rdns().iter().rev().map(rdn).collect();
        rdns.join(",")
    }

    /// The RFC 4514 form, most specific RDN first. [`DistinguishedName::parse`] parses it to an equal name.
    #[must_use]
    pub fn to_rfc4514(&self) -> String {
        let rdns: Vec<String> = self.rdns().iter().rev().map(Rdn::to_rfc4514).collect();
        rdns.join(",")
    }

    /// The beginning of the RFC 4514 form, at most [`SHOWN`] bytes, for the log. The work is bounded for names of any length.
    #[must_use]
    pub fn shown(&self) -> String {
        let mut text = String::new();
        for rdn in self.rdns().iter().rev() {
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(&rdn.shown());
            if text.len() > SHOWN {
                break;
            }
        }
        bounded(&text, SHOWN).into_owned()
    }

    /// OpenSSL's one-line form before 3.2, `C = DE, O = b, CN = a`. [`DistinguishedName::parse`] parses it to an equal name.
    #[must_use]
    pub fn to_openssl(&self) -> String {
        self.one_line(" = ")
    }

    /// OpenSSL's one-line form since 3.2, `C=DE, O=b, CN=a`, whose order is ambiguous.
    #[must_use]
    pub fn to_openssl_3_2(&self) -> String {
        self.one_line("=")
    }

    fn one_line(&self, equals: &str) -> String {
        let part = |attribute: &Attribute| {
            let (name, value) = readable(attribute, quoted);
            format!("{name}{equals}{value}")
        };
        let rdn = |rdn: &Rdn| rdn.attributes.iter().map(part).collect::<Vec<_>>().join(" + ");
        self.rdns().iter().map(rdn).collect::<Vec<_>>().join(", ")
    }

    /// One RDN per line, in certificate order; parses back to the same name.
    #[must_use]
    pub fn to_lines(&self) -> String {
        // A single line could be in any form, so commas are always escaped there.
        let rdns = self.rdns();
        let alone = rdns.len() == 1;
        let special = |c, rest: &str| if alone { is_special(c) } else { is_special_in_line(c, rest) };
        let part = |attribute: &Attribute| {
            let (name, value) = readable(attribute, |text| escaped(text, special));
            format!("{name}={value}")
        };
        let rdn = |rdn: &Rdn| rdn.attributes.iter().map(part).collect::<Vec<_>>().join("+");
        rdns.iter().map(rdn).collect::<Vec<_>>().join("\n")
    }
}

impl Rdn {
    /// The RFC 4514 form of one RDN.
    pub(super) fn to_rfc4514(&self) -> String {
        let part = |attribute: &Attribute| {
            let (name, value) = readable(attribute, |text| escaped(text, |c, _| is_special(c)));
            format!("{name}={value}")
        };
        self.attributes.iter().map(part).collect::<Vec<_>>().join("+")
    }

    /// The beginning of the RFC 4514 form of one RDN, at most [`SHOWN`] bytes, for the log.
    pub(super) fn shown(&self) -> String {
        let mut text = String::new();
        for attribute in &self.attributes {
            if !text.is_empty() {
                text.push('+');
            }
            let (name, value) = match (attribute::readable_name(&attribute.oid), attribute.value.text()) {
                (Some(name), Some(text)) => (name, escaped(&bounded(text, SHOWN), |c, _| is_special(c))),
                (name, _) => {
                    let der = attribute.value.der();
                    (name.unwrap_or(&attribute.oid), hex(der.get(..SHOWN).unwrap_or(der)))
                }
            };
            text.extend([name, "=", &value]);
            if text.len() > SHOWN {
                break;
            }
        }
        bounded(&text, SHOWN).into_owned()
    }
}

/// Type and value in a form that can be parsed: the value is hex if the type has no name (RFC 4514 section 2.4) or the value is
/// not a string.
fn readable(attribute: &Attribute, form: impl Fn(&str) -> String) -> (&str, String) {
    match (attribute::readable_name(&attribute.oid), attribute.value.text()) {
        (Some(name), Some(text)) => (name, form(text)),
        (name, _) => (name.unwrap_or(&attribute.oid), hex(attribute.value.der())),
    }
}

fn openssl_rfc2253(attribute: &Attribute) -> String {
    let (Some(name), Some(text)) = (attribute::openssl_name(&attribute.oid), attribute.value.openssl_text())
    else {
        let name = attribute::openssl_name(&attribute.oid).unwrap_or(&attribute.oid);
        return format!("{name}={}", hex(attribute.value.der()));
    };
    let last = text.chars().count().saturating_sub(1);
    let mut value = String::with_capacity(text.len());
    for (at, c) in text.chars().enumerate() {
        let escape = is_special(c)
            || (at == last && c == ' ')
            // OpenSSL treats the only character of a value as the last one, not the first.
            || (at == 0 && last != 0 && (c == ' ' || c == '#'));
        if escape {
            value.extend(['\\', c]);
        } else if c.is_ascii() && !c.is_ascii_control() {
            value.push(c);
        } else {
            push_hex(&mut value, c);
        }
    }
    format!("{name}={value}")
}

/// The characters that RFC 4514 section 2.4 escapes at every position.
fn is_special(c: char) -> bool {
    matches!(c, '"' | '+' | ',' | ';' | '<' | '>' | '\\')
}

/// In the form with one RDN per line, a comma is escaped only if it could be a separator.
fn is_special_in_line(c: char, rest: &str) -> bool {
    matches!(c, '"' | '+' | '\\') || (matches!(c, ',' | ';') && parse::may_separate(rest))
}

/// Whether a character is written in hex wherever it is: it is invisible, or the text would be refused as a regular expression.
fn needs_hex(c: char, rest: &str) -> bool {
    is_hidden(c) || parse::begins_pattern(c, rest)
}

/// Appends the bytes of a character as `\C3\BC`.
fn push_hex(value: &mut String, c: char) {
    let mut buffer = [0; 4];
    for byte in c.encode_utf8(&mut buffer).bytes() {
        let _ = write!(value, "\\{byte:02X}");
    }
}

/// A value with backslashes before special characters, outer spaces and a leading `#`, and with some characters in hex ([`needs_hex`]).
fn escaped(text: &str, special: impl Fn(char, &str) -> bool) -> String {
    let mut value = String::with_capacity(text.len());
    let inner = text.trim();
    let (start, end) = (text.len() - text.trim_start().len(), text.trim_end().len());
    for (at, c) in text.char_indices() {
        let rest = text.get(at + c.len_utf8()..).unwrap_or_default();
        let outer_blank = c.is_whitespace() && (inner.is_empty() || at < start || at >= end);
        if needs_hex(c, rest) || (outer_blank && c != ' ') {
            push_hex(&mut value, c);
            continue;
        }
        if outer_blank || special(c, rest) || (at == 0 && c == '#') {
            value.push('\\');
        }
        value.push(c);
    }
    value
}

/// A value, in quotes if it needs them, as OpenSSL writes it.
fn quoted(text: &str) -> String {
    let plain = escaped(text, |c, _| is_special(c));
    if !plain.contains('\\') && !text.is_empty() {
        return plain;
    }
    let mut value = String::from('"');
    for (at, c) in text.char_indices() {
        if needs_hex(c, text.get(at + c.len_utf8()..).unwrap_or_default()) {
            push_hex(&mut value, c);
        } else {
            if matches!(c, '"' | '\\') {
                value.push('\\');
            }
            value.push(c);
        }
    }
    value.push('"');
    value
}

fn hex(der: &[u8]) -> String {
    der.iter().fold(String::from('#'), |mut hex, byte| {
        let _ = write!(hex, "{byte:02X}");
        hex
    })
}
