//! Distinguished names in header values: RFC 2253, with additional escapes.

use std::fmt::Write as _;

/// A DN as a whole header value.
///
/// It is the text that OpenSSL prints, except for characters that are not transmitted: bytes other than printable ASCII, and
/// an escaped space at the end, since recipients trim spaces (RFC 9110 section 5.5) and a lone backslash would remain. These
/// become hex pairs, which denote the same name (RFC 2253 section 2.4).
pub(super) fn for_header(rfc2253: &str) -> String {
    let (body, end) = match rfc2253.strip_suffix("\\ ") {
        Some(body) if !ends_in_escape(body) => (body, "\\20"),
        _ => (rfc2253, ""),
    };
    let mut text = String::with_capacity(rfc2253.len() + 1);
    for byte in body.bytes() {
        push(&mut text, byte);
    }
    text.push_str(end);
    text
}

/// A DN in the double quotes of an XFCC field.
///
/// Some XFCC parsers split at every `;`, `=` or `,`, also in quotes, and some treat every quote after a backslash as escaped. A
/// client with a self-signed certificate chooses its subject, and could inject a field such as `Chain=` or an element with
/// `Hash=`. Therefore the characters that could start one are written as hex pairs, which denote the same name (RFC 2253
/// section 2.4): `;`, `=` in a value, and the backslash. Quotes and commas are escaped by a backslash as in RFC 2253, like
/// Envoy does: without a `;` or `=` after it, the text after a comma is not a field.
pub(super) fn for_xfcc(rfc2253: &str) -> String {
    let mut text = String::with_capacity(rfc2253.len() + 8);
    let mut in_value = false;
    let mut bytes = rfc2253.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => match bytes.next() {
                Some(escaped @ (b';' | b'=' | b'\\' | b' ')) => push_hex(&mut text, escaped),
                Some(escaped) => {
                    text.push('\\');
                    push(&mut text, escaped);
                }
                // Not valid in RFC 2253. A lone backslash would escape the closing quote.
                None => push_hex(&mut text, b'\\'),
            },
            b'=' if !in_value => {
                in_value = true;
                text.push('=');
            }
            b',' | b'+' => {
                in_value = false;
                push(&mut text, byte);
            }
            // RFC 2253 escapes quotes and semicolons, but the text may not.
            b';' | b'=' | b'"' => push_hex(&mut text, byte),
            other => push(&mut text, other),
        }
    }
    text
}

/// Whether the text ends with an odd number of backslashes.
fn ends_in_escape(text: &str) -> bool {
    text.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

fn push(text: &mut String, byte: u8) {
    if (b' '..=b'~').contains(&byte) {
        text.push(char::from(byte));
    } else {
        push_hex(text, byte);
    }
}

fn push_hex(text: &mut String, byte: u8) {
    // Writing to a String cannot fail.
    let _ = write!(text, "\\{byte:02X}");
}

#[cfg(test)]
mod tests {
    use super::{for_header, for_xfcc};

    #[test]
    fn a_dn_of_printable_ascii_is_unchanged() {
        for dn in [r#"CN=a\"b\;c\\,O=B\C3\A4cker\, S\+N+OU=x=y,C=DE"#, "", r"CN=a\\"] {
            assert_eq!(for_header(dn), dn);
        }
    }

    #[test]
    fn a_trailing_space_of_a_dn_survives_trimming() {
        assert_eq!(for_header(r"CN=\ x\ "), r"CN=\ x\20");
        // An escaped backslash followed by a space, not an escaped space.
        assert_eq!(for_header(r"CN=x\\\ "), r"CN=x\\\20");
    }

    #[test]
    fn bytes_invalid_in_headers_become_hex_pairs() {
        assert_eq!(for_header("CN=ä\r\n"), r"CN=\C3\A4\0D\0A");
        assert_eq!(for_xfcc("CN=ä\r\n"), r"CN=\C3\A4\0D\0A");
    }

    #[test]
    fn a_dn_cannot_inject_a_field() {
        assert_eq!(for_xfcc(r"CN=a\;Chain=x,O=b"), r"CN=a\3BChain\3Dx,O=b");
        assert_eq!(for_xfcc(r"CN=a\,Hash=x+OU=c,O=b"), r"CN=a\,Hash\3Dx+OU=c,O=b");
        assert_eq!(for_xfcc(r#"CN=\"quoted\",O=b\\"#), r#"CN=\"quoted\",O=b\5C"#);
        assert_eq!(for_xfcc(r#"CN=raw";x"#), r"CN=raw\22\3Bx");
        assert_eq!(for_xfcc(r"CN=x\"), r"CN=x\5C");
    }
}
