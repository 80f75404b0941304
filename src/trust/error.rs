//! Why an application cannot be built from its specification.

use super::{application::Role, auth_method::AuthMethod};
use crate::identity::Thumbprint;

/// Why a text is not valid as a registered `client_id`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientIdError {
    /// It is empty.
    #[error("empty, expected a client_id")]
    Empty,
    /// It is longer than [`ClientIdError::LONGEST`] bytes.
    #[error("{0} bytes, expected a client_id of at most {longest}", longest = Self::LONGEST)]
    TooLong(usize),
    /// It contains a character other than printable ASCII (RFC 6749 appendix A.1).
    #[error("{0:?}, expected printable ASCII (RFC 6749, appendix A.1)")]
    Character(char),
    /// It begins or ends with a space, which some servers remove: they would read another client.
    #[error("a space at its ends, expected none")]
    OuterSpace,
}

impl ClientIdError {
    /// The maximum length in bytes. RFC 6749 sets none; this one bounds log lines and lookups.
    pub const LONGEST: usize = 255;

    /// The first rule that this text breaks; `None` if it is valid.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::Empty);
        }
        if text.len() > Self::LONGEST {
            return Some(Self::TooLong(text.len()));
        }
        if let Some(character) = text.chars().find(|c| !matches!(c, ' '..='~')) {
            return Some(Self::Character(character));
        }
        (text.trim() != text).then_some(Self::OuterSpace)
    }
}

/// Why an [`ApplicationSpec`] is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplicationError {
    /// The `client_id` is invalid.
    #[error("the client_id is {0}")]
    ClientId(#[from] ClientIdError),
    /// There is no credential.
    #[error("an application with {} needs at least one credential", .0.as_str())]
    NoCredential(AuthMethod),
    /// A public client has a credential.
    #[error("a public client (none) has no credential")]
    PublicClient,
    /// Both credentials and published keys.
    #[error("an application has either credentials or a jwks_uri")]
    CredentialAndPublished,
    /// Published keys of another method than `private_key_jwt`.
    #[error("jwks_uri belongs to private_key_jwt, but the application uses {}", .0.as_str())]
    PublishedKeys(AuthMethod),
    /// Certificates to bind tokens to, without `certificate_bound`.
    #[error("certificates are registered for binding, but tokens are not bound: certificate_bound is false")]
    NotBound,
    /// Certificates to bind tokens to, besides those of a method that binds them by itself.
    #[error(
        "tokens are bound to the certificate of {}: register it as a credential, not as a certificate to bind to", .0.as_str()
    )]
    BoundByMethod(AuthMethod),
    /// A credential is invalid.
    #[error("{fault}")]
    Credential {
        /// What it is registered for.
        role: Role,
        /// Its index among those of its role, from 0.
        index: usize,
        /// What is wrong.
        fault: CredentialFault,
    },
}

/// What is wrong with a credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialFault {
    /// There are more than [`Credentials::MAX`].
    #[error("{0} credentials, expected at most two: one in use and its successor")]
    TooMany(usize),
    /// It registers something else than its role and the method need.
    #[error("the credential registers {found}, expected {expected}")]
    Kind {
        /// What it registers.
        found: &'static str,
        /// What it should register.
        expected: &'static str,
    },
    /// Two have the same name.
    #[error("the credential name {0:?} is used twice")]
    RepeatedName(String),
    /// Two register the same certificate.
    #[error("the thumbprint {0} is registered for this application already")]
    RepeatedThumbprint(Thumbprint),
    /// Two register the same public key.
    #[error("the public key is registered for this application already")]
    RepeatedKey,
    /// Two keys have the same `kid`, by which a signature selects one.
    #[error("the kid {0:?} is used for two keys")]
    RepeatedKeyId(String),
    /// Two register the same secret.
    #[error("the secret is registered for this application already")]
    RepeatedSecret,
}
