//! The Java classes and Keycloak's PEM helper that the providers use.

use base64::{Engine as _, alphabet, engine};

/// How a version of Keycloak decodes base64. All stop at the padding, but they differ in what they ignore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base64 {
    /// Keycloak's former class: skips whitespace, and ignores everything after the padding.
    Own,
    /// The basic decoder of `java.util.Base64`, which 26.5.0 used: ignores nothing.
    Basic,
    /// The MIME decoder of `java.util.Base64`, used since: skips other characters, but rejects base64 after the padding.
    Mime,
}

impl Base64 {
    pub(super) const ALL: [Self; 3] = [Self::Own, Self::Basic, Self::Mime];

    pub(super) fn decode(self, text: &str) -> Option<Vec<u8>> {
        let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
        let (digits, rest) = text.split_at(text.find('=').unwrap_or(text.len()));
        let mut rest = rest.trim_start_matches('=').bytes();
        let readable = match self {
            Self::Own => digits.bytes().all(|byte| is_digit(byte) || byte.is_ascii_whitespace()),
            Self::Basic => digits.bytes().all(is_digit) && rest.next().is_none(),
            Self::Mime => !rest.any(is_digit),
        };
        let digits: Vec<u8> = digits.bytes().filter(|byte| is_digit(*byte)).collect();
        // Java ignores unused bits before the padding.
        let config = engine::general_purpose::NO_PAD.with_decode_allow_trailing_bits(true);
        let engine = engine::GeneralPurpose::new(&alphabet::STANDARD, config);
        if readable { engine.decode(digits).ok() } else { None }
    }
}

/// `URLDecoder`: a plus sign is a space, and two hex digits must follow `%`.
pub(super) fn url_decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

/// `CertificateFactory` on a stream of DER: all certificates.
pub(super) fn certificates(mut der: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    while !der.is_empty() {
        let (one, rest) = first(der)?;
        found.push(one.to_vec());
        der = rest;
    }
    Some(found)
}

/// The first SEQUENCE (X.690 section 8.1), and the rest.
fn first(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, length) = match der {
        [0x30, length @ 0..=0x7F, ..] => (2, usize::from(*length)),
        [0x30, 0x81, length, ..] => (3, usize::from(*length)),
        [0x30, 0x82, high, low, ..] => (4, usize::from(*high) << 8 | usize::from(*low)),
        _ => return None,
    };
    der.split_at_checked(head + length)
}

pub(super) const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
pub(super) const END: &str = "-----END CERTIFICATE-----";

/// One certificate as the PEM helper reads it: boundaries are removed, with everything between their first and last dashes in
/// the same line, and the rest is base64. Of several concatenated certificates in DER, it reads the first.
pub(super) fn certificate(text: &str, base64: Base64) -> Option<Vec<u8>> {
    let without = |line: &str, from: &str, to: &str| match (line.find(from), line.rfind(to)) {
        (Some(start), Some(end)) if end >= start + from.len() => {
            [&line[..start], &line[end + to.len()..]].concat()
        }
        _ => line.to_owned(),
    };
    let body: String = text
        .split('\n')
        .map(|line| without(&without(line, "-----BEGIN ", "-----"), "-----END ", "----"))
        .collect();
    let der = base64.decode(body.trim())?;
    Some(first(&der)?.0.to_vec())
}

/// A bundle as the PEM helper reads it: split after every END line, each piece a certificate.
pub(super) fn bundle(text: &str, base64: Base64) -> Option<Vec<Vec<u8>>> {
    let pieces = text.split(END).map(str::trim).filter(|piece| !piece.is_empty());
    pieces.map(|piece| certificate(&format!("{piece}{END}"), base64)).collect()
}
