//! Why an authorization request is refused.

use std::borrow::Cow;

use super::endpoint::Endpoint;
use crate::jose::{Algorithm, ClaimsError, JwsError};

/// Why an authorization request is refused: the first rule that it breaks. `Display` has all details and is for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// `request` and `request_uri` are both present (RFC 9101 section 5).
    #[error("send either request or request_uri, not both (RFC 9101, section 5)")]
    ObjectAndReference,
    /// A pushed request contains `request_uri` (RFC 9126 section 2.1).
    #[error("a pushed request must not contain request_uri (RFC 9126, section 2.1): remove it")]
    ReferenceWhenPushing,
    /// `request_uri` was not returned by the endpoint for pushed requests.
    #[error(
        "request_uri must be what the pushed authorization request endpoint returned: urn:ietf:params:oauth:request_uri: and a reference, at most 512 ASCII characters"
    )]
    ForeignReference,
    /// The application must push its requests.
    #[error(
        "this client must push its authorization requests (RFC 9126): send the parameters to the pushed authorization request endpoint, and here only client_id and the request_uri that it returns"
    )]
    NotPushed,
    /// No application has this `client_id` (RFC 6749 section 4.1.2.1).
    #[error("the client_id is not registered here")]
    UnknownClient,
    /// A request object is required.
    #[error("a signed request object is required (RFC 9101): send it in the parameter request{}", match .0 {
        Endpoint::Authorization => ", or push the request and send the request_uri that is returned",
        Endpoint::Pushed => "",
    })]
    NotSigned(Endpoint),
    /// The request object is not a JWS that a request key verifies.
    #[error("the request object is refused: {0}")]
    Jws(#[from] JwsError),
    /// The JWT has another purpose (RFC 8725 section 3.11).
    #[error("the typ of the request object must be oauth-authz-req+jwt, JWT, or absent")]
    Type,
    /// The application has no request key.
    #[error("no key for request objects is registered for this client_id")]
    NoKey,
    /// Every request key of the application has expired.
    #[error("the keys that are registered for request objects of this client_id have expired")]
    ExpiredKeys,
    /// A claim is missing or has the wrong type, or the object is outside its time.
    #[error("the request object is refused: {0}")]
    Claims(#[from] ClaimsError),
    /// The time from `nbf` to `exp` exceeds the limit.
    #[error("the request object is refused: exp is {seconds} s after nbf: at most {limit} s are accepted")]
    LifeTooLong {
        /// Seconds from `nbf` to `exp`.
        seconds: i64,
        /// The limit in seconds.
        limit: i64,
    },
    /// The request object refers to another one (RFC 9101 section 4).
    #[error("the request object must not contain {0} (RFC 9101, section 4): remove it")]
    Nested(&'static str),
    /// The `client_id` of the request object is another client's (RFC 9101 section 6.3).
    #[error("the client_id in the request object must be the client_id of the request")]
    OtherClient,
    /// `response_type` differs from the one outside.
    #[error("the response_type in the request object differs from the one outside: they must be equal")]
    OtherResponseType,
    /// `iss` is not the `client_id`.
    #[error("the iss of the request object must be the client_id")]
    Issuer,
    /// `sub` is the `client_id`, as in an assertion for client authentication (RFC 9101 section 10.8).
    #[error("the sub of the request object must not be the client_id (RFC 9101, section 10.8): remove it")]
    Subject,
    /// `aud` does not contain the authorization server.
    #[error("the aud of the request object must be {expected} or contain it: it is compared byte by byte")]
    Audience {
        /// The issuer of the domain.
        expected: Box<str>,
    },
    /// The domain has no issuer with which `aud` could be compared.
    #[error("request objects are not accepted here: the issuer of this server is not configured")]
    NoIssuer,
    /// `jti` is empty or very long.
    #[error("the jti of the request object must have 1 to {} bytes", Self::LONGEST_JTI)]
    Id,
    /// Parameters outside differ from those in the request object, and the application forbids that.
    #[error(
        "parameters outside the request object differ from those in it, which this client does not allow: {0}"
    )]
    Contradicted(String),
}

impl RequestError {
    /// The maximum length of `jti` in bytes. Auth0 allows 64, RFC 7519 sets none.
    pub(super) const LONGEST_JTI: usize = 255;

