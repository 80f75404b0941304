//! A public key for one algorithm.

use std::fmt;

use aws_lc_rs::signature::ParsedPublicKey;

use super::{Algorithm, Jwk, JwkThumbprint, Jws, JwsError, KeyType, material::Material};

/// Why a key is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key cannot be parsed, or is not a point of its curve.
    #[error("the public key cannot be parsed")]
    Malformed,
    /// The RSA key is too short to be secure, or so long that verification is expensive.
    #[error("the RSA key has {bits} bits: 2048 to 8192 are accepted")]
    RsaSize {
        /// The size of the modulus.
        bits: usize,
    },
    /// The public exponent is even, less than 65537, or longer than 33 bits.
    #[error("the RSA key has a public exponent that is not accepted: use 65537")]
    RsaExponent,
    /// The key is restricted to PSS (RFC 4055 section 1.2).
    #[error("the key is of type id-RSASSA-PSS: use an RSA key of type rsaEncryption")]
    RsassaPss,
    /// The key is on another curve than P-256 and Ed25519.
    #[error("the key is on a curve that is not accepted: use P-256 or Ed25519")]
    Curve,
    /// The point of an EC key is compressed.
    #[error("the EC key's point is compressed: only uncompressed points are accepted")]
    CompressedPoint,
    /// The key is not RSA, EC or Ed25519.
    #[error("the key is of a type that is not accepted ({found}): use RSA, EC (P-256) or Ed25519")]
    Type {
        /// The object identifier, or `kty` (bounded).
        found: String,
    },
    /// The key cannot be used with the algorithm.
    #[error("an {key_type} cannot verify {algorithm}")]
    OtherType {
        /// The type of the key.
        key_type: KeyType,
        /// The algorithm.
        algorithm: Algorithm,
    },
    /// The text is not a JSON object.
    #[error("not a JSON object")]
    NotJson,
    /// A member is repeated.
    #[error("two members {name:?}")]
    DuplicateMember {
        /// The name, bounded.
        name: String,
    },
    /// A required member is missing.
    #[error("the JWK has no {name}")]
    Missing {
        /// The name.
        name: &'static str,
    },
    /// A member has a value that is not allowed.
    #[error("the JWK's {name} is not {expected}")]
    Member {
        /// The name.
        name: &'static str,
        /// What the value must be.
        expected: &'static str,
    },
    /// The key is symmetric: anybody who can verify with it can sign.
    #[error("the JWK is a symmetric key (kty oct): only public keys are accepted")]
    Symmetric,
    /// The JWK contains a private key.
    #[error("the JWK contains a private key ({name}): only public keys are accepted")]
    Private {
        /// The private member.
        name: &'static str,
    },
    /// `use` or `key_ops` does not allow signatures to be verified (RFC 7517 sections 4.2 and 4.3).
    #[error("the JWK is not for signatures ({name})")]
    Purpose {
        /// The member.
        name: &'static str,
    },
    /// The JWK is for another algorithm (RFC 7517 section 4.4).
    #[error("the JWK is for {found}, not {algorithm}")]
    OtherAlgorithm {
        /// The JWK's `alg`, bounded.
        found: String,
        /// The algorithm that is wanted.
        algorithm: Algorithm,
    },
    /// The JWK is for an algorithm that is not accepted.
    #[error("the JWK is for {found}, which is not accepted: RS256, RS384, PS256, ES256 and EdDSA are")]
    UnknownAlgorithm {
        /// The JWK's `alg`, bounded.
        found: String,
    },
    /// The JWK has another `kid`.
    #[error("the JWK's kid is {found:?}")]
    OtherKid {
        /// The JWK's `kid`, bounded.
        found: String,
    },
    /// The JWK set has more keys than are accepted.
    #[error("the JWK set has {keys} keys: at most {} are accepted", super::MAX_KEYS)]
    TooManyKeys {
        /// The number of keys.
        keys: usize,
    },
}

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

    /// The key of a JWK. `kid` overrides that of the JWK if that has none.
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

    /// Verifies the signature of a token. `kid` is not compared: [`Jws::verify_with`] selects by it.
    ///
    /// # Errors
    ///
    /// If the token has another algorithm, or the signature does not match.
    pub fn verify(&self, jws: &Jws<'_>) -> Result<(), JwsError> {
        let found = jws.header().algorithm();
        if found != self.algorithm {
            return Err(JwsError::OtherAlgorithm { found });
        }
        self.parsed.verify_sig(jws.signed(), jws.signature()).map_err(|_| JwsError::Signature)
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
