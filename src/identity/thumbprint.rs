//! SHA-256 thumbprints of certificates (RFC 8705 section 3.1).

use std::{fmt, path::Path, str::FromStr};

use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::URL_SAFE_NO_PAD},
};
use sha2::{Digest, Sha256};

/// The SHA-256 hash of a certificate's DER, `x5t#S256` in RFC 8705 section 3.1. It identifies a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// The thumbprint of a certificate in DER.
    #[must_use]
    pub fn of(der: &[u8]) -> Self {
        Self(sha256(der))
    }

    /// A thumbprint from its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes of the hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Base64url without padding (RFC 7515 section 2), as in the `x5t#S256` member of a `cnf` claim.
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

/// The accepted forms, for error messages.
const EXPECTED: &str =
    "a SHA-256 thumbprint is 64 hex digits or 43 characters of base64: `mtls-edge inspect CERT` prints it";

/// Why a text is not a SHA-256 thumbprint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ThumbprintError {
    /// The text is empty.
    #[error("empty; {EXPECTED}")]
    Empty,
    /// Another hash, recognized by its label or its length.
    #[error("looks like {algorithm} ({bytes} bytes); {EXPECTED}")]
    OtherHash {
        /// The hash algorithm.
        algorithm: &'static str,
        /// The number of bytes found.
        bytes: usize,
    },
    /// Hex digits, but not 64.
    #[error("{digits} hex digits; {EXPECTED}")]
    HexLength {
        /// The number of hex digits found.
        digits: usize,
    },
    /// Base64 characters, but not the base64 of 32 bytes.
    #[error("{characters} characters that are not base64 of 32 bytes; {EXPECTED}")]
    Base64 {
        /// The number of characters found, without padding.
        characters: usize,
    },
    /// A character that no form contains.
    #[error("contains {found:?}; {EXPECTED}")]
    Character {
        /// The first such character.
        found: char,
    },
    /// A PEM certificate instead of its hash.
    #[error("a PEM certificate, not its thumbprint; put it in a file and name that as `certificate`")]
    Pem,
    /// A file name.
    #[error("a file name; write certificate = {file:?}, or paste what `mtls-edge inspect {file}` prints")]
    File {
        /// The file name.
        file: String,
    },
    /// A JWK (RFC 7517).
    #[error("a JWK; {}", advice(x5t_s256.as_deref()))]
    Jwk {
        /// Its `x5t#S256`, if it has one.
        x5t_s256: Option<String>,
    },
}

fn advice(x5t_s256: Option<&str>) -> String {
    match x5t_s256 {
        Some(thumbprint) => format!("write its x5t#S256 alone: {thumbprint:?}"),
        None => format!("it has no x5t#S256; {EXPECTED}"),
    }
}

impl FromStr for Thumbprint {
    type Err = ThumbprintError;

    /// Parses the forms that tools print: 64 hex digits in any case, with or without colons, spaces or hyphens between bytes; 43
    /// characters of base64url or standard base64, with or without padding; either with a label such as `sha256 Fingerprint=`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim_matches(is_ignorable);
        if text.starts_with("-----BEGIN") {
            return Err(ThumbprintError::Pem);
        }
        if text.starts_with('{') {
            return Err(ThumbprintError::Jwk { x5t_s256: x5t_s256(text) });
        }
        let (algorithm, text) = strip_label(text);
        let text: String = text.chars().filter(|c| !is_ignorable(*c)).collect();
        if text.is_empty() {
            return Err(ThumbprintError::Empty);
        }
        let parsed = parse(&text);
        match algorithm {
            Some((algorithm, bytes)) if algorithm != "SHA-256" => {
                Err(ThumbprintError::OtherHash { algorithm, bytes })
            }
            _ => parsed,
        }
    }
}

/// Whether a character is ignored: whitespace, and zero-width characters that are copied by accident (Windows' certificate
/// dialog contains U+200E).
fn is_ignorable(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{feff}')
}

