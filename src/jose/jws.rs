//! Compact JWS (RFC 7515 section 3.1).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{Algorithm, Header, Jwk, KeyError, VerifyingKey};

/// The maximum length of a token in bytes.
pub const MAX_BYTES: usize = 8 * 1024;
/// The maximum number of keys by which one signature is checked.
const MAX_CANDIDATES: usize = 2;

/// Why a token is not an acceptable JWS: the first rule that it breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// The token is longer than [`MAX_BYTES`].
    #[error("{bytes} bytes: at most 8192 are accepted")]
    TooLong {
        /// The length of the token.
        bytes: usize,
    },
    /// Five parts: a JWE (RFC 7516 section 3.1).
    #[error("encrypted (five parts): only signed tokens are accepted")]
    Encrypted,
    /// Not three parts.
    #[error("not a compact JWS: three parts with dots between them are expected")]
    Parts,
    /// A part is not base64url without padding, with zero trailing bits (RFC 7515 section 2).
    #[error("the {part} is not base64url without padding")]
    Base64 {
        /// The name of the part.
        part: &'static str,
    },
    /// The header is not one JSON object.
    #[error("the header is not a JSON object")]
    Header,
    /// A member of the header is repeated (RFC 8725 section 2.4).
    #[error("the header has two members {name:?}")]
    DuplicateMember {
        /// The name, bounded.
        name: String,
    },
    /// A member of the header has a value that is not a string.
    #[error("the header's {name} is not a string")]
    NotAString {
        /// The name.
        name: &'static str,
    },
    /// The header brings or names a key, which is never used (RFC 8725 section 3.10).
    #[error("the header has {name}: only registered keys are used")]
    KeyInHeader {
        /// The name of the member.
        name: &'static str,
    },
    /// `crit` lists extensions, of which the edge supports none (RFC 7515 section 4.1.11).
    #[error("the header has crit: no extension is supported")]
    Critical,
    /// `b64` (RFC 7797).
    #[error("the header has b64: only base64url payloads are accepted")]
    UnencodedPayload,
    /// The payload is a JWT (RFC 7519 section 5.2).
    #[error("the payload is another JWT (cty): nested tokens are not accepted")]
    Nested,
    /// The header has no `alg`.
    #[error("the header has no alg")]
    NoAlgorithm,
    /// `alg` is not an accepted algorithm, such as `none` and HS256.
    #[error("alg {found:?} is not accepted")]
    Algorithm {
        /// The value, bounded.
        found: String,
    },
    /// A token that must bring its key has none as `jwk`.
    #[error("the header has no jwk")]
    NoJwk,
    /// The key that a token brings as `jwk` is not accepted.
    #[error("the header's jwk is not accepted: {0}")]
    Jwk(KeyError),
    /// No key is registered for the algorithm of the token: a key is used with its own algorithm only (RFC 8725 section 3.1).
    #[error("alg {found} is not the algorithm of a registered key")]
    OtherAlgorithm {
        /// The algorithm of the token.
        found: Algorithm,
    },
    /// No key has this `kid`.
    #[error("kid is not that of a registered key")]
    UnknownKid,
    /// Several keys could have signed the token, and it does not say which.
    #[error("the header has no kid, and several keys have this alg")]
    KidRequired,
    /// The signature is not valid for the key.
    #[error("the signature does not match")]
    Signature,
}

/// A token that was parsed strictly. Its signature is not verified until [`Jws::verify_with`] or [`VerifyingKey::verify`] was
/// called.
#[derive(Clone, Debug)]
pub struct Jws<'t> {
    signed: &'t str,
    header: Header,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'t> Jws<'t> {
    /// Parses a token that is signed with a known key.
    pub fn parse(token: &'t str) -> Result<Self, JwsError> {
        let parts = Parts::split(token)?;
        let header = Header::parse(&parts.header()?)?;
        parts.with(header)
    }

    /// Parses a token that brings its public key as `jwk`, as a DPoP proof does (RFC 9449 section 4.2).
    pub fn parse_with_jwk(token: &'t str) -> Result<(Self, Jwk), JwsError> {
        let parts = Parts::split(token)?;
        let (header, jwk) = Header::parse_with_jwk(&parts.header()?)?;
        Ok((parts.with(header)?, jwk))
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The decoded payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The bytes that are signed: the first two parts, with their dot (RFC 7515 section 5.2).
    pub(super) fn signed(&self) -> &[u8] {
        self.signed.as_bytes()
    }

    /// The decoded signature.
    pub(super) fn signature(&self) -> &[u8] {
        &self.signature
    }

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
        let (algorithm, kid) = (self.header.algorithm(), self.header.kid());
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

/// The parts of a token, still encoded.
struct Parts<'t> {
    signed: &'t str,
    header: &'t str,
    payload: &'t str,
    signature: &'t str,
}

impl<'t> Parts<'t> {
    fn split(token: &'t str) -> Result<Self, JwsError> {
        if token.len() > MAX_BYTES {
            return Err(JwsError::TooLong { bytes: token.len() });
        }
        let parts = token.rsplit_once('.').and_then(|(signed, signature)| {
            let (header, payload) = signed.split_once('.')?;
            (!payload.contains('.')).then_some(Self { signed, header, payload, signature })
        });
        let is_jwe = || token.matches('.').count() == 4;
        parts.ok_or_else(|| if is_jwe() { JwsError::Encrypted } else { JwsError::Parts })
    }

    fn header(&self) -> Result<Vec<u8>, JwsError> {
        decode(self.header, "header")
    }

    fn with(self, header: Header) -> Result<Jws<'t>, JwsError> {
        let payload = decode(self.payload, "payload")?;
        let signature = decode(self.signature, "signature")?;
        Ok(Jws { signed: self.signed, header, payload, signature })
    }
}

fn decode(part: &str, name: &'static str) -> Result<Vec<u8>, JwsError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| JwsError::Base64 { part: name })
}