    /// The `error_description`: nothing but what the sender knows, and what servers publish. Anybody can send a request object in
    /// the name of an application, so that nothing may follow from it about the keys that are registered.
    #[must_use]
    pub fn description(&self) -> Cow<'static, str> {
        match self.part() {
            Part::Signature => Self::NOT_VERIFIED.into(),
            _ => self.to_string().into(),
        }
    }

    const NOT_VERIFIED: &'static str = "the request object is not signed by a key that is registered for request objects of this client_id: check the key, its alg, kid and expiry";

    /// The OAuth error code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownClient => "invalid_request",
            _ => "invalid_request_object",
        }
    }

    /// The part of the request that breaks a rule.
    #[must_use]
    pub const fn part(&self) -> Part {
        match self {
            Self::NotPushed | Self::NotSigned(_) => Part::Required,
            Self::ObjectAndReference
            | Self::ReferenceWhenPushing
            | Self::ForeignReference
            | Self::UnknownClient
            | Self::OtherResponseType
            | Self::Contradicted(_) => Part::Parameters,
            Self::NoKey
            | Self::ExpiredKeys
            | Self::Jws(
                JwsError::Signature
                | JwsError::UnknownKid
                | JwsError::KidRequired
                | JwsError::OtherAlgorithm { .. },
            ) => Part::Signature,
            Self::Jws(_) | Self::Type => Part::Token,
            Self::LifeTooLong { .. }
            | Self::Claims(
                ClaimsError::Expired { .. }
                | ClaimsError::ExpiresTooLate { .. }
                | ClaimsError::LifeTooLong { .. }
                | ClaimsError::InTheFuture { .. },
            ) => Part::Lifetime,
            Self::Claims(_)
            | Self::Nested(_)
            | Self::OtherClient
            | Self::Issuer
            | Self::Subject
            | Self::Audience { .. }
            | Self::NoIssuer
            | Self::Id => Part::Claims,
        }
    }
}

/// The part of a request that breaks a rule, for the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// There is no request object, or no reference to a pushed request, where one is required.
    Required,
    /// The parameters outside the request object.
    Parameters,
    /// The encoding or the header of the request object.
    Token,
    /// Its key or its signature.
    Signature,
    /// Its time claims.
    Lifetime,
    /// Its other claims.
    Claims,
}

/// Which clause of the FAPI 2.0 Security Profile a request breaks. `Display` is the `error_description`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FapiError {
    /// An access token in the query (section 5.3.4).
    #[error("an access token must not be sent in the query (FAPI 2.0): send it in the Authorization header")]
    TokenInQuery,
    /// A parameter beside the reference to a pushed request (section 5.3.3.2).
    #[error("{0} must not be sent beside request_uri (FAPI 2.0): send only client_id and request_uri")]
    BesideReference(&'static str),
    /// The client is public or uses a secret (section 5.3.2.1).
    #[error("the client must authenticate by mTLS or private_key_jwt (FAPI 2.0)")]
    ClientMethod,
    /// The resource owner password credentials grant (section 5.3.2.1).
    #[error("grant_type password is not supported (FAPI 2.0)")]
    PasswordGrant,
    /// The token would not be sender-constrained (section 5.3.2.1).
    #[error(
        "tokens must be bound to the client (FAPI 2.0): present the registered client certificate, or send a DPoP proof"
    )]
    Unbound,
    /// A key of another algorithm (section 5.4.1).
    #[error("request objects must be signed with PS256, ES256 or EdDSA (FAPI 2.0), not with {0}")]
    Algorithm(Algorithm),
    /// A `response_type` other than `code` (section 5.3.2.2).
    #[error("response_type must be code (FAPI 2.0)")]
    ResponseType,
    /// A pushed request without `redirect_uri` (section 5.3.2.2).
    #[error("a pushed request must contain redirect_uri (FAPI 2.0)")]
    NoRedirectUri,
    /// A response over plain HTTP (section 5.3.2.2).
    #[error("redirect_uri must not use http, except on the loopback interface (FAPI 2.0)")]
    RedirectUri,
    /// No PKCE, or not with S256 (section 5.3.2.2).
    #[error("a pushed request must contain code_challenge, with code_challenge_method S256 (FAPI 2.0)")]
    Challenge,
}

impl FapiError {
    /// The OAuth error code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ClientMethod => "invalid_client",
            Self::PasswordGrant => "unsupported_grant_type",
            Self::Algorithm(_) => "invalid_request_object",
            Self::ResponseType => "unsupported_response_type",
            _ => "invalid_request",
        }
    }
}
