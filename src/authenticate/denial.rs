//! Why a client is not authenticated.

use std::{borrow::Cow, fmt};

use super::{AssertionError, mechanism::MechanismName};
use crate::{
    clock::Timestamp,
    identity::{ChainRefusal, IdentityError, RdnDifference, Validity},
    trust::{AuthMethod, ClientId},
};

/// Why authentication was denied. `Display` has all details and is for the log; [`Denial::description`] is for the client.
#[derive(Clone, Debug)]
pub enum Denial {
    /// The client presented no certificate.
    NoCertificate,
    /// The certificate cannot be parsed.
    Unreadable(IdentityError),
    /// The certificate's notAfter has passed.
    Expired,
    /// The certificate's notBefore has not been reached.
    NotYetValid,
    /// No application has this `client_id`.
    UnknownClient(ClientId),
    /// No application has registered the certificate.
    UnknownCertificate,
    /// The application has registered other thumbprints.
    ThumbprintMismatch(ClientId),
    /// The application needs a chain to a client CA, and none verifies.
    Chain {
        /// The application.
        client_id: ClientId,
        /// Why none verifies.
        refusal: ChainRefusal,
        /// Whether the certificate has the registered subject, and its signatures lead to the CA that must have issued it: only the application
        /// itself has such a certificate, but a CA of its chain is outside its validity, or the CRLs do not show whether it is revoked.
        is_its_own: bool,
    },
    /// The certificate does not have the registered subject.
    SubjectMismatch {
        /// The application.
        client_id: ClientId,
        /// For a DN, where it first differs.
        difference: Option<RdnDifference>,
    },
    /// The certificate has the registered subject, but no verified path contains the pinned CA.
    IssuerMismatch(ClientId),
    /// The credential that matches has passed its `expires_at`.
    CredentialExpired {
        /// The application.
        client_id: ClientId,
        /// The credential's name.
        name: Box<str>,
        /// Its end.
        at: Timestamp,
    },
    /// The request carries no credential, and the connection has no certificate.
    NoCredential(ClientId),
    /// No application has this `client_id`, which a request with another mechanism than a certificate names.
    UnknownClientBy(ClientId, MechanismName),
    /// The application has registered another method than the one that the request uses.
    OtherMethod {
        /// The application.
        client_id: ClientId,
        /// Its registered method.
        registered: AuthMethod,
        /// What the request uses.
        presented: MechanismName,
    },
    /// A client that its certificate has authenticated sends another credential besides (RFC 6749 section 2.3).
    SecondMechanism {
        /// The application.
        client_id: ClientId,
        /// Its registered method.
        registered: AuthMethod,
        /// What the request carries besides.
        presented: MechanismName,
    },
    /// The secret is not a registered one.
    SecretMismatch(ClientId),
    /// The assertion breaks a rule, or no registered key has signed it.
    Assertion {
        /// The client that the request names.
        client_id: ClientId,
        /// The first rule that is broken.
        error: Box<AssertionError>,
    },
    /// The client's tokens are bound to a certificate, and the connection has no suitable one.
    Binding {
        /// The application.
        client_id: ClientId,
        /// Why the certificate is not suitable.
        cause: Box<Denial>,
        /// Whether the client has proved its identity.
        proved: bool,
        /// What the request uses.
        presented: MechanismName,
    },
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCertificate => f.write_str("no client certificate was presented"),
            Self::Unreadable(error) => write!(f, "the client certificate cannot be parsed: {error}"),
            Self::Expired => f.write_str("the client certificate has expired"),
            Self::NotYetValid => f.write_str("the client certificate is not yet valid"),
            Self::UnknownClient(id) => write!(f, "no application is registered as \"{id}\""),
            Self::UnknownCertificate => f.write_str("certificate is not registered for any application"),
            Self::ThumbprintMismatch(id) => {
                write!(f, "certificate thumbprint is not registered for \"{id}\"")
            }
            Self::Chain { client_id, refusal, .. } => {
                write!(f, "\"{client_id}\" needs a chain to a client CA: {refusal}")
            }
            Self::SubjectMismatch { client_id, difference: Some(difference) } => {
                write!(f, "subject DN is not the one registered for \"{client_id}\": {difference}")
            }
            Self::SubjectMismatch { client_id, difference: None } => {
                write!(f, "certificate does not have the subject registered for \"{client_id}\"")
            }
            Self::IssuerMismatch(id) => {
                write!(f, "the verified path does not contain the CA pinned for \"{id}\"")
            }
            Self::CredentialExpired { client_id, name, at } => {
                write!(f, "the credential {name:?} of \"{client_id}\" has expired (expires_at {at})")
            }
            Self::NoCredential(id) => {
                write!(f, "no credential was sent for \"{id}\", and no client certificate was presented")
            }
            Self::UnknownClientBy(id, by) => {
                write!(f, "no application is registered as \"{id}\", which uses {by}")
            }
            Self::OtherMethod { client_id, registered, presented } => {
                let registered = registered.as_str();
                write!(f, "\"{client_id}\" is registered with {registered}, but the request uses {presented}")
            }
            Self::SecondMechanism { client_id, registered, presented } => {
                let registered = registered.as_str();
                write!(f, "\"{client_id}\" authenticates with {registered}, and sends {presented} besides")
            }
            Self::SecretMismatch(id) => write!(f, "the secret is not registered for \"{id}\""),
            Self::Assertion { client_id, error } => {
                write!(f, "the assertion of \"{client_id}\" is refused: {error}")
            }
            Self::Binding { client_id, cause, .. } => {
                write!(f, "the tokens of \"{client_id}\" are bound to a certificate, but {cause}")
            }
        }
    }
}

