//! `secret_sha256`: the hash of a client secret.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use crate::config::{diagnostic::Fault, settings::SecretHash};

/// SHA-256 of empty input and of a single line break, which a pipe prints if the command before it failed.
const HASHES_OF_NOTHING: [&str; 2] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b",
];

/// Parses a SHA-256 hash: hexadecimal digits with or without colons, or base64url with or without padding. A fault never quotes the text: it may be the
/// secret itself.
pub(super) fn secret_hash(text: &str) -> Result<SecretHash, Fault> {
    const HELP: &str =
        "write the hash, not the secret, in hexadecimal digits or base64url: printf %s SECRET | sha256sum";
    let hash = from_hex(text).or_else(|| from_base64url(text));
    let Some(hash) = hash else {
        // As sha256sum prints it, with the name of the file.
        if text.split_whitespace().next().and_then(from_hex).is_some() {
            let what = "found a SHA-256 hash and more text, expected the hash alone";
            return Err(Fault::new(what).help("remove what follows the 64 hexadecimal digits"));
        }
        let is_password_hash = text.starts_with('$') || text.starts_with('{');
        let found = if is_password_hash {
            "found a hash of another kind".to_owned()
        } else {
            format!("found a value of {} characters", text.chars().count())
        };
        return Err(
            Fault::new(format!("{found}, expected the SHA-256 hash of the secret: 32 bytes")).help(HELP)
        );
    };
    if HASHES_OF_NOTHING.iter().any(|nothing| from_hex(nothing) == Some(hash)) {
        let what =
            "found the SHA-256 hash of empty input: the command that should have printed the secret failed";
        return Err(Fault::new(what).help(HELP));
    }
    Ok(SecretHash(hash))
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = match text.len() {
        64 => text.bytes().collect(),
        // 32 pairs with a colon between them.
        95 if text.bytes().enumerate().all(|(at, byte)| (byte == b':') == (at % 3 == 2)) => {
            text.bytes().filter(|byte| *byte != b':').collect()
        }
        _ => return None,
    };
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let digits: Vec<u8> = digits.iter().map(digit).collect::<Option<_>>()?;
    let bytes: Vec<u8> =
        digits.chunks_exact(2).filter_map(|pair| Some(pair.first()? << 4 | pair.last()?)).collect();
    bytes.try_into().ok()
}

fn from_base64url(text: &str) -> Option<[u8; 32]> {
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decoded = GeneralPurpose::new(&alphabet::URL_SAFE, lenient).decode(text).ok()?;
    decoded.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

    #[test]
    fn a_hash_is_hex_or_base64url() {
        let pairs: Vec<&str> = (0..32).map(|at| &HEX[2 * at..2 * at + 2]).collect();
        let colons = pairs.join(":");
        let expected = secret_hash(HEX).unwrap();
        for text in [
            &HEX.to_uppercase(),
            &colons,
            "K7gNU3sdo-OL0wNhqoVWhr3g6s1xYv72ol_pe_Unols",
            "K7gNU3sdo-OL0wNhqoVWhr3g6s1xYv72ol_pe_Unols=",
        ] {
            assert_eq!(secret_hash(text), Ok(expected.clone()), "{text}");
        }
        assert_eq!(expected.0[..3], [0x2b, 0xb8, 0x0d]);
    }

    #[test]
    fn text_after_the_hash_is_explained() {
        let fault = secret_hash(&format!("{HEX}  -")).unwrap_err();
        assert!(fault.what.contains("and more text") && !format!("{fault:?}").contains(HEX), "{fault:?}");
    }

    #[test]
    fn a_secret_in_place_of_its_hash_is_not_repeated() {
        let long = "hunter2-".repeat(8);
        for text in ["hunter2", long.as_str(), "$2b$12$hunter2", "{SHA256}hunter2"] {
            let fault = secret_hash(text).unwrap_err();
            assert!(!format!("{fault:?}").contains("hunter2"), "{fault:?}");
        }
    }

    #[test]
    fn the_hash_of_empty_input_is_refused() {
        for text in HASHES_OF_NOTHING {
            assert!(secret_hash(text).unwrap_err().what.contains("empty input"));
        }
    }
}
