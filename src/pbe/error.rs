//! Why a file with a password cannot be opened.

use std::fmt::Write;

use super::limits::{MAX_ITERATIONS, MAX_SIZE};
use crate::text::suggest::shell_word;

/// Why an encrypted key or a keystore cannot be used.
///
/// `Display` directly follows the file's name, such as ` is not a valid PKCS#12 file`. It never shows a password or a part of a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PbeError {
    /// The check of a keystore fails, or what is decrypted is not what was encrypted.
    #[error(" cannot be decrypted: the password is wrong, or the file is damaged")]
    WrongPassword,
    /// The keystore's check succeeds, but a part of it cannot be decrypted.
    #[error(" has this password, but its key or certificate has another one, expected the same for all")]
    KeyPassword,
    /// Not the structure that the format prescribes.
    #[error(" is damaged: it does not have the structure of PKCS#12 or PKCS#8")]
    Malformed,
    /// A keystore that is larger than any with one key.
    #[error(" is larger than {} MiB, which a keystore with one private key is not", MAX_SIZE >> 20)]
    TooLarge,
    /// Key derivations that would take too long.
    #[error(" needs more than {MAX_ITERATIONS} iterations of key derivation, which would delay a reload")]
    TooMuchWork,
    /// An algorithm or form that is not supported.
    #[error(" {0}, which is not supported")]
    Unsupported(String),
    /// No private key.
    #[error(" contains no private key, expected one with its certificate")]
    NoKey,
    /// Several private keys, with their names.
    #[error(" contains {} private keys ({}), expected one", .0.len(), names(.0))]
    SeveralKeys(Vec<Option<String>>),
    /// No certificate.
    #[error(" contains no certificate, expected that of its private key")]
    NoCertificate,
}

impl PbeError {
    /// How to fix a keystore with this name.
    #[must_use]
    pub fn keystore_help(&self, file: &str) -> Option<String> {
        let (shown, new) = (shell_word(file), shell_word(&format!("{file}.new")));
        Some(match self {
            Self::WrongPassword => return None,
            Self::KeyPassword => {
                format!(
                    "write it again with one password: keytool -importkeystore -srckeystore {shown} -srckeypass KEY_PASSWORD -destkeystore {new} -deststoretype PKCS12"
                )
            }
            Self::SeveralKeys(_) => format!(
                "extract the one to use: keytool -importkeystore -srckeystore {shown} -srcalias ALIAS -destkeystore {new} -deststoretype PKCS12"
            ),
            Self::NoKey | Self::NoCertificate => {
                "export the certificate together with its private key and its chain".to_owned()
            }
            Self::Malformed => "export or copy the file again".to_owned(),
            Self::TooLarge | Self::TooMuchWork | Self::Unsupported(_) => format!(
                "encrypt it again: openssl pkcs12 -in {shown} -legacy -noenc -out all.pem, then: openssl pkcs12 -export -in all.pem -out {new}; remove all.pem"
            ),
        })
    }

    /// How to fix an encrypted PEM key with this name.
    #[must_use]
    pub fn key_help(&self, file: &str) -> Option<String> {
        let (shown, new) = (shell_word(file), shell_word(&format!("{file}.new")));
        match self {
            Self::WrongPassword => None,
            _ => Some(format!(
                "encrypt it again: openssl pkcs8 -topk8 -v2 aes256 -in {shown} -out {new}; or remove the password: openssl pkey -in {shown} -out {new}"
            )),
        }
    }
}

/// The names of keys: a few, each bounded.
fn names(keys: &[Option<String>]) -> String {
    const SHOWN: usize = 5;
    let mut text = String::new();
    for (index, key) in keys.iter().take(SHOWN).enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        let _ = match key {
            Some(name) => write!(text, "{comma}{:?}", name.chars().take(64).collect::<String>()),
            None => write!(text, "{comma}one without a name"),
        };
    }
    if keys.len() > SHOWN {
        text.push_str(", ...");
    }
    text
}
