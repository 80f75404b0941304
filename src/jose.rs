//! JSON Web Signatures of applications: strict parsing, verification, keys and claims.
//!
//! Only what the edge accepts exists here: compact JWS (RFC 7515 section 3.1) that are signed with an asymmetric algorithm of
//! [`Algorithm`], with a key that was registered or fetched, by the rules of RFC 8725. Pure functions of their input: no HTTP, no
//! files, no clock, and nothing about applications.
//!
//! * [`Jws`]: a parsed token, whose signature is not verified yet; [`Jws::verify_with`] verifies it;
//! * [`VerifyingKey`]: a public key that is parsed once, for one algorithm; from a SubjectPublicKeyInfo, a [`Jwk`] or a [`KeySet`];
//! * [`Claims`]: the claims of a payload, and [`TimeRules`], by which their times are judged.

mod algorithm;
mod base64url;
mod claims;
mod error;
mod header;
mod jwk;
mod jws;
mod key;
mod key_set;
mod key_type;
mod material;
mod object;
mod times;
mod verify;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use claims::{Audience, Claims, ClaimsError};
pub use error::{JwsError, KeyError, MAX_BYTES, MAX_KEYS};
pub use header::Header;
pub use jwk::Jwk;
pub use jws::Jws;
pub use key::VerifyingKey;
pub use key_set::{KeySet, UnusableKey};
pub use key_type::KeyType;
pub use material::JwkThumbprint;
pub use times::{Lifetime, TimeRules};

#[cfg(test)]
mod tests;