impl Denial {
    /// The denial of a certificate with this validity at `now`; `None` within it.
    #[must_use]
    pub fn of_validity(validity: Validity, now: Timestamp) -> Option<Self> {
        validity.outside(now).map(|ended| if ended { Self::Expired } else { Self::NotYetValid })
    }

    /// The `error_description` of the response: what the application's developer can fix. It depends on what the request presents;
    /// it reveals what is registered for an application only to the client that has proved to be it.
    #[must_use]
    pub fn description(&self) -> Cow<'static, str> {
        const NO_CREDENTIAL: &str = "client authentication is required: present the client certificate on the TLS connection, or send the credential in the way that is registered for this client_id";
        const SECRET: &str = "the client authentication failed: check the client_id, the secret, and whether it is registered to be sent in this way (HTTP Basic or the body)";
        Cow::Borrowed(match self {
            Self::NoCertificate => {
                "a client certificate is required: present the certificate that is registered for this client_id"
            }
            Self::Unreadable(_) => {
                "the client certificate cannot be parsed: it must be a well-formed X.509 certificate"
            }
            Self::Expired => "the client certificate has expired: present a current one",
            Self::NotYetValid => "the client certificate is not valid yet",
            Self::NoCredential(_) => NO_CREDENTIAL,
            // As that of any other client which presents the same.
            Self::Binding { cause, proved: false, presented: MechanismName::Certificate, .. } => {
                match **cause {
                    Self::NoCertificate => NO_CREDENTIAL,
                    ref other => return other.description(),
                }
            }
            Self::SecondMechanism { registered, presented, .. } => {
                return Cow::Owned(format!(
                    "this client is registered with {}, but the request has {presented} besides: remove it (RFC 6749, section 2.3)",
                    registered.as_str()
                ));
            }
            Self::Binding { cause, proved: true, .. } => {
                let hint = "this client's tokens are bound to its certificate (RFC 8705, section 3)";
                return Cow::Owned(format!("{hint}: {}", cause.description()));
            }
            Self::UnknownClientBy(_, by) | Self::OtherMethod { presented: by, .. } => match by {
                MechanismName::Basic | MechanismName::Post => SECRET,
                MechanismName::Assertion => ASSERTION,
                MechanismName::Attestation => "client attestations are not accepted for this client_id",
                MechanismName::Certificate => CERTIFICATE,
            },
            Self::SecretMismatch(_) | Self::Binding { proved: false, .. } => SECRET,
            Self::Assertion { error, .. } => return error.description().unwrap_or(Cow::Borrowed(ASSERTION)),
            Self::Chain {
                refusal: ChainRefusal::CaOutsideValidity { client_ca, .. },
                is_its_own: true,
                ..
            } => match client_ca {
                Some(_) => CLIENT_CA,
                None => INTERMEDIATE,
            },
            Self::Chain { refusal: ChainRefusal::Crl { .. }, is_its_own: true, .. } => CRL,
            Self::UnknownClient(_)
            | Self::UnknownCertificate
            | Self::ThumbprintMismatch(_)
            | Self::Chain { .. }
            | Self::SubjectMismatch { .. }
            | Self::IssuerMismatch(_) => CERTIFICATE,
            Self::CredentialExpired { .. } => {
                "the credential has expired: use the successor that is registered for this client_id"
            }
        })
    }

    /// Whether the client is authenticated, but its request must be sent again later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Assertion { error, .. } if error.is_full())
    }

    /// Whether the certificate of the connection was judged, and not a credential of one request.
    #[must_use]
    pub fn is_of_connection(&self) -> bool {
        match self {
            Self::Binding { cause, proved: false, presented: MechanismName::Certificate, .. } => {
                cause.is_of_connection()
            }
            Self::NoCertificate
            | Self::NoCredential(_)
            | Self::UnknownClientBy(..)
            | Self::SecretMismatch(_)
            | Self::Assertion { .. }
            | Self::Binding { .. }
            | Self::SecondMechanism { .. }
            | Self::CredentialExpired { .. } => false,
            Self::OtherMethod { presented, .. } => matches!(presented, MechanismName::Certificate),
            _ => true,
        }
    }
}

