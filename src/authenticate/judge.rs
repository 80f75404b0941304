//! The authentication policy: whether a presented certificate authenticates a client. It is decided nowhere else.

use std::{fmt, rc::Rc, sync::Arc};

use super::{Basis, Presented, Proof};
use crate::{
    clock::Timestamp,
    identity::{ChainRefusal, ClientCertificate, IdentityError, RdnDifference, Validity, VerifiedPath},
    trust::{
        Application, ClientId, Credentials, Method, RegisteredCertificate, RegisteredSubject, Subject, Trust,
    },
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
    Chain(ClientId, ChainRefusal),
    /// The certificate does not have the registered subject.
    SubjectMismatch {
        /// The application.
        client_id: ClientId,
        /// For a DN, where it first differs.
        difference: Option<RdnDifference>,
    },
    /// The certificate has the registered subject, but no verified path contains the pinned CA.
    IssuerMismatch(ClientId),
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
            Self::Chain(id, refusal) => write!(f, "\"{id}\" needs a chain to a client CA: {refusal}"),
            Self::SubjectMismatch { client_id, difference: Some(difference) } => {
                write!(f, "subject DN is not the one registered for \"{client_id}\": {difference}")
            }
            Self::SubjectMismatch { client_id, difference: None } => {
                write!(f, "certificate does not have the subject registered for \"{client_id}\"")
            }
            Self::IssuerMismatch(id) => {
                write!(f, "the verified path does not contain the CA pinned for \"{id}\"")
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

    /// The `error_description` of the 401 response: what the application's developer can fix. All mismatches have the same
    /// text, so that it reveals nothing about registered applications.
    #[must_use]
    pub fn description(&self) -> &'static str {
        match self {
            Self::NoCertificate => {
                "a client certificate is required: present the certificate that is registered for this client_id"
            }
            Self::Unreadable(_) => {
                "the client certificate cannot be parsed: it must be a well-formed X.509 certificate"
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

/// Authenticates the client with this `client_id` by its certificate (`authenticate = "client"`).
pub fn judge_client(
    trust: &Trust,
    presented: Presented<'_>,
    client_id: &ClientId,
    now: Timestamp,
) -> Result<Proof, Denial> {
    in_validity(presented.certificate, now)?;
    let application = trust
        .registry
        .application(client_id.as_str())
        .ok_or_else(|| Denial::UnknownClient(client_id.clone()))?;
    judge_application(trust, presented, application, now)
}

/// Authenticates any client that has registered the certificate (`authenticate = "certificate"`).
pub fn judge_any(trust: &Trust, presented: Presented<'_>, now: Timestamp) -> Result<Proof, Denial> {
    in_validity(presented.certificate, now)?;
    let mut closest = None;
    for application in trust.registry.candidates(presented.certificate) {
        match judge_application(trust, presented, application, now) {
            Ok(proof) => return Ok(proof),
            Err(denial) => Denial::keep_closer(&mut closest, denial),
        }
    }
    Err(closest.unwrap_or(Denial::UnknownCertificate))
}

fn judge_application(
    trust: &Trust,
    presented: Presented<'_>,
    application: &Arc<Application>,
    now: Timestamp,
) -> Result<Proof, Denial> {
    let id = &application.client_id;
    let valid = presented.certificate.validity();
    let (credential, (basis, valid)) = match &application.method {
        Method::SelfSignedTls(credentials) => first_match(credentials, |registered| {
            self_signed_tls(presented.certificate, id, registered).map(|()| (Basis::Thumbprint, valid))
        })?,
        Method::PkiTls(credentials) => first_match(credentials, |registered| {
            let (path, paths) = pki_tls(trust, presented, id, registered, now)?;
            Ok((Basis::Chain(path), valid.intersect(&paths)))
        })?,
    };
    Ok(Proof { application: Arc::clone(application), credential, basis, valid })
}

/// The index of the first matching credential, and its match; else the denial closest to a match, which is the most
/// informative.
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

impl Denial {
    /// Ranks denials: the higher, the more checks have passed.
    const fn closeness(&self) -> u8 {
        match self {
            Self::IssuerMismatch(_) => 3,
            Self::Chain(..) => 2,
            Self::SubjectMismatch { .. } => 1,
            _ => 0,
        }
    }

    /// The application that the certificate was compared with.
    const fn client_id(&self) -> Option<&ClientId> {
        match self {
            Self::UnknownClient(id)
            | Self::ThumbprintMismatch(id)
            | Self::Chain(id, _)
            | Self::IssuerMismatch(id) => Some(id),
            Self::SubjectMismatch { client_id, .. } => Some(client_id),
            Self::NoCertificate
            | Self::Unreadable(_)
            | Self::Expired
            | Self::NotYetValid
            | Self::UnknownCertificate => None,
        }
    }

    /// Keeps the denial that is closer to a match. Ties are broken by `client_id`, so that the log does not depend on the
    /// order of registration, and then by the order of credentials.
    fn keep_closer(closest: &mut Option<Self>, other: Self) {
        let is_closer = |so_far: &Self| {
            let order = other.closeness().cmp(&so_far.closeness());
            order.then_with(|| so_far.client_id().cmp(&other.client_id())).is_gt()
        };
        if closest.as_ref().is_none_or(is_closer) {
            *closest = Some(other);
        }
    }
}

/// Compares the thumbprint (RFC 8705 section 2.2).
fn self_signed_tls(
    certificate: &ClientCertificate,
    client_id: &ClientId,
    registered: &RegisteredCertificate,
) -> Result<(), Denial> {
    if registered.thumbprint == certificate.thumbprint() {
        Ok(())
    } else {
        Err(Denial::ThumbprintMismatch(client_id.clone()))
    }
}

/// Compares the subject and verifies the chain (RFC 8705 section 2.1). Returns the path that matched, and the period in
/// which all paths are valid.
fn pki_tls(
    trust: &Trust,
    presented: Presented<'_>,
    client_id: &ClientId,
    RegisteredSubject { subject, ca }: &RegisteredSubject,
    now: Timestamp,
) -> Result<(Rc<VerifiedPath>, Validity), Denial> {
    let certificate = presented.certificate;
    // Compared before the chain is verified, since verification is expensive and anyone can present a chain.
    if !subject.matches(certificate) {
        let difference = match subject {
            Subject::Dn(dn) => dn.first_difference(certificate.subject()),
            Subject::San(_) => None,
        };
        return Err(Denial::SubjectMismatch { client_id: client_id.clone(), difference });
    }
    let verdict = presented.verdict(&trust.authorities, now);
    let paths = match &*verdict {
        Ok(paths) => paths,
        Err(refusal) => return Err(Denial::Chain(client_id.clone(), refusal.clone())),
    };
    let matches = |path: &&Rc<VerifiedPath>| {
        path.validity.contains(now) && ca.as_ref().is_none_or(|ca| path.issuer_keys.contains(ca))
    };
    let path = paths.iter().find(matches).ok_or_else(|| Denial::IssuerMismatch(client_id.clone()))?;
    let valid = paths.iter().fold(path.validity, |valid, path| valid.intersect(&path.validity));
    Ok((Rc::clone(path), valid))
}

#[cfg(test)]
mod tests {
    use testkit::Ca;

    use super::*;
    use crate::{
        authenticate::{ChainSlot, RefusalCache},
        identity::{
            SubjectAltName,
            testing::{NOW, client, trust},
        },
        trust::{ApplicationSpec, AuthMethod, Change, CredentialSpec, Registered, Registry},
    };

    /// An application with a registered subject and a pinned CA.
    fn pinned(id: &str, name: &str, ca: [u8; 32]) -> Change {
        let subject = Subject::San(SubjectAltName::dns(name).unwrap());
        let registered = Registered::Subject(RegisteredSubject { subject, ca: Some(Arc::new(ca)) });
        let credentials = vec![CredentialSpec { name: "a".to_owned(), registered }];
        let spec = ApplicationSpec { client_id: id.to_owned(), method: AuthMethod::PkiTls, credentials };
        Change::Put(spec.try_into().unwrap())
    }

    fn denial(ca: &Ca, certificate: &ClientCertificate, changes: Vec<Change>) -> Denial {
        let mut registry = Registry::default();
        registry.apply_all(changes).unwrap();
        let trust = Trust {
            authorities: Arc::new(trust(&[ca])),
            registry,
            unknown_applications: crate::trust::UnknownApplications::Refuse,
        };
        let (chain, refusals) = (ChainSlot::default(), RefusalCache::default());
        judge_any(&trust, Presented { certificate, chain: &chain, refusals: &refusals }, NOW).unwrap_err()
    }

    #[test]
    fn the_reported_denial_is_independent_of_registration_order() {
        let ca = Ca::new("Client CA");
        let leaf = ca.leaf("payments", |params| {
            params.subject_alt_names = vec![rcgen::SanType::DnsName("a.example".try_into().unwrap())];
        });
        let certificate = client(&[leaf]);
        let [x, y] = [("x", [1; 32]), ("y", [2; 32])];
        for order in [[x, y], [y, x]] {
            let changes = order.map(|(id, ca)| pinned(id, "a.example", ca)).into();
            let denial = denial(&ca, &certificate, changes);
            assert!(matches!(&denial, Denial::IssuerMismatch(id) if id.as_str() == "x"), "{denial:?}");
        }
        let denial = denial(&ca, &certificate, vec![pinned("x", "b.example", [1; 32])]);
        assert!(matches!(denial, Denial::UnknownCertificate), "{denial:?}");
    }

    #[test]
    fn the_closest_denial_is_kept() {
        let id = |id: &str| ClientId::new(id);
        let far = || Denial::SubjectMismatch { client_id: id("a"), difference: None };
        let near = || Denial::IssuerMismatch(id("b"));
        for denials in [[far(), near()], [near(), far()]] {
            let mut closest = None;
            for denial in denials {
                Denial::keep_closer(&mut closest, denial);
            }
            assert!(matches!(closest, Some(Denial::IssuerMismatch(_))), "{closest:?}");
        }
    }
}
