//! Verification of a token's signature, and the choice of the key.

use super::{Jws, JwsError, VerifyingKey};

/// The maximum number of keys by which one signature is checked.
const MAX_CANDIDATES: usize = 2;

impl VerifyingKey {
    /// Verifies the signature of a token. `kid` is not compared: [`Jws::verify_with`] selects by it.
    ///
    /// # Errors
    ///
    /// If the token has another algorithm, or the signature does not match.
    pub fn verify(&self, jws: &Jws<'_>) -> Result<(), JwsError> {
        let found = jws.header().algorithm();
        if found != self.algorithm() {
            return Err(JwsError::OtherAlgorithm { found });
        }
        self.parsed().verify_sig(jws.signed(), jws.signature()).map_err(|_| JwsError::Signature)
    }
}

impl Jws<'_> {
    /// Verifies the signature with the key that `kid` selects, or without `kid` with at most two keys of the token's algorithm.
    /// A key that was registered without `kid` is tried for every `kid`.
    ///
    /// # Errors
    ///
    /// The rule by which no key was left, or [`JwsError::Signature`].
    pub fn verify_with<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k VerifyingKey>,
    ) -> Result<&'k VerifyingKey, JwsError> {
        let (algorithm, kid) = (self.header().algorithm(), self.header().kid());
        let (mut is_algorithm_known, mut tried) = (false, 0);
        for key in keys {
            if key.algorithm() != algorithm {
                continue;
            }
            is_algorithm_known = true;
            if kid.is_some() && key.kid().is_some() && kid != key.kid() {
                continue;
            }
            if tried == MAX_CANDIDATES {
                return Err(JwsError::KidRequired);
            }
            tried += 1;
            if key.verify(self).is_ok() {
                return Ok(key);
            }
        }
        Err(match (is_algorithm_known, tried) {
            (false, _) => JwsError::OtherAlgorithm { found: algorithm },
            (true, 0) => JwsError::UnknownKid,
            (true, _) => JwsError::Signature,
        })
    }
}
