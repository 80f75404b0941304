//! The signature algorithms that are accepted.

use std::{fmt, str::FromStr};

/// A signature algorithm of JWS (RFC 7518 section 3.1, RFC 8037, RFC 9864). Symmetric algorithms and `none` do not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// Ed25519, named `EdDSA` by RFC 8037 and `Ed25519` by RFC 9864.
    EdDSA,
}

impl Algorithm {
    /// All algorithms, in the order in which messages list them.
    pub const ALL: [Self; 5] = [Self::RS256, Self::RS384, Self::PS256, Self::ES256, Self::EdDSA];

    /// Whether the FAPI 2.0 Security Profile accepts it (section 5.4.1).
    #[must_use]
    pub const fn is_in_fapi2(self) -> bool {
        matches!(self, Self::PS256 | Self::ES256 | Self::EdDSA)
    }

    /// The name of the algorithm in `alg`; `EdDSA` for Ed25519.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::PS256 => "PS256",
            Self::ES256 => "ES256",
            Self::EdDSA => "EdDSA",
        }
    }
}

/// RS256, the default of `token_endpoint_auth_signing_alg` in practice, and of the configuration.
impl Default for Algorithm {
    fn default() -> Self {
        Self::RS256
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is not an accepted algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an accepted algorithm: RS256, RS384, PS256, ES256 and EdDSA are")]
pub struct UnknownAlgorithm;

/// Parses the value of `alg`, which is case-sensitive (RFC 7515 section 4.1.1). `Ed25519` is [`Algorithm::EdDSA`] (RFC 9864).
impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        if name == "Ed25519" {
            return Ok(Self::EdDSA);
        }
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name).ok_or(UnknownAlgorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_is_parsed_by_its_name() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
        }
        assert_eq!("Ed25519".parse(), Ok(Algorithm::EdDSA));
        for other in
            ["", "none", "None", "HS256", "rs256", "RS256 ", "RS512", "PS384", "ES384", "ES256K", "Ed448"]
        {
            assert_eq!(other.parse::<Algorithm>(), Err(UnknownAlgorithm), "{other:?}");
        }
    }
}
