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
    /// A key that was registered without `kid` is tried for every `kid`, after those that have it.
    ///
    /// # Errors
    ///
    /// The rule by which no key was left, or [`JwsError::Signature`].
    pub fn verify_with<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k VerifyingKey, IntoIter: Clone>,
    ) -> Result<&'k VerifyingKey, JwsError> {
        self.verify_within(MAX_CANDIDATES, keys)
    }

    /// Like [`Jws::verify_with`], but with another maximum number of keys by which the signature is checked.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn verify_within<'k>(
        &self,
        max_candidates: usize,
        keys: impl IntoIterator<Item = &'k VerifyingKey, IntoIter: Clone>,
    ) -> Result<&'k VerifyingKey, JwsError> {
        let (algorithm, kid) = (self.header().algorithm(), self.header().kid());
        let (mut is_algorithm_known, mut tried) = (false, 0);
        let keys = keys.into_iter();
        let is_named = |key: &VerifyingKey| kid.is_some() && key.kid() == kid;
        let named = keys.clone().filter(|key| is_named(key));
        for key in named.chain(keys.filter(|key| !is_named(key))) {
            if key.algorithm() != algorithm {
                continue;
            }
            is_algorithm_known = true;
            if kid.is_some() && key.kid().is_some() && kid != key.kid() {
                continue;
            }
            if tried == max_candidates {
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
