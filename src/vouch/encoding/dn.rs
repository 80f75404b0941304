//! Distinguished names as header values: the text of RFC 2253, made safe for the way.

use std::fmt::Write as _;

/// A DN as a header value of its own.
///
/// The text goes as OpenSSL prints it, but for what would not arrive: a byte outside visible ASCII and
/// the blank, and an escaped blank at the very end (a recipient trims blanks, RFC 9110 section 5.5, and
/// would be left with a lone backslash). Those become hex pairs, which are the same name (RFC 2253 section 2.4).
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

/// A DN inside the double quotes of an XFCC field.
///
/// Some readers of XFCC split at every `;`, `=` or `,` without minding quotes, and some take any quote after
/// a backslash for an escaped one. A client that chose its own subject (a self-signed certificate is
/// matched by its thumbprint, whatever its name) could then start a field such as `Chain=` or an element
/// such as `Hash=` of its own. So what could start one is written as a hex pair (RFC 2253 section 2.4), which
/// is the same name to any parser: `;`, `=` within a value, and the backslash itself. Quotes
/// and commas keep the backslash that RFC 2253 gives them, as Envoy sends them: without a `;`
/// or a `=` after it, what follows a comma is no field.
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
                // No RFC 2253 text ends so; alone it would escape the closing quote.
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
            // RFC 2253 escapes a quote and a semicolon already; text that does not is made to.
            b';' | b'=' | b'"' => push_hex(&mut text, byte),
            other => push(&mut text, other),
        }
    }
    text
}

/// Whether the text ends in an odd number of backslashes.
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
    fn a_dn_that_arrives_whole_is_left_alone() {
        for dn in [r#"CN=a\"b\;c\\,O=B\C3\A4cker\, S\+N+OU=x=y,C=DE"#, "", r"CN=a\\"] {
            assert_eq!(for_header(dn), dn);
        }
    }

    #[test]
    fn a_blank_at_the_end_of_a_dn_survives_trimming() {
        assert_eq!(for_header(r"CN=\ x\ "), r"CN=\ x\20");
        // An escaped backslash and then a blank: not an escaped blank.
        assert_eq!(for_header(r"CN=x\\\ "), r"CN=x\\\20");
    }

    #[test]
    fn bytes_invalid_in_headers_become_hex_pairs() {
        assert_eq!(for_header("CN=ä\r\n"), r"CN=\C3\A4\0D\0A");
        assert_eq!(for_xfcc("CN=ä\r\n"), r"CN=\C3\A4\0D\0A");
    }

    #[test]
    fn nothing_in_a_dn_can_start_a_field() {
        assert_eq!(for_xfcc(r"CN=a\;Chain=x,O=b"), r"CN=a\3BChain\3Dx,O=b");
        assert_eq!(for_xfcc(r"CN=a\,Hash=x+OU=c,O=b"), r"CN=a\,Hash\3Dx+OU=c,O=b");
        assert_eq!(for_xfcc(r#"CN=\"quoted\",O=b\\"#), r#"CN=\"quoted\",O=b\5C"#);
        assert_eq!(for_xfcc(r#"CN=raw";x"#), r"CN=raw\22\3Bx");
        assert_eq!(for_xfcc(r"CN=x\"), r"CN=x\5C");
    }
}
