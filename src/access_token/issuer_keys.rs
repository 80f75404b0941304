//! The keys of an issuer, and which of them verifies a token.

use crate::jose::{Algorithm, Jws, JwsError, KeySet, VerifyingKey};

/// The most keys by which the signature of a token without `kid` is checked.
const CANDIDATES: usize = 4;

/// The keys of an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerKeys(Box<[VerifyingKey]>);

/// Why no key verifies a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyMismatch {
    /// The set has no key for the algorithm.
    #[error("the issuer's key set has no key for {0}")]
    Algorithm(Algorithm),
    /// No key of that algorithm has the token's `kid`.
    #[error("kid is not that of a key of the issuer")]
    Kid,
    /// The token does not say which of many keys signed it.
    #[error("the token has no kid, and the issuer has more than {CANDIDATES} keys for its alg")]
    Ambiguous,
    /// The signature is not that of the key.
    #[error("the signature does not match the issuer's key")]
    Signature,
}

impl IssuerKeys {
    /// The keys of a set. One without `alg` is used with every algorithm of its type.
    #[must_use]
    pub fn of(set: &KeySet) -> Self {
        let keys = set.keys().iter().flat_map(|jwk| {
            let algorithms = match jwk.algorithm() {
                Some(algorithm) => algorithm.ok().into_iter().collect(),
                None => Algorithm::ALL.to_vec(),
            };
            algorithms.into_iter().filter_map(|algorithm| VerifyingKey::from_jwk(jwk, algorithm, None).ok())
        });
        Self(keys.collect())
    }

    /// Whether there are none, so that no token can be verified.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Verifies the signature with the key that `kid` selects, or without `kid` with each key of the token's algorithm.
    pub(super) fn verify(&self, jws: &Jws<'_>) -> Result<(), KeyMismatch> {
        let verified = jws.verify_within(CANDIDATES, &self.0);
        verified.map(drop).map_err(|error| match error {
            JwsError::OtherAlgorithm { found } => KeyMismatch::Algorithm(found),
            JwsError::UnknownKid => KeyMismatch::Kid,
            JwsError::KidRequired => KeyMismatch::Ambiguous,
            _ => KeyMismatch::Signature,
        })
    }
}
