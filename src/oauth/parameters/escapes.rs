//! Non-standard decodings of names, each of which is used by some server.

use std::borrow::Cow;

use memchr::memchr;

/// Decodes a name again: `%XX`, and `%uXXXX` like ASP.NET and JavaScript's `unescape`. `None` if nothing changes.
pub(super) fn decoded_further(name: &[u8]) -> Option<Vec<u8>> {
    memchr(b'%', name)?;
    let mut decoded = Vec::with_capacity(name.len());
    let mut rest = name;
    while let [first, behind @ ..] = rest {
        rest = behind;
        let unicode = behind.strip_prefix(b"u").or(behind.strip_prefix(b"U"));
        if *first != b'%' {
            decoded.push(*first);
        } else if let Some((code, behind)) = digits(behind, 2) {
            decoded.extend(u8::try_from(code));
            rest = behind;
        } else if let Some((code, behind)) = unicode.and_then(|text| digits(text, 4)) {
            let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
            decoded.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            rest = behind;
        } else {
            decoded.push(b'%');
        }
    }
    (decoded.len() != name.len()).then_some(decoded)
}

/// The value of the first `count` hexadecimal digits, and the rest.
fn digits(text: &[u8], count: usize) -> Option<(u32, &[u8])> {
    let (digits, behind) = text.split_at_checked(count)?;
    let code = digits.iter().try_fold(0, |code, digit| Some(code << 4 | char::from(*digit).to_digit(16)?))?;
    Some((code, behind))
}

/// Decodes UTF-8 including overlong ASCII of two to four bytes, which decoders accepted before RFC 3629. Invalid bytes become
/// U+FFFD.
pub(super) fn lenient_utf8(bytes: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(bytes);
    if matches!(text, Cow::Borrowed(_)) {
        return text;
    }
    let ascii = |high: u8, low: u8| (high & 1) << 6 | (low & 0x3f);
    let mut shortened = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, behind @ ..] = rest {
        let byte;
        (byte, rest) = match rest {
            [high @ (0xc0 | 0xc1), low @ 0x80..=0xbf, behind @ ..]
            | [0xe0, high @ (0x80 | 0x81), low @ 0x80..=0xbf, behind @ ..]
            | [0xf0, 0x80, high @ (0x80 | 0x81), low @ 0x80..=0xbf, behind @ ..] => {
                (ascii(*high, *low), behind)
            }
            _ => (*first, behind),
        };
        shortened.push(byte);
    }
    String::from_utf8_lossy(&shortened).into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_and_overlong_escapes_are_decoded() {
        let further =
            |name: &str| decoded_further(name.as_bytes()).map(|name| String::from_utf8(name).unwrap());
        assert_eq!(further("a%5Fb").as_deref(), Some("a_b"));
        assert_eq!(further("%u0063%U0131").as_deref(), Some("cı"));
        for name in ["", "a", "%", "%zz", "%u", "%u00", "%u00zz", "100%"] {
            assert_eq!(further(name), None, "{name}");
        }
        assert_eq!(
            lenient_utf8(b"\xc1\xa3\xe0\x81\xac\xf0\x80\x81\xa9\xc1\xff\xc3\xa9"),
            "cli\u{fffd}\u{fffd}é"
        );
    }
}
