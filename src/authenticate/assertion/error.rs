//! Why an assertion is refused.

use std::borrow::Cow;

use crate::{
    jose::{Algorithm, ClaimsError, JwsError},
    replay::Replay,
};

/// Why a client assertion is refused: the first rule that it breaks. `Display` is for the log; texts from the assertion are bounded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// A SAML assertion (RFC 7522).
    #[error("SAML assertions are not accepted")]
    Saml,
    /// Another `client_assertion_type`.
    #[error("client_assertion_type {0:?} is not accepted")]
    Kind(String),
    /// Not an acceptable JWS.
    #[error("{0}")]
    Jws(JwsError),
    /// `typ` is that of another token.
    #[error("typ {0:?} is that of another kind of token")]
    OtherType(String),
    /// A request object (RFC 9101).
    #[error("it is a request object, not an assertion")]
    RequestObject,
    /// A claim is missing, malformed or outside its time.
    #[error("{0}")]
    Claims(#[from] ClaimsError),
    /// `iss` or `sub` is not the client.
    #[error("{claim} is {found:?}, not the client_id")]
    OtherClient {
        /// The claim.
        claim: &'static str,
        /// Its value.
        found: String,
    },
    /// `aud` has a value that is neither the issuer nor in `audiences`.
    #[error("aud {0:?} is neither the domain's issuer nor one of its audiences")]
    Audience(String),
    /// The domain has no issuer, so that no assertion can be made for it.
    #[error("the domain has no issuer, with which aud is compared")]
    NoIssuer,
    /// `aud` is an array, where FAPI 2.0 requires a string.
    #[error("aud is an array: FAPI 2.0 requires a string")]
    FapiAudience,
    /// An algorithm that FAPI 2.0 does not allow.
    #[error("alg {0} is not allowed by FAPI 2.0")]
    FapiAlgorithm(Algorithm),
    /// It was issued before the process started: nobody knows whether it was used.
    #[error("it was issued before this process started, and may have been used")]
    BeforeStart,
    /// It has no `iat`, and may have been issued before the process started.
    #[error("it has no iat, and may have been issued and used before this process started")]
    PerhapsBeforeStart,
    /// The client's key set has not been fetched yet.
    #[error("its key set has not been fetched yet")]
    NoKeySet,
    /// The client's key set is empty, as when it has revoked all its keys.
    #[error("its key set has no keys")]
    EmptyKeySet,
    /// No registered key has signed it.
    #[error("{0}")]
    Key(JwsError),
    /// It was used before, or the store of used ones is full.
    #[error("{0}")]
    Replay(Replay),
}

impl AssertionError {
    /// Whether the edge cannot remember its `jti`, so that the client can retry later.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        matches!(self, Self::Replay(why) if why.is_temporary())
    }

    /// What the application's developer can fix: the rule, if it depends only on the assertion. `None` for a rule that depends on
    /// what is registered.
    #[must_use]
    pub fn description(&self) -> Option<Cow<'static, str>> {
        let owned = |text: String| Some(Cow::Owned(text));
        Some(Cow::Borrowed(match self {
            Self::Key(_) | Self::NoKeySet | Self::EmptyKeySet => return None,
            Self::Jws(error) => return owned(format!("the client assertion is not acceptable: {error}")),
            Self::Claims(error) => return owned(format!("the client assertion is not acceptable: {error}")),
            Self::Saml | Self::Kind(_) => {
                "client_assertion_type must be urn:ietf:params:oauth:client-assertion-type:jwt-bearer: only signed JWTs are accepted"
            }
            Self::OtherType(_) => {
                "the client assertion has the typ of another kind of token: use client-authentication+jwt, or JWT"
            }
            Self::RequestObject => {
                "the client assertion is a request object: send that as request, and make an assertion with iss, sub, aud, exp and jti"
            }
            Self::OtherClient { .. } => "the client assertion's iss and sub must both be the client_id",
            Self::Audience(_) | Self::NoIssuer => {
                "the client assertion's aud must be the authorization server's issuer identifier, character by character"
            }
            Self::FapiAudience => {
                "the client assertion's aud must be a string, the authorization server's issuer identifier (FAPI 2.0)"
            }
            Self::FapiAlgorithm(_) => {
                "the client assertion must be signed with PS256, ES256 or EdDSA (FAPI 2.0)"
            }
            Self::BeforeStart => {
                "the client assertion was issued before this server started: make a new one for each request"
            }
            Self::PerhapsBeforeStart => {
                "the client assertion has no iat, and this server started less than five minutes ago: send iat, so that an assertion is known to be new"
            }
            Self::Replay(Replay::Used) => {
                "the client assertion was used before: make a new one, with another jti, for each request"
            }
            Self::Replay(Replay::Full | Replay::ClientFull) => {
                "too many client assertions are in use: try again later"
            }
            Self::Replay(Replay::Unreachable) => {
                "the client assertion cannot be recorded now: try again later"
            }
        }))
    }
}