/// The name of a hash and its length in bytes.
type Algorithm = (&'static str, usize);

const HASHES: [Algorithm; 6] =
    [("MD5", 16), ("SHA-1", 20), ("SHA-224", 28), ("SHA-256", 32), ("SHA-384", 48), ("SHA-512", 64)];

/// The text without its label, and the hash that the label names: openssl prints `sha256 Fingerprint=`, keytool `SHA256:`, PowerShell
/// `Thumbprint :`.
fn strip_label(text: &str) -> (Option<Algorithm>, &str) {
    let Some((label, rest)) = text.split_once(['=', ':']) else { return (None, text) };
    let word: String =
        label.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let word = match word.as_str() {
        "x5ts256" => "sha256".to_owned(),
        "x5t" => "sha1".to_owned(),
        _ => word.replace("fingerprint", "").replace("thumbprint", "").replace("certificate", ""),
    };
    let named = HASHES.iter().find(|(name, _)| name.replace('-', "").eq_ignore_ascii_case(&word));
    let is_label = named.is_some() || (word.is_empty() && !label.is_empty());
    // A label may have two delimiters: `SHA256 Fingerprint: =`.
    if is_label { (named.copied(), rest.trim_start_matches(['=', ':', ' '])) } else { (None, text) }
}

fn parse(text: &str) -> Result<Thumbprint, ThumbprintError> {
    let is_separator = |c: char| c == ':' || c == '-';
    let digits: Option<Vec<u8>> = text
        .chars()
        .filter(|c| !is_separator(*c))
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    match digits {
        // 43 hex digits and hyphens are valid base64url only.
        Some(digits) if text.contains(':') || text.len() != 43 => from_hex(&digits),
        _ => from_base64(text),
    }
}

fn from_hex(digits: &[u8]) -> Result<Thumbprint, ThumbprintError> {
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| (high << 4) | low).collect();
    let other = HASHES.iter().find(|(_, length)| *length == bytes.len());
    match (<[u8; 32]>::try_from(bytes), other) {
        (Ok(bytes), _) if rest.is_empty() => Ok(Thumbprint(bytes)),
        (_, Some((algorithm, bytes))) if rest.is_empty() => {
            Err(ThumbprintError::OtherHash { algorithm, bytes: *bytes })
        }
        _ => Err(ThumbprintError::HexLength { digits: digits.len() }),
    }
}

