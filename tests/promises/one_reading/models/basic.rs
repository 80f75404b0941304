//! HTTP Basic: how servers find it, what they accept as base64, and whether they decode the client identifier.

use super::escapes::{lenient, lossy};
use crate::one_reading::raw_request::Clients;

/// Decodes base64 of either alphabet and ignores other characters (Node, PHP, Ruby, Python, RESTEasy).
pub fn base64(text: &[u8]) -> Vec<u8> {
    let value = |byte: &u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    };
    let (mut decoded, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for value in text.iter().take_while(|byte| **byte != b'=').filter_map(value) {
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            decoded.push(u8::try_from(bits >> count & 0xff).unwrap());
        }
    }
    decoded
}

/// The clients in base64 of `user:secret`: as it is, form-decoded, and cut at a NUL.
pub fn named(encoded: &[u8]) -> Clients {
    let decoded = base64(encoded);
    let Some(colon) = decoded.iter().position(|byte| *byte == b':') else { return Clients::new() };
    let user = &decoded[..colon];
    let cut = user.split(|byte| *byte == 0).next().unwrap_or_default();
    [lossy(user), lossy(&lenient(user)), lossy(cut)].into_iter().filter(|id| !id.is_empty()).collect()
}

/// The second word if the first is `basic`, in any case; any whitespace separates words.
pub fn by_white_space(value: &[u8]) -> Clients {
    // Java's trim() removes all characters up to the space.
    let start = value.iter().position(|byte| *byte > b' ').unwrap_or(value.len());
    let value = &value[start..];
    let is_whitespace = |byte: &u8| matches!(byte, b' ' | b'\t' | 0x0b | 0x0c | b'\r' | b'\n' | 0xa0 | 0x85);
    let words: Vec<&[u8]> = value.split(is_whitespace).filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        [scheme, credentials, ..] if scheme.eq_ignore_ascii_case(b"basic") => named(credentials),
        _ => Clients::new(),
    }
}

/// The text after the sixth character of a value that begins with `basic`, after any leading characters that are not alphanumeric.
pub fn by_length(value: &[u8]) -> Clients {
    let start = value.iter().position(u8::is_ascii_alphanumeric).unwrap_or(value.len());
    let value = &value[start..];
    match value.split_at_checked(6) {
        Some((scheme, credentials)) if scheme[..5].eq_ignore_ascii_case(b"basic") => named(credentials),
        _ => Clients::new(),
    }
}

/// The text after `Basic ` at any position, as an unanchored search finds it.
pub fn by_search(value: &[u8]) -> Clients {
    let at = value.windows(6).position(|window| window.eq_ignore_ascii_case(b"basic "));
    at.map(|at| named(&value[at + 6..])).unwrap_or_default()
}
