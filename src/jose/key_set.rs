//! Sets of public keys (RFC 7517 section 5).

use serde_json::Value;

use super::{Jwk, KeyError, MAX_KEYS, VerifyingKey, jwk};

/// A key of a set that cannot be used, such as one for encryption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusableKey {
    /// The position in the set, from 0.
    pub index: usize,
    /// Why it is not used.
    pub error: KeyError,
}

/// The keys of a JWK set that can verify signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet {
    keys: Vec<Jwk>,
    unusable: Vec<UnusableKey>,
}

impl KeySet {
    /// Parses a JWK set. Keys that the edge does not use are skipped, and listed by [`KeySet::unusable`].
    ///
    /// # Errors
    ///
    /// If the text is not a JWK set, has more than [`MAX_KEYS`] keys, or contains a private or symmetric key, which then is no
    /// secret any more.
    pub fn parse(json: &[u8]) -> Result<Self, KeyError> {
        let members = jwk::members(json)?;
        let entries = match members.get("keys") {
            None => return Err(KeyError::Missing { name: "keys" }),
            Some(Value::Array(entries)) => entries,
            Some(_) => return Err(KeyError::Member { name: "keys", expected: "an array" }),
        };
        if entries.len() > MAX_KEYS {
            return Err(KeyError::TooManyKeys { keys: entries.len() });
        }
        let mut set = Self { keys: Vec::new(), unusable: Vec::new() };
        for (index, entry) in entries.iter().enumerate() {
            let parsed = entry
                .as_object()
                .ok_or(KeyError::NotJson)
                .and_then(|members| Jwk::new(&members.clone().into()));
            match parsed {
                Ok(key) => set.keys.push(key),
                Err(secret @ (KeyError::Private { .. } | KeyError::Symmetric)) => return Err(secret),
                Err(error) => set.unusable.push(UnusableKey { index, error }),
            }
        }
        Ok(set)
    }

    /// The keys that can verify signatures, in the order of the set.
    #[must_use]
    pub fn keys(&self) -> &[Jwk] {
        &self.keys
    }

    /// The keys that are not used.
    #[must_use]
    pub fn unusable(&self) -> &[UnusableKey] {
        &self.unusable
    }

    /// Every key that can be used, each with its `alg`, or without one with the usual algorithm of its type: RS256, ES256, EdDSA.
    #[must_use]
    pub fn verifying_keys(&self) -> Vec<VerifyingKey> {
        let usable = |jwk: &Jwk| {
            let algorithm = jwk.algorithm().unwrap_or_else(|| Ok(jwk.key_type().usual_algorithm()));
            VerifyingKey::from_jwk(jwk, algorithm.ok()?, None).ok()
        };
        self.keys.iter().filter_map(usable).collect()
    }
}
