//! Why an access token is refused: for the log, and for the client (RFC 6750 section 3.1).

use super::{ConfirmationError, KeyMismatch, ProofError, RequestFault, Scheme};
use crate::jose::{ClaimsError, JwsError};

/// Why a token is not valid for this request: 401 `invalid_token`. `Display` has all details and is for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// Not an acceptable JWS.
    #[error("access token: {0}")]
    Jws(JwsError),
    /// `typ` is that of another kind of token.
    #[error("access token: typ {} is not at+jwt", .0.as_deref().map_or_else(|| "(none)".to_owned(), |typ| format!("{typ:?}")))]
    Type(Option<String>),
    /// No key of the issuer verifies it.
    #[error("access token: {0}")]
    Key(KeyMismatch),
    /// A claim is missing, of another type, or its time has passed.
    #[error("access token: {0}")]
    Claims(#[from] ClaimsError),
    /// `iss` is another issuer.
    #[error("access token: iss is not the issuer")]
    Issuer,
    /// `aud` has none of the audiences.
    #[error("access token: aud has none of the audiences")]
    Audience,
    /// The issuer says that it is not active: revoked, expired, or not one of its tokens.
    #[error("access token: not active, says its issuer")]
    Inactive,
    /// The issuer knows it as another kind of token, such as a refresh token.
    #[error("access token: its issuer says that it is another kind of token")]
    NotAnAccessToken,
    /// `cnf` cannot be checked.
    #[error("access token: {0}")]
    Confirmation(ConfirmationError),
    /// It is bound to nothing.
    #[error("access token: not bound to a certificate or DPoP key")]
    Unbound,
    /// It cannot be bound to anything that the client has: there is neither a certificate nor a DPoP proof.
    #[error("access token: neither a client certificate nor a DPoP proof was presented")]
    NothingPresented,
    /// It is bound to a certificate, and there is none.
    #[error("access token: bound to a certificate, but no client certificate was presented")]
    NoCertificate,
    /// It is bound to a certificate, and the presented one cannot be parsed.
    #[error("access token: bound to a certificate, but the presented one cannot be parsed")]
    UnreadableCertificate,
    /// It is bound to another certificate.
    #[error("access token: bound to another certificate (cnf x5t#S256)")]
    OtherCertificate,
    /// It is bound to this certificate, which has expired.
    #[error("access token: the certificate to which it is bound has expired")]
    ExpiredCertificate,
    /// It is bound to this certificate, which is not valid yet.
    #[error("access token: the certificate to which it is bound is not yet valid")]
    FutureCertificate,
    /// It is bound to a DPoP key, and was sent as a bearer token.
    #[error("access token: bound to a DPoP key (cnf jkt), but sent as Bearer")]
    DpopBound,
    /// It is not bound to a DPoP key, and was sent with the scheme DPoP.
    #[error("access token: not bound to a DPoP key, but sent as DPoP")]
    NotDpopBound,
    /// It is bound to another DPoP key.
    #[error("access token: bound to another DPoP key (cnf jkt)")]
    OtherDpopKey,
    /// The DPoP proof is not valid.
    #[error("DPoP proof: {0}")]
    Proof(#[from] ProofError),
}

impl InvalidToken {
    /// The `error_description`: what the client's developer can fix.
    #[must_use]
    pub const fn description(&self) -> &'static str {
        match self {
            Self::Claims(ClaimsError::Expired { .. }) => "the access token has expired",
            Self::Claims(ClaimsError::InTheFuture { .. }) => "the access token is not valid yet",
            Self::Jws(_) | Self::Type(_) | Self::Claims(_) | Self::NotAnAccessToken => {
                "the access token is malformed, or not an access token"
            }
            Self::Key(_) => "the access token is not signed by a key of its issuer",
            Self::Issuer => "the access token is from another issuer",
            Self::Audience => "the access token is for another audience",
            Self::Inactive => "the access token is not active",
            Self::Confirmation(_) => "the access token has a cnf that this server cannot check",
            Self::Unbound | Self::NothingPresented => {
                "the access token must be bound to a client certificate or a DPoP key: present the one that it is bound to"
            }
            Self::NoCertificate => {
                "the access token is bound to a certificate: present that certificate in the TLS handshake"
            }
            Self::UnreadableCertificate => "the client certificate cannot be parsed",
            Self::OtherCertificate => {
                "the access token is bound to another certificate than the presented one"
            }
            Self::ExpiredCertificate => "the client certificate has expired: get a token for a current one",
            Self::FutureCertificate => "the client certificate is not valid yet",
            Self::DpopBound => {
                "the access token is bound to a DPoP key: send it with the scheme DPoP and a proof"
            }
            Self::NotDpopBound => {
                "the access token is not bound to a DPoP key: send it with the scheme Bearer"
            }
            Self::OtherDpopKey => "the access token is bound to another DPoP key than that of the proof",
            Self::Proof(_) => "the DPoP proof is not valid for this request",
        }
    }
}

/// Why a resource request is refused. `Display` has all details and is for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    /// It has no access token: 401 without an error code (RFC 6750 section 3).
    #[error("no access token in the Authorization header")]
    Missing,
    /// It is malformed: 400 `invalid_request`.
    #[error("{0}")]
    Request(RequestFault),
    /// Its token is not valid: 401 `invalid_token`.
    #[error("{why}")]
    Invalid {
        /// The scheme in which it was sent.
        scheme: Scheme,
        /// The reason.
        why: InvalidToken,
    },
    /// The token or its proof cannot be verified now, for this reason: 503.
    #[error("access token not verified: {0}")]
    Unavailable(String),
    /// The edge verifies so many that it cannot verify this one now, for this reason: 503.
    #[error("access token not verified: {0}")]
    Busy(String),
}

impl TokenRefusal {
    /// The `error_description`: what the client's developer can fix.
    #[must_use]
    pub fn description(&self) -> String {
        match self {
            Self::Missing => "an access token is required in the Authorization header".to_owned(),
            Self::Request(fault) => fault.to_string(),
            Self::Invalid { why, .. } => why.description().to_owned(),
            Self::Unavailable(_) | Self::Busy(_) => {
                "the access token cannot be verified now: try again later".to_owned()
            }
        }
    }
}
