//! Whether the presented certificate is one of an application's registered ones (RFC 8705 section 2).

use std::{rc::Rc, sync::Arc};

use super::{Basis, Denial, Presented, Proof, matching::first_match};
use crate::{
    clock::Timestamp,
    identity::{ChainRefusal, Validity, VerifiedPath},
    trust::{
        Application, CertificateCredentials, ClientId, RegisteredCertificate, RegisteredSubject, Subject,
        Trust,
    },
};

/// A certificate that matched a registered one.
pub(super) struct Matched {
    /// Index of the credential.
    pub(super) credential: usize,
    /// What was verified.
    pub(super) basis: Basis,
    /// The period in which the same trust would give the same match.
    pub(super) valid: Validity,
}

impl Matched {
    /// The proof that the certificate gives where it authenticates the application.
    pub(super) fn proof(self, application: &Arc<Application>) -> Proof {
        Proof::by_certificate(application, self.credential, self.basis, self.valid)
    }
}

/// Compares the presented certificate with those of the application `client_id`.
pub(super) fn match_certificate(
    trust: &Trust,
    presented: Presented<'_>,
    client_id: &ClientId,
    registered: &CertificateCredentials,
    now: Timestamp,
) -> Result<Matched, Denial> {
    let valid = presented.certificate.validity();
    let (credential, (basis, valid), end) = match registered {
        CertificateCredentials::Certificates(credentials) => {
            first_match(client_id, credentials, now, |registered| {
                self_signed_tls(presented, client_id, registered).map(|()| (Basis::Thumbprint, valid))
            })?
        }
        CertificateCredentials::Subjects(credentials) => {
            first_match(client_id, credentials, now, |registered| {
                let (path, paths) = pki_tls(trust, presented, client_id, registered, now)?;
                Ok((Basis::Chain(path), valid.intersect(&paths)))
            })?
        }
    };
    let not_after = end.map_or(valid.not_after, |end| valid.not_after.min(end.previous()));
    Ok(Matched { credential, basis, valid: Validity { not_after, ..valid } })
}

/// Compares the thumbprint or the key (RFC 8705 section 2.2).
fn self_signed_tls(
    presented: Presented<'_>,
    client_id: &ClientId,
    registered: &RegisteredCertificate,
) -> Result<(), Denial> {
    if registered.matches.matches(presented.certificate) {
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
        Err(refusal) => {
            let is_its_own = match refusal {
                ChainRefusal::CaOutsideValidity { issuer_keys, .. }
                | ChainRefusal::Crl { issuer_keys, .. } => {
                    ca.as_ref().is_none_or(|ca| issuer_keys.contains(ca))
                }
                _ => false,
            };
            let (client_id, refusal) = (client_id.clone(), refusal.clone());
            return Err(Denial::Chain { client_id, refusal, is_its_own });
        }
    };
    let matches = |path: &&Rc<VerifiedPath>| {
        path.validity.contains(now) && ca.as_ref().is_none_or(|ca| path.issuer_keys.contains(ca))
    };
    let path = paths.iter().find(matches).ok_or_else(|| Denial::IssuerMismatch(client_id.clone()))?;
    let valid = paths.iter().fold(path.validity, |valid, path| valid.intersect(&path.validity));
    Ok((Rc::clone(path), valid))
}
