//! Identity times application gives a verdict. The one place where policy is judged.

use std::{fmt, rc::Rc, sync::Arc};

use super::ChainCache;
use crate::{
    identity::{
        ChainRefusal, ChainVerdict, ClientCertificate, IdentityError, RdnDifference, Validity, VerifiedPath,
    },
    trust::{Application, ClientId, Credential, CredentialMatcher, Subject, Trust},
};

/// That a certificate belongs to an application, and by what.
#[derive(Clone, Debug)]
pub struct Proof {
    /// Whose certificate it is.
    pub application: Arc<Application>,
    /// Which of its credentials matched: an index into [`Application::credentials`].
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
    pub fn used(&self, certificate: &ClientCertificate, now: i64) {
        if let Some(credential) = self.application.credentials.get(self.credential) {
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
    /// Outside its validity. True: it has ended; false: it has not begun.
    OutsideValidity {
        /// Whether it has ended.
        ended: bool,
    },
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
            Self::OutsideValidity { ended: true } => f.write_str("the client certificate has expired"),
            Self::OutsideValidity { ended: false } => f.write_str("the client certificate is not yet valid"),
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
            Self::OutsideValidity { ended: true } => {
                "the client certificate has expired: present a current one"
            }
            Self::OutsideValidity { ended: false } => "the client certificate is not valid yet",
            _ => {
                "the client certificate is not registered for this client_id: check the client_id and which certificate is presented"
            }
        }
    }
}

fn in_validity(certificate: &ClientCertificate, now: i64) -> Result<(), Denial> {
    certificate.validity().outside(now).map_or(Ok(()), |ended| Err(Denial::OutsideValidity { ended }))
}

/// Whether the certificate belongs to the application of this identifier (`authenticate = "client"`).
/// `now` is in seconds since 1970.
pub fn judge_client(
    trust: &Trust,
    chains: &ChainCache,
    certificate: &ClientCertificate,
    client_id: &ClientId,
    now: i64,
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
    now: i64,
) -> Result<Proof, Denial> {
    in_validity(certificate, now)?;
    let mut denial = Denial::UnknownCertificate;
    for application in trust.registry.candidates(certificate) {
        match judge_application(trust, chains, certificate, application, now) {
            Ok(proof) => return Ok(proof),
            Err(why) => denial = why,
        }
    }
    Err(denial)
}

fn judge_application(
    trust: &Trust,
    chains: &ChainCache,
    certificate: &ClientCertificate,
    application: &Arc<Application>,
    now: i64,
) -> Result<Proof, Denial> {
    let mut denial = None;
    for (index, credential) in application.credentials.iter().enumerate() {
        match judge_credential(trust, chains, certificate, application, credential, now) {
            Ok(chain) => {
                let valid = valid(certificate, chain.as_ref());
                return Ok(Proof { application: Arc::clone(application), credential: index, chain, valid });
            }
            // The refusal that came closest to a match tells most.
            Err(why) => {
                if denial.as_ref().is_none_or(|so_far| closeness(so_far) < closeness(&why)) {
                    denial = Some(why);
                }
            }
        }
    }
    Err(denial.unwrap_or(Denial::UnknownCertificate))
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

fn closeness(denial: &Denial) -> u8 {
    match denial {
        Denial::OtherIssuer(_) => 3,
        Denial::Chain(..) => 2,
        Denial::OtherSubject { .. } => 1,
        _ => 0,
    }
}

type MatchedChain = Option<(Rc<ChainVerdict>, usize)>;

fn judge_credential(
    trust: &Trust,
    chains: &ChainCache,
    certificate: &ClientCertificate,
    application: &Application,
    credential: &Credential,
    now: i64,
) -> Result<MatchedChain, Denial> {
    let id = || application.client_id.clone();
    match &credential.matcher {
        CredentialMatcher::Thumbprint(thumbprint) => {
            if *thumbprint == certificate.thumbprint() {
                Ok(None)
            } else {
                Err(Denial::OtherThumbprint(id()))
            }
        }
        CredentialMatcher::Subject { subject, pin } => {
            // Before the chain, which is what costs: anybody can present one.
            if !subject.matches(certificate) {
                let difference = match subject {
                    Subject::Dn(dn) => dn.first_difference(certificate.subject()),
                    Subject::San(_) => None,
                };
                return Err(Denial::OtherSubject { client_id: id(), difference });
            }
            let verdict = chains.verdict(certificate, trust, now);
            let paths = match verdict.as_ref() {
                ChainVerdict::Verified(paths) => paths,
                ChainVerdict::Refused(refusal) => return Err(Denial::Chain(id(), refusal.clone())),
            };
            paths
                .iter()
                .position(|path| {
                    path.validity.contains(now)
                        && pin.as_ref().is_none_or(|pin| path.issuer_keys.contains(pin))
                })
                .map(|index| Some((Rc::clone(&verdict), index)))
                .ok_or_else(|| Denial::OtherIssuer(id()))
        }
    }
}
