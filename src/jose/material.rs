//! The numbers of a public key.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PSS_2048_8192_SHA256, RsaParameters, RsaPublicKeyComponents,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use x509_parser::{
    asn1_rs::FromDer,
    oid_registry::{
        OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_PKCS1_RSAENCRYPTION, OID_PKCS1_RSASSAPSS,
        OID_SIG_ED25519,
    },
    public_key::PublicKey,
    x509::SubjectPublicKeyInfo,
};

use super::{Algorithm, KeyError, KeyType};

/// Accepted sizes of RSA keys in bits (RFC 7518 section 3.3 has the minimum).
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// The accepted sizes in bits of RSA public exponents: at least 65537, and bounded because it is the cost of a verification.
const EXPONENT_BITS: std::ops::RangeInclusive<usize> = 17..=33;

/// The SHA-256 thumbprint of a public key as a JWK (RFC 7638), `jkt` in RFC 9449.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JwkThumbprint([u8; 32]);

impl JwkThumbprint {
    /// The bytes of the hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Base64url without padding, 43 characters.
impl fmt::Display for JwkThumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for JwkThumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JwkThumbprint({self})")
    }
}

/// The numbers of a public key of an accepted type and size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Material {
    /// Modulus and exponent, big-endian without leading zeros.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// The coordinates of the point.
    P256 { x: [u8; 32], y: [u8; 32] },
    /// The encoded point (RFC 8032 section 5.1.2).
    Ed25519 { x: [u8; 32] },
}

impl Material {
    /// An RSA key, with big-endian numbers.
    pub(super) fn rsa(n: &[u8], e: &[u8]) -> Result<Self, KeyError> {
        let (n, e) = (trim(n), trim(e));
        let bits = bits(n);
        if !RSA_BITS.contains(&bits) {
            return Err(KeyError::RsaSize { bits });
        }
        let is_odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
        if !is_odd(e) || !EXPONENT_BITS.contains(&self::bits(e)) {
            return Err(KeyError::RsaExponent);
        }
        if !is_odd(n) {
            return Err(KeyError::Malformed);
        }
        Ok(Self::Rsa { n: n.to_vec(), e: e.to_vec() })
    }

    /// The key of a SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7).
    pub(super) fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let Ok(([], spki)) = SubjectPublicKeyInfo::from_der(der) else { return Err(KeyError::Malformed) };
        let oid = &spki.algorithm.algorithm;
        let bytes = spki.subject_public_key.data.as_ref();
        if *oid == OID_PKCS1_RSAENCRYPTION {
            return match spki.parsed() {
                Ok(PublicKey::RSA(rsa)) if is_positive(rsa.modulus) && is_positive(rsa.exponent) => {
                    Self::rsa(rsa.modulus, rsa.exponent)
                }
                _ => Err(KeyError::Malformed),
            };
        }
        if *oid == OID_KEY_TYPE_EC_PUBLIC_KEY {
            let curve = spki.algorithm.parameters.as_ref().and_then(|named| named.as_oid().ok());
            return match curve {
                Some(curve) if curve == OID_EC_P256 => Self::from_point(bytes),
                _ => Err(KeyError::Curve),
            };
        }
        if *oid == OID_SIG_ED25519 {
            let x = bytes.try_into().map_err(|_| KeyError::Malformed)?;
            return Ok(Self::Ed25519 { x });
        }
        Err(if *oid == OID_PKCS1_RSASSAPSS {
            KeyError::RsassaPss
        } else {
            KeyError::Type { found: oid.to_id_string() }
        })
    }

    /// A point on P-256 (SEC 1 section 2.3.3).
    fn from_point(point: &[u8]) -> Result<Self, KeyError> {
        match point {
            [4, coordinates @ ..] => match coordinates.as_chunks::<32>() {
                ([x, y], []) => Ok(Self::P256 { x: *x, y: *y }),
                _ => Err(KeyError::Malformed),
            },
            [2 | 3, ..] => Err(KeyError::CompressedPoint),
            _ => Err(KeyError::Malformed),
        }
    }

    pub(super) fn key_type(&self) -> KeyType {
        match self {
            Self::Rsa { n, .. } => KeyType::Rsa { bits: bits(n) },
            Self::P256 { .. } => KeyType::P256,
            Self::Ed25519 { .. } => KeyType::Ed25519,
        }
    }

    /// Hashes the required members in lexicographic order (RFC 7638 section 3.2, RFC 8037 section 2).
    pub(super) fn thumbprint(&self) -> JwkThumbprint {
        let text = |number: &[u8]| URL_SAFE_NO_PAD.encode(number);
        let json = match self {
            Self::Rsa { n, e } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, text(e), text(n)),
            Self::P256 { x, y } => {
                format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, text(x), text(y))
            }
            Self::Ed25519 { x } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, text(x)),
        };
        JwkThumbprint(Sha256::digest(json).into())
    }

    /// Parses the key for verifications by the algorithm.
    pub(super) fn parse(&self, algorithm: Algorithm) -> Result<ParsedPublicKey, KeyError> {
        let key_type = self.key_type();
        if !key_type.fits(algorithm) {
            return Err(KeyError::OtherType { key_type, algorithm });
        }
        let parsed = match self {
            Self::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(rsa_parameters(algorithm))
            }
            Self::P256 { x, y } => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [&[4][..], x, y].concat()),
            Self::Ed25519 { x } => ParsedPublicKey::new(&ED25519, x),
        };
        parsed.map_err(|_| KeyError::Malformed)
    }
}

/// The parameters of an algorithm of RSA.
const fn rsa_parameters(algorithm: Algorithm) -> &'static RsaParameters {
    match algorithm {
        Algorithm::RS384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::PS256 => &RSA_PSS_2048_8192_SHA256,
        _ => &RSA_PKCS1_2048_8192_SHA256,
    }
}

/// Whether an INTEGER of DER is positive.
fn is_positive(integer: &[u8]) -> bool {
    integer.first().is_some_and(|first| *first < 0x80)
}

/// A big-endian number without leading zeros.
fn trim(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// The size in bits of a big-endian number without leading zeros.
fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}
