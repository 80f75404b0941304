//! The SHA-256 thumbprint of a certificate, RFC 8705 section 3.1.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

/// The SHA-256 hash of a certificate's DER: what RFC 8705 section 3.1 calls `x5t#S256`.
///
/// Two certificates are the same exactly when their thumbprints are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// The thumbprint of a certificate in DER.
    #[must_use]
    pub fn of(der: &[u8]) -> Self {
        Self(sha256(der))
    }

    /// A thumbprint that is already known.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash's octets.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The form of a token's `cnf` claim, `x5t#S256`: base64url without padding (RFC 7515 section 2).
    #[must_use]
    pub fn base64url(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

/// Lower-case hex without colons.
impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbprint({self})")
    }
}

/// What a thumbprint may look like, for error messages.
const EXPECTED: &str = "a SHA-256 thumbprint is 64 hex digits (colons allowed) or 43 characters of base64url";

/// Why a text is not a SHA-256 thumbprint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ThumbprintError {
    /// Nothing was written.
    #[error("empty; {EXPECTED}")]
    Empty,
    /// A hash of another kind, told by its length.
    #[error("looks like {algorithm} ({digits} hex digits); {EXPECTED}")]
    OtherHash {
        /// The hash whose length this is.
        algorithm: &'static str,
        /// How many hex digits were found.
        digits: usize,
    },
    /// Hex digits, but not 64.
    #[error("{digits} hex digits; {EXPECTED}")]
    HexLength {
        /// How many hex digits were found.
        digits: usize,
    },
    /// Standard base64, where base64url is meant.
    #[error("holds {found:?}, which belongs to standard base64; base64url has `-` for `+` and `_` for `/`")]
    StandardBase64 {
        /// The first character that base64url does not have.
        found: char,
    },
    /// Characters that fit, but not a base64url text of 32 octets.
    #[error("{characters} characters that are not base64url of 32 octets; {EXPECTED}")]
    Base64 {
        /// How many characters were found, padding aside.
        characters: usize,
    },
    /// A character that no form has.
    #[error("holds {found:?}; {EXPECTED}")]
    Character {
        /// The first such character.
        found: char,
    },
    /// A certificate was pasted instead of its hash.
    #[error("a PEM certificate, not its thumbprint; put it in a file and name that as `certificate`")]
    Pem,
}

impl FromStr for Thumbprint {
    type Err = ThumbprintError;

    /// Reads 64 hex digits of any case, with or without colons, or 43 characters of base64url (a `=` at the end is
    /// accepted).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ThumbprintError::Empty);
        }
        if text.starts_with("-----BEGIN") {
            return Err(ThumbprintError::Pem);
        }
        let hex: Vec<u8> = text
            .chars()
            .filter(|c| *c != ':')
            .map_while(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect();
        let all_hex = hex.len() == text.chars().filter(|c| *c != ':').count();
        // 43 hex digits are base64url too, and nothing else that is right.
        if all_hex && (text.contains(':') || text.len() != 43) {
            return from_hex(&hex);
        }
        from_base64url(text)
    }
}

fn from_hex(digits: &[u8]) -> Result<Thumbprint, ThumbprintError> {
    let algorithm = match digits.len() {
        64 => {
            let mut bytes = [0; 32];
            for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
                *byte = pair.iter().fold(0, |high, low| (high << 4) | low);
            }
            return Ok(Thumbprint(bytes));
        }
        32 => "MD5",
        40 => "SHA-1",
        56 => "SHA-224",
        96 => "SHA-384",
        128 => "SHA-512",
        digits => return Err(ThumbprintError::HexLength { digits }),
    };
    Err(ThumbprintError::OtherHash { algorithm, digits: digits.len() })
}

fn from_base64url(text: &str) -> Result<Thumbprint, ThumbprintError> {
    let bare = text.strip_suffix('=').unwrap_or(text);
    if let Some(found) = bare.chars().find(|c| !(c.is_ascii_alphanumeric() || "-_".contains(*c))) {
        return Err(match found {
            '+' | '/' => ThumbprintError::StandardBase64 { found },
            _ => ThumbprintError::Character { found },
        });
    }
    let decoded = URL_SAFE_NO_PAD.decode(bare).ok();
    decoded
        .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
        .map(Thumbprint)
        .ok_or(ThumbprintError::Base64 { characters: bare.len() })
}

/// SHA-256, the one hash that this module's facts are kept by.
pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_value_in_every_form() {
        let thumbprint = Thumbprint::of(b"abc");
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(thumbprint.to_string(), hex);
        assert_eq!(thumbprint.base64url(), "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
        assert_eq!(format!("{thumbprint:?}"), format!("Thumbprint({hex})"));
    }

    #[test]
    fn mistakes_are_named() {
        let error = |text: &str| text.parse::<Thumbprint>().unwrap_err();
        assert_eq!(error("  "), ThumbprintError::Empty);
        assert_eq!(error(&"a".repeat(40)), ThumbprintError::OtherHash { algorithm: "SHA-1", digits: 40 });
        assert!(
            error(&"AA:".repeat(20)[..59])
                .to_string()
                .starts_with("looks like SHA-1 (40 hex digits); a SHA-256")
        );
        assert_eq!(error(&"a".repeat(63)), ThumbprintError::HexLength { digits: 63 });
        assert_eq!(
            error("ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="),
            ThumbprintError::StandardBase64 { found: '+' }
        );
        assert_eq!(error("ungWv48Bz"), ThumbprintError::Base64 { characters: 9 });
        assert_eq!(error("sha256 Fingerprint=AA"), ThumbprintError::Character { found: ' ' });
        assert_eq!(error("-----BEGIN CERTIFICATE-----"), ThumbprintError::Pem);
    }

    proptest! {
        #[test]
        fn every_written_form_reads_back(bytes: [u8; 32]) {
            let thumbprint = Thumbprint::from_bytes(bytes);
            let colons = bytes.map(|b| format!("{b:02X}")).join(":");
            for text in [thumbprint.to_string(), colons, thumbprint.base64url(), thumbprint.base64url() + "="] {
                prop_assert_eq!(text.parse::<Thumbprint>(), Ok(thumbprint));
            }
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = text.parse::<Thumbprint>();
        }
    }
}