fn from_base64(text: &str) -> Result<Thumbprint, ThumbprintError> {
    const ANY_PADDING: GeneralPurpose = GeneralPurpose::new(
        &URL_SAFE,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    if is_file(text) {
        return Err(ThumbprintError::File { file: text.to_owned() });
    }
    let bare = text.trim_end_matches('=');
    if let Some(found) = bare.chars().find(|c| !(c.is_ascii_alphanumeric() || "-_+/".contains(*c))) {
        return Err(ThumbprintError::Character { found });
    }
    let decoded = ANY_PADDING.decode(text.replace('+', "-").replace('/', "_")).unwrap_or_default();
    let other = HASHES.iter().find(|(_, length)| *length == decoded.len());
    match (<[u8; 32]>::try_from(decoded), other) {
        (Ok(bytes), _) => Ok(Thumbprint(bytes)),
        (Err(_), Some((algorithm, bytes))) => Err(ThumbprintError::OtherHash { algorithm, bytes: *bytes }),
        (Err(_), None) => Err(ThumbprintError::Base64 { characters: bare.len() }),
    }
}

fn is_file(text: &str) -> bool {
    let extension = Path::new(text).extension().unwrap_or_default();
    ["pem", "crt", "cer", "der", "cert", "p7b", "pfx", "p12"]
        .iter()
        .any(|known| extension.eq_ignore_ascii_case(known))
}

/// The `x5t#S256` of a JWK, or of the first key of a JWKS.
fn x5t_s256(json: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(json).ok()?;
    let jwk = value.pointer("/keys/0").unwrap_or(&value);
    jwk.get("x5t#S256")?.as_str().map(str::to_owned)
}

/// SHA-256, the only hash in this module.
pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
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

    fn error(text: &str) -> ThumbprintError {
        text.parse::<Thumbprint>().unwrap_err()
    }

    #[test]
    fn errors_say_what_was_found() {
        assert_eq!(error("  "), ThumbprintError::Empty);
        assert_eq!(error("sha256 Fingerprint="), ThumbprintError::Empty);
        assert_eq!(
            error(&"AA:".repeat(20)[..59]).to_string(),
            "looks like SHA-1 (20 bytes); a SHA-256 thumbprint is 64 hex digits or 43 characters of base64: `mtls-edge inspect \
             CERT` prints it"
        );
        assert_eq!(error(&"a".repeat(63)), ThumbprintError::HexLength { digits: 63 });
        assert_eq!(error("ungWv48Bz"), ThumbprintError::Base64 { characters: 9 });
        assert_eq!(error("a thumbprint!"), ThumbprintError::Character { found: '!' });
        assert_eq!(error("-----BEGIN CERTIFICATE-----"), ThumbprintError::Pem);
        assert_eq!(error("certs/billing.pem"), ThumbprintError::File { file: "certs/billing.pem".into() });
        assert_eq!(
            error(r#"{"kty":"RSA","x5t#S256":"ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"}"#).to_string(),
            "a JWK; write its x5t#S256 alone: \"ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0\""
        );
        for jwk in [r#"{"kty":"RSA"}"#, r#"{"x5t":"#, "{"] {
            assert_eq!(error(jwk), ThumbprintError::Jwk { x5t_s256: None }, "{jwk}");
        }
    }

    #[test]
    fn other_hashes_are_reported_by_name() {
        for (algorithm, bytes) in HASHES.iter().filter(|(name, _)| *name != "SHA-256") {
            let expected = ThumbprintError::OtherHash { algorithm, bytes: *bytes };
            let bytes = vec![0xab; *bytes];
            let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
            for text in [hex.concat(), hex.join(":"), hex.join(" "), URL_SAFE_NO_PAD.encode(&bytes)] {
                assert_eq!(error(&text), expected, "{text}");
                assert_eq!(error(&format!("{algorithm} Fingerprint={text}")), expected, "{text}");
            }
        }
        // A label decides, independent of the length.
        assert_eq!(
            error(&format!("SHA1: {}", "ab".repeat(32))),
            ThumbprintError::OtherHash { algorithm: "SHA-1", bytes: 20 }
        );
    }

    proptest! {
        #[test]
        fn every_printed_form_is_parsed(bytes: [u8; 32]) {
            let thumbprint = Thumbprint::from_bytes(bytes);
            let colons = bytes.map(|b| format!("{b:02X}")).join(":");
            let (spaces, hyphens) = (colons.replace(':', " "), colons.replace(':', "-"));
            let base64 = thumbprint.base64url();
            let standard = STANDARD.encode(bytes);
            for text in [
                thumbprint.to_string(),
                thumbprint.to_string().to_uppercase(),
                colons.clone(),
                spaces.clone(),
                hyphens,
                format!("\u{200e}{}", spaces.to_lowercase()),
                base64.clone(),
                format!("{base64}="),
                standard.clone(),
                standard.trim_end_matches('=').to_owned(),
            ] {
                for label in [
                    "",
                    "sha256 Fingerprint=",
                    "SHA256 Fingerprint=",
                    "SHA256:",
                    "SHA256: ",
                    "\t SHA-256: ",
                    "SHA-256 fingerprint : ",
                    "Fingerprint (SHA-256): ",
                    "Thumbprint : ",
                    "x5t#S256=",
                ] {
                    prop_assert_eq!(format!("{label}{text}").parse::<Thumbprint>(), Ok(thumbprint), "{}{}", label, text);
                }
            }
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = text.parse::<Thumbprint>();
        }
    }
}
