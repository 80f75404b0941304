//! Why a token or a key is not accepted.

use super::{Algorithm, KeyType};

/// The maximum length of a token in bytes.
pub const MAX_BYTES: usize = 8 * 1024;
/// The maximum number of keys of a JWK set.
pub const MAX_KEYS: usize = 16;

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
    #[error("the JWK set has {keys} keys: at most {} are accepted", MAX_KEYS)]
    TooManyKeys {
        /// The number of keys.
        keys: usize,
    },
}
