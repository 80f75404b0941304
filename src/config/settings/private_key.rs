//! Where a private key is.

use std::{fmt, path::PathBuf};

use crate::{
    config::span::{Span, Spanned},
    pkcs11::KeyUri,
};

/// Where a private key is. `Display` shows it as messages name it.
#[derive(Clone, Debug)]
pub enum PrivateKey {
    /// In a PEM file; possibly that of the certificate.
    File(Spanned<PathBuf>),
    /// In a PKCS#11 token.
    Token(TokenKey),
}

/// A private key of a PKCS#11 token.
#[derive(Clone, Debug)]
pub struct TokenKey {
    /// The token, and the key in it.
    pub uri: KeyUri,
    /// The file with the PIN of the token's user.
    pub pin_file: Spanned<PathBuf>,
}

impl PrivateKey {
    /// Its place in the configuration.
    #[must_use]
    pub const fn span(&self) -> &Span {
        &self.file().span
    }

    /// The file that it needs: with the key, or with the PIN.
    #[must_use]
    pub const fn file(&self) -> &Spanned<PathBuf> {
        match self {
            Self::File(file) => file,
            Self::Token(key) => &key.pin_file,
        }
    }

    /// The key, unless it is in a file.
    #[must_use]
    pub const fn in_token(&self) -> Option<&TokenKey> {
        match self {
            Self::File(_) => None,
            Self::Token(key) => Some(key),
        }
    }
}

impl fmt::Display for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "{}", file.value.display()),
            Self::Token(key) => write!(f, "{}", key.uri),
        }
    }
}
