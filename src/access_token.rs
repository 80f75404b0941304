//! Access tokens of resource requests (RFC 6750): signed by their issuer (RFC 9068) or introspected (RFC 7662), and bound to the
//! client's certificate (RFC 8705 section 3) or to a DPoP key (RFC 9449).
//!
//! [`Presented`] is the token of a request, [`Rules`] are what its issuer promises. [`verify_jwt`] or [`introspected`] gives the
//! [`Facts`] of the token, and [`check_binding`] decides whether this client may use it. Pure; the caller asks the issuer.

mod binding;
mod cache;
mod confirmation;
mod dpop;
mod introspection;
mod issuer_keys;
mod jwt;
mod presented;
mod refusal;
mod target_uri;

use std::fmt;

pub use binding::{Bound, ClientSide, check_binding};
pub use cache::TokenCache;
pub use confirmation::{Confirmation, ConfirmationError};
pub use dpop::{Proof, ProofError, verify_proof};
pub use introspection::{IntrospectionError, introspected, introspection_form};
pub use issuer_keys::{IssuerKeys, KeyMismatch};
pub use jwt::verify_jwt;
pub use presented::{Presented, RequestFault, Scheme};
pub use refusal::{InvalidToken, TokenRefusal};
pub use target_uri::TargetUri;

use sha2::{Digest, Sha256};

use crate::clock::Timestamp;

/// The `typ` header that JWT access tokens must have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenType {
    /// `at+jwt` or `application/at+jwt` (RFC 9068 section 4).
    #[default]
    AtJwt,
    /// These, and `JWT` or none, as servers without RFC 9068 send them. ID tokens look alike: only `aud` distinguishes them.
    AnyJwt,
}

/// What the tokens of an issuer must say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The issuer identifier, compared with `iss` byte by byte.
    pub issuer: Box<str>,
    /// The values of `aud` of which a token must have one. Empty: introspection does not check `aud`, and no JWT is accepted.
    pub audiences: Box<[Box<str>]>,
    /// The accepted types of JWTs.
    pub typ: TokenType,
}

/// What a valid token says, independent of its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// From this second on it is not accepted; `None` if an introspection response has no `exp`.
    pub expires: Option<Timestamp>,
    /// The client to which it was issued, for the log.
    pub client_id: Option<Box<str>>,
    /// The keys that its user must possess.
    pub confirmation: Confirmation,
}

/// The SHA-256 hash of a token, by which it is cached; `ath` in RFC 9449.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of this token.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }
}

/// Shows nothing: the hash finds the token in other systems' logs and caches.
impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash")
    }
}

#[cfg(test)]
mod tests;
