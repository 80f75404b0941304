//! The reason codes of refusals, for metrics and the log.

use super::Refusal;
use crate::{
    access_token::TokenRefusal,
    authenticate::{AssertionError, Denial, MechanismError},
    authorization_request::Part,
    forward::{BodyFault, ForwardError},
    identity::ChainRefusal,
    oauth::ParameterError,
    observe::metrics::RefusalCode as Code,
    replay::Replay,
};

impl Refusal {
    /// The stable code of the reason.
    #[must_use]
    pub fn reason_code(&self) -> Code {
        match self {
            Self::Upgrade => Code::Upgrade,
            Self::Host => Code::Host,
            Self::Misdirected => Code::Misdirected,
            Self::Address => Code::Address,
            Self::AddressRate(_) => Code::AddressRate,
            Self::ApplicationRate(_) => Code::ApplicationRate,
            Self::Overdue { .. } => Code::RequestTimeout,
            Self::Headers(_) => Code::TooManyHeaders,
            Self::SurroundingWhitespace => Code::HeaderWhitespace,
            Self::FieldName => Code::HeaderName,
            Self::MethodOverride | Self::Parameter(ParameterError::MethodOverride) => Code::MethodOverride,
            Self::NotFound { ambiguous: false } => Code::NotFound,
            Self::NotFound { ambiguous: true } => Code::AmbiguousPath,
            Self::PathTooLong(_) => Code::PathTooLong,
            Self::Method(_) => Code::MethodNotAllowed,
            Self::Parameter(ParameterError::NoClient) => Code::NoClientId,
            Self::Parameter(_) => Code::Parameters,
            Self::Mechanism(MechanismError::Several(..)) => Code::SeveralMechanisms,
            Self::Mechanism(MechanismError::InQuery(_)) => Code::CredentialInQuery,
            Self::Mechanism(MechanismError::Incomplete(..)) => Code::IncompleteAssertion,
            Self::AuthorizationRequest(error) => match error.part() {
                Part::Required => Code::RequestRequired,
                Part::Parameters => Code::RequestParameters,
                Part::Token => Code::RequestToken,
                Part::Signature => Code::RequestSignature,
                Part::Lifetime => Code::RequestLifetime,
                Part::Claims => Code::RequestClaims,
            },
            Self::Profile(_) | Self::ProfileDenied(_) => Code::Profile,
            Self::CertificateRequired => Code::NoCertificate,
            Self::Denied(denial) => of_denial(denial),
            Self::Token(TokenRefusal::Missing) => Code::TokenMissing,
            Self::Token(TokenRefusal::Request(_)) => Code::TokenRequest,
            Self::Token(TokenRefusal::Invalid { .. }) => Code::TokenInvalid,
            Self::Token(TokenRefusal::Unavailable(_) | TokenRefusal::Busy(_)) => Code::TokenUnavailable,
            Self::TooLarge(_) => Code::CertificateTooLarge,
            Self::Body(fault) | Self::Forward(ForwardError::Body(fault)) => match fault {
                BodyFault::TooLarge(_) => Code::BodyTooLarge,
                BodyFault::Slow(_) => Code::BodyTimeout,
                BodyFault::Broken => Code::BodyIncomplete,
                BodyFault::NoRoom => Code::BodyMemory,
            },
            Self::Forward(ForwardError::Unreachable { .. }) => Code::UpstreamUnreachable,
            Self::Forward(ForwardError::Busy { .. }) => Code::UpstreamBusy,
            Self::Forward(ForwardError::Broken { .. }) => Code::UpstreamFailed,
            Self::Forward(ForwardError::Slow { .. }) => Code::UpstreamTimeout,
        }
    }
}

fn of_denial(denial: &Denial) -> Code {
    match denial {
        Denial::NoCertificate => Code::NoCertificate,
        Denial::Unreadable(_) => Code::CertificateUnreadable,
        Denial::Expired => Code::CertificateExpired,
        Denial::NotYetValid => Code::CertificateNotYetValid,
        Denial::UnknownClient(_) | Denial::UnknownClientBy(..) => Code::UnknownClient,
        Denial::UnknownCertificate => Code::UnknownCertificate,
        Denial::ThumbprintMismatch(_) => Code::ThumbprintMismatch,
        Denial::Chain { refusal, .. } => match refusal {
            ChainRefusal::Revoked => Code::CertificateRevoked,
            ChainRefusal::Crl { .. } | ChainRefusal::NoRevocationForCa { .. } => Code::Crl,
            ChainRefusal::Expired { .. } => Code::CertificateExpired,
            ChainRefusal::NotYetValid { .. } => Code::CertificateNotYetValid,
            _ => Code::Chain,
        },
        Denial::SubjectMismatch { .. } => Code::SubjectMismatch,
        Denial::IssuerMismatch(_) => Code::IssuerMismatch,
        Denial::CredentialExpired { .. } => Code::CredentialExpired,
        Denial::NoCredential(_) => Code::NoCredential,
        Denial::OtherMethod { .. } => Code::OtherMethod,
        Denial::SecondMechanism { .. } => Code::SeveralMechanisms,
        Denial::SecretMismatch(_) => Code::SecretMismatch,
        Denial::Assertion { error, .. } => match **error {
            AssertionError::Key(_) | AssertionError::NoKeySet | AssertionError::EmptyKeySet => {
                Code::AssertionSignature
            }
            AssertionError::Replay(Replay::Used) => Code::AssertionReplayed,
            AssertionError::Replay(_) => Code::AssertionIdsFull,
            _ => Code::Assertion,
        },
        Denial::Binding { .. } => Code::CertificateBinding,
    }
}
