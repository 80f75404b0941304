//! A public key for one algorithm.

use std::fmt;

use aws_lc_rs::signature::ParsedPublicKey;

use super::{Algorithm, Jwk, JwkThumbprint, KeyError, KeyType, material::Material};

/// A public key that is parsed once, and is used with one algorithm (RFC 8725 section 3.1).
#[derive(Clone)]
pub struct VerifyingKey {
    parsed: ParsedPublicKey,
    algorithm: Algorithm,
    kid: Option<Box<str>>,
    key_type: KeyType,
    thumbprint: JwkThumbprint,
}

impl VerifyingKey {
    /// The key of a SubjectPublicKeyInfo in DER (RFC 5280 section 4.1.2.7).
    pub fn from_spki(der: &[u8], algorithm: Algorithm, kid: Option<&str>) -> Result<Self, KeyError> {
        Self::new(&Material::from_spki(der)?, algorithm, kid)
    }

    /// The key of a JWK. `kid` is that of the key if the JWK has none.
    ///
    /// # Errors
    ///
    /// Also if the JWK has another `alg` or `kid`.
    pub fn from_jwk(jwk: &Jwk, algorithm: Algorithm, kid: Option<&str>) -> Result<Self, KeyError> {
        if let Some(found) = jwk.algorithm() {
            let found = found?;
            if found != algorithm {
                return Err(KeyError::OtherAlgorithm { found: found.to_string(), algorithm });
            }
        }
        match (jwk.kid(), kid) {
            (Some(found), Some(wanted)) if found != wanted => {
                Err(KeyError::OtherKid { found: crate::text::shown(&found) })
            }
            (found, wanted) => Self::new(jwk.material(), algorithm, found.or(wanted)),
        }
    }

    fn new(material: &Material, algorithm: Algorithm, kid: Option<&str>) -> Result<Self, KeyError> {
        Ok(Self {
            parsed: material.parse(algorithm)?,
            algorithm,
            kid: kid.map(Box::from),
            key_type: material.key_type(),
            thumbprint: material.thumbprint(),
        })
    }

    /// The only algorithm that the key is used with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The identifier by which a token selects the key.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The type of the key.
    #[must_use]
    pub const fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// The thumbprint, which is the same for every algorithm and form of the key.
    #[must_use]
    pub const fn thumbprint(&self) -> JwkThumbprint {
        self.thumbprint
    }

    pub(super) const fn parsed(&self) -> &ParsedPublicKey {
        &self.parsed
    }
}

impl PartialEq for VerifyingKey {
    fn eq(&self, other: &Self) -> bool {
        (self.thumbprint, self.algorithm, &self.kid) == (other.thumbprint, other.algorithm, &other.kid)
    }
}

impl Eq for VerifyingKey {}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .field("key_type", &self.key_type)
            .field("thumbprint", &self.thumbprint)
            .finish_non_exhaustive()
    }
}
