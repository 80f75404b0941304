//! The types of keys that are accepted.

use std::fmt;

use super::Algorithm;

/// The type of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// RSA, with the size of the modulus.
    Rsa {
        /// The size in bits.
        bits: usize,
    },
    /// Elliptic curve P-256.
    P256,
    /// Ed25519.
    Ed25519,
}

impl KeyType {
    /// Whether a key of this type can be used with the algorithm.
    #[must_use]
    pub const fn fits(self, algorithm: Algorithm) -> bool {
        match algorithm {
            Algorithm::RS256 | Algorithm::RS384 | Algorithm::PS256 => matches!(self, Self::Rsa { .. }),
            Algorithm::ES256 => matches!(self, Self::P256),
            Algorithm::EdDSA => matches!(self, Self::Ed25519),
        }
    }

    /// The algorithm of a published key that names none.
    #[must_use]
    pub const fn usual_algorithm(self) -> Algorithm {
        match self {
            Self::Rsa { .. } => Algorithm::RS256,
            Self::P256 => Algorithm::ES256,
            Self::Ed25519 => Algorithm::EdDSA,
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA key of {bits} bits"),
            Self::P256 => f.write_str("EC key on P-256"),
            Self::Ed25519 => f.write_str("Ed25519 key"),
        }
    }
}