/// The text for every client certificate that does not authenticate the client.
const CERTIFICATE: &str = "the client certificate is not registered for this client_id: check the client_id and which certificate is presented";
/// The texts for an application's own certificate below a CA that is outside its validity.
const CLIENT_CA: &str = "the CA that has issued the client certificate has expired or is not valid yet: ask the operator of this server which CA replaces it";
const INTERMEDIATE: &str = "an intermediate CA certificate that was sent with the client certificate has expired or is not valid yet: send a current one";
/// The text for an application's own certificate that cannot be checked for revocation.
const CRL: &str = "this server cannot check at present whether the client certificate is revoked: nothing is wrong with the certificate or the request, so change neither; report it to the operator of this server, and try again later";
/// The text for every assertion that does not authenticate the client, unless the assertion itself shows what to fix. Without the client's
/// keys nobody can prove to be the client, so that the last part is for everyone: said to some only, it would reveal which clients are registered.
const ASSERTION: &str = "the client assertion does not authenticate this client_id: check the client_id, the key, and the claims iss, sub, aud, exp, iat and jti; if all are right, this server may lack the client's current keys: ask its operator";

impl Denial {
    /// Ranks denials: the higher, the more checks have passed.
    const fn closeness(&self) -> u8 {
        match self {
            Self::CredentialExpired { .. } => 4,
            Self::IssuerMismatch(_) | Self::Chain { is_its_own: true, .. } => 3,
            Self::Chain { .. } => 2,
            Self::SubjectMismatch { .. } => 1,
            _ => 0,
        }
    }

    /// The application that the certificate was compared with.
    const fn client_id(&self) -> Option<&ClientId> {
        match self {
            Self::UnknownClient(id) | Self::ThumbprintMismatch(id) | Self::IssuerMismatch(id) => Some(id),
            Self::Chain { client_id, .. }
            | Self::SubjectMismatch { client_id, .. }
            | Self::CredentialExpired { client_id, .. } => Some(client_id),
            _ => None,
        }
    }

    /// Keeps the denial that is closer to a match. Ties are broken by `client_id`, so that the log does not depend on the
    /// order of registration, and then by the order of credentials.
    pub(super) fn keep_closer(closest: &mut Option<Self>, other: Self) {
        let is_closer = |so_far: &Self| {
            let order = other.closeness().cmp(&so_far.closeness());
            order.then_with(|| so_far.client_id().cmp(&other.client_id())).is_gt()
        };
        if closest.as_ref().is_none_or(is_closer) {
            *closest = Some(other);
        }
    }
}
