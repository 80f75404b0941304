//! Identity times application gives a verdict. The one place where policy is judged.

use std::{fmt, rc::Rc, sync::Arc};

use super::ChainCache;
use crate::{
    clock::Timestamp,
    identity::{
        ChainRefusal, ChainVerdict, ClientCertificate, IdentityError, RdnDifference, Validity, VerifiedPath,
    },
    trust::{
        Application, ClientId, Credentials, Method, RegisteredCertificate, RegisteredSubject, Subject, Trust,
    },
};

/// That a certificate belongs to an application, and by what.
#[derive(Clone, Debug)]
pub struct Proof {
    /// Whose certificate it is.
    pub application: Arc<Application>,
    /// Which of its credentials matched: its position, see [`Application::credential_at`].
    pub credential: usize,
    /// The verified chain, where that is what matched; absent for a registered thumbprint.
    pub chain: Option<(Rc<ChainVerdict>, usize)>,
    /// While the clock is within, the same trust would judge alike.
    pub valid: Validity,
}

impl Proof {
    /// The path that matched.
    #[must_use]
    pub fn path(&self) -> Option<&VerifiedPath> {
        let (verdict, index) = self.chain.as_ref()?;
        match verdict.as_ref() {
            ChainVerdict::Verified(paths) => paths.get(*index),
            ChainVerdict::Refused(_) => None,
        }
    }

    /// Notes in the registry that the credential was used by this certificate, `now`.
    pub fn used(&self, certificate: &ClientCertificate, now: Timestamp) {
        if let Some(credential) = self.application.credential_at(self.credential) {
            credential.usage.note(now, certificate.validity().not_after);
        }
    }
}

/// Why a certificate was refused. `Display` is for the log and says everything.
#[derive(Clone, Debug)]
pub enum Denial {
    /// The connection has no certificate.
    NoCertificate,
    /// The certificate can't be read.
    Unreadable(IdentityError),
    /// The certificate's validity has ended.
    Expired,
    /// The certificate's validity has not begun.
    NotYetValid,
    /// No application has this identifier.
    UnknownClient(ClientId),
    /// No application owns the certificate.
    UnknownCertificate,
    /// The application registered other thumbprints.
    OtherThumbprint(ClientId),
    /// The chain does not verify.
    Chain(ClientId, ChainRefusal),
    /// The subject is another.
    OtherSubject {
        /// The application.
        client_id: ClientId,
        /// For a DN, where it first differs.
        difference: Option<RdnDifference>,
    },
    /// The subject is right, yet another CA issued it.
    OtherIssuer(ClientId),
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCertificate => f.write_str("no client certificate was presented"),
            Self::Unreadable(error) => write!(f, "the client certificate can't be read: {error}"),
            Self::Expired => f.write_str("the client certificate has expired"),
            Self::NotYetValid => f.write_str("the client certificate is not yet valid"),
            Self::UnknownClient(id) => write!(f, "no application is registered as \"{id}\""),
            Self::UnknownCertificate => f.write_str("no application has registered this certificate"),
            Self::OtherThumbprint(id) => write!(f, "\"{id}\" has registered other thumbprints"),
            Self::Chain(id, refusal) => write!(f, "\"{id}\" needs a chain to a client CA: {refusal}"),
            Self::OtherSubject { client_id, difference: Some(difference) } => {
                write!(f, "\"{client_id}\" has registered another subject DN: {difference}")
            }
            Self::OtherSubject { client_id, difference: None } => {
                write!(f, "\"{client_id}\" has registered a subject that the certificate does not bear")
            }
            Self::OtherIssuer(id) => write!(f, "\"{id}\" pins a CA that did not issue this certificate"),
        }
    }
}

impl Denial {
    /// The denial of a certificate that is outside this validity at `now`, if it is.
    #[must_use]
    pub fn of_validity(validity: Validity, now: Timestamp) -> Option<Self> {
        validity.outside(now).map(|ended| if ended { Self::Expired } else { Self::NotYetValid })
    }

    /// For the application's developer: what to fix, and nothing about any registered application,
    /// so that every mismatch reads alike.
    #[must_use]
    pub fn description(&self) -> &'static str {
        match self {
            Self::NoCertificate => {
                "a client certificate is required: present the certificate that is registered for this client_id"
            }
            Self::Unreadable(_) => {
                "the client certificate can't be read: it must be a well-formed X.509 certificate"
            }
            Self::Expired => "the client certificate has expired: present a current one",
            Self::NotYetValid => "the client certificate is not valid yet",
            _ => {
                "the client certificate is not registered for this client_id: check the client_id and which certificate is presented"
            }
        }
    }
}

/// Refuses a certificate that is expired or not yet valid.
fn in_validity(certificate: &ClientCertificate, now: Timestamp) -> Result<(), Denial> {
    Denial::of_validity(certificate.validity(), now).map_or(Ok(()), Err)
}

/// Whether the certificate belongs to the application of this identifier (`authenticate = "client"`).
/// `now` is in seconds since 1970.
pub fn judge_client(
    trust: &Trust,
    chains: &ChainCache,
    certificate: &ClientCertificate,
    client_id: &ClientId,
    now: Timestamp,
) -> Result<Proof, Denial> {
    in_validity(certificate, now)?;
    let application = trust
        .registry
        .application(client_id.as_str())
        .ok_or_else(|| Denial::UnknownClient(client_id.clone()))?;
    judge_application(trust, chains, certificate, application, now)
}

/// Whether the certificate belongs to any application (`authenticate = "certificate"`).
pub fn judge_any(
    trust: &Trust,
    chains: &ChainCache,
    certificate: &ClientCertificate,
    now: Timestamp,
) -> Result<Proof, Denial> {
    in_validity(certificate, now)?;
    let mut closest = None;
    for application in trust.registry.candidates(certificate) {
        match judge_application(trust, chains, certificate, application, now) {
            Ok(proof) => return Ok(proof),
            Err(denial) => Denial::keep_closer(&mut closest, denial),
        }
    }
    Err(closest.unwrap_or(Denial::UnknownCertificate))
}

fn judge_application(
    trust: &Trust,
    chains: &ChainCache,
    certificate: &ClientCertificate,
    application: &Arc<Application>,
    now: Timestamp,
) -> Result<Proof, Denial> {
    let id = &application.client_id;
    let (credential, chain) = match &application.method {
        Method::SelfSignedTls(credentials) => first_match(credentials, |registered| {
            self_signed_tls(certificate, id, registered).map(|()| None)
        })?,
        Method::PkiTls(credentials) => first_match(credentials, |registered| {
            pki_tls(trust, chains, certificate, id, registered, now).map(Some)
        })?,
    };
    let valid = valid(certificate, chain.as_ref());
    Ok(Proof { application: Arc::clone(application), credential, chain, valid })
}

/// The first of the credentials that matches, and how; else the denial that came closest to a match, which says most.
fn first_match<T, M>(
    credentials: &Credentials<T>,
    judge: impl Fn(&T) -> Result<M, Denial>,
) -> Result<(usize, M), Denial> {
    let mut closest = None;
    for (index, credential) in credentials.iter().enumerate() {
        match judge(&credential.registered) {
            Ok(matched) => return Ok((index, matched)),
            Err(denial) => Denial::keep_closer(&mut closest, denial),
        }
    }
    Err(closest.unwrap_or(Denial::UnknownCertificate))
}

/// As long as the certificate and, where the chain matched, every path that was found are valid.
fn valid(certificate: &ClientCertificate, chain: Option<&(Rc<ChainVerdict>, usize)>) -> Validity {
    let leaf = certificate.validity();
    match chain.map(|(verdict, _)| &**verdict) {
        Some(ChainVerdict::Verified(paths)) => {
            paths.iter().fold(leaf, |valid, path| valid.intersect(&path.validity))
        }
        Some(ChainVerdict::Refused(_)) | None => leaf,
    }
}

impl Denial {
    /// How close it came to a match.
    const fn closeness(&self) -> u8 {
        match self {
            Self::OtherIssuer(_) => 3,
            Self::Chain(..) => 2,
            Self::OtherSubject { .. } => 1,
            _ => 0,
        }
    }

    /// Keeps the denial that came closer to a match; of two that came as close, the earlier one.
    fn keep_closer(closest: &mut Option<Self>, other: Self) {
        if closest.as_ref().is_none_or(|so_far| so_far.closeness() < other.closeness()) {
            *closest = Some(other);
        }
    }
}

/// RFC 8705 section 2.2.
fn self_signed_tls(
    certificate: &ClientCertificate,
    client_id: &ClientId,
    registered: &RegisteredCertificate,
) -> Result<(), Denial> {
    if registered.thumbprint == certificate.thumbprint() {
        Ok(())
    } else {
        Err(Denial::OtherThumbprint(client_id.clone()))
    }
}

/// RFC 8705 section 2.1.
fn pki_tls(
    trust: &Trust,
    chains: &ChainCache,
    certificate: &ClientCertificate,
    client_id: &ClientId,
    RegisteredSubject { subject, ca }: &RegisteredSubject,
    now: Timestamp,
) -> Result<(Rc<ChainVerdict>, usize), Denial> {
    // Before the chain, which is what costs: anybody can present one.
    if !subject.matches(certificate) {
        let difference = match subject {
            Subject::Dn(dn) => dn.first_difference(certificate.subject()),
            Subject::San(_) => None,
        };
        return Err(Denial::OtherSubject { client_id: client_id.clone(), difference });
    }
    let verdict = chains.verdict(certificate, trust, now);
    let paths = match verdict.as_ref() {
        ChainVerdict::Verified(paths) => paths,
        ChainVerdict::Refused(refusal) => return Err(Denial::Chain(client_id.clone(), refusal.clone())),
    };
    let is_issued = |path: &VerifiedPath| {
        path.validity.contains(now) && ca.as_ref().is_none_or(|ca| path.issuer_keys.contains(ca))
    };
    let index = paths.iter().position(is_issued).ok_or_else(|| Denial::OtherIssuer(client_id.clone()))?;
    Ok((verdict, index))
}
