//! Why no path to a client CA is valid, in words.

use webpki::Error;

use crate::identity::{
    authorities::{
        Authorities,
        ca::{Ca, ConstraintKind, UnfitCa},
    },
    certificate::ClientCertificate,
    rfc3339,
};

/// Why no path from a certificate to a client CA is valid. `Display` is for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainRefusal {
    /// It names itself as its issuer, and no client CA has that name.
    #[error("self signed certificate (X.509 version {version})")]
    SelfSigned {
        /// The certificate's version.
        version: u32,
    },
    /// No client CA is configured.
    #[error("no client CA is configured, so no chain verifies")]
    NoAuthorities,
    /// No client CA has issued it, as far as the presented intermediates tell.
    #[error("no client CA is found for the issuer {issuer:?} with the intermediates that were presented")]
    UnknownIssuer {
        /// The issuer that the leaf names.
        issuer: String,
    },
    /// A CA of the right name was found, but its key did not sign.
    #[error(
        "a signature on the path of issuer {issuer:?} does not verify: a known CA has the name, but another key"
    )]
    Signature {
        /// The issuer that the leaf names.
        issuer: String,
    },
    /// A signature by an algorithm that is not accepted.
    #[error("a signature on the path uses an algorithm or key that is not accepted")]
    SignatureAlgorithm,
    /// A version that path validation does not take.
    #[error("X.509 version {version} certificate: only version 3 can verify by a client CA")]
    Version {
        /// 1 or 2.
        version: u32,
    },
    /// A configured client CA authenticates as a client.
    #[error("{subject:?} is itself a configured client CA, which is not for use as a client")]
    ClientCaAsClient {
        /// The certificate's subject.
        subject: String,
    },
    /// A CA certificate as leaf (RFC 5280 section 4.2.1.9).
    #[error("a CA certificate (basicConstraints cA) is used as a client's")]
    CaAsClient,
    /// The leaf is past its notAfter.
    #[error("the certificate expired on {}", rfc3339(*not_after))]
    Expired {
        /// Its last second.
        not_after: i64,
    },
    /// The leaf is before its notBefore.
    #[error("the certificate is not valid before {}", rfc3339(*not_before))]
    NotYetValid {
        /// Its first second.
        not_before: i64,
    },
    /// An intermediate is past its notAfter.
    #[error("an intermediate CA certificate expired on {}", rfc3339(*not_after))]
    IntermediateExpired {
        /// Its last second.
        not_after: i64,
    },
    /// An intermediate is before its notBefore.
    #[error("an intermediate CA certificate is not valid before {}", rfc3339(*not_before))]
    IntermediateNotYetValid {
        /// Its first second.
        not_before: i64,
    },
    /// A CA on the path may not issue.
    #[error("{}", unfit_text(subject, reason))]
    UnfitCa {
        /// The CA.
        subject: String,
        /// Why.
        reason: UnfitCa,
    },
    /// An intermediate without basicConstraints cA.
    #[error("an issuer on the path is not a CA (basicConstraints cA is not set)")]
    IssuerNotCa,
    /// More CAs below one than it allows (RFC 5280 section 4.2.1.9).
    #[error("the path is longer than the pathLenConstraint of {} allows", subject.as_deref().unwrap_or("a CA on it"))]
    PathLength {
        /// The CA, where it is known.
        subject: Option<String>,
    },
    /// extendedKeyUsage without clientAuth, on the leaf or a CA (section 4.2.1.12).
    #[error("extendedKeyUsage is present and does not include clientAuth")]
    NotForClientAuth,
    /// keyUsage of the leaf without digitalSignature (section 4.2.1.3).
    #[error("the certificate's keyUsage includes neither digitalSignature nor keyAgreement")]
    LeafKeyUsage,
    /// A DNS or IP name outside a constraint (section 4.2.1.10).
    #[error("a name of the certificate is outside the name constraints of its CAs")]
    NameConstraint,
    /// It, or a CA on the path, is revoked.
    #[error("the certificate or a CA on its path is revoked")]
    Revoked,
    /// A CRL past its nextUpdate, under [`super::super::StaleCrl::Refuse`].
    #[error("a CRL of the path is stale: its nextUpdate was {}", rfc3339(*next_update))]
    StaleCrl {
        /// From when on.
        next_update: i64,
    },
    /// Its CA has CRLs for parts of its certificates, none of which is loaded for this one.
    #[error("the CRLs of a CA of the path cover a part of its certificates only, and not this one")]
    NotCovered,
    /// A CRL that its issuer did not sign.
    #[error("a CRL bears the name of a CA of the path, but that CA did not sign it")]
    CrlSignature,
    /// A CRL whose issuer's keyUsage lacks cRLSign.
    #[error("the issuer of a CRL may not sign CRLs (keyUsage without cRLSign)")]
    CrlIssuerNotSigner,
    /// A critical extension that nobody here understands.
    #[error("a certificate of the path has a critical extension that is not supported")]
    CriticalExtension,
    /// Path building would take too much work.
    #[error("the presented certificates make path building too costly ({limit})")]
    TooComplex {
        /// Which limit.
        limit: String,
    },
    /// A path through the anchor's own certificate, which another path makes needless.
    #[error("the path repeats its client CA")]
    Detour,
    /// Something that cannot be read.
    #[error("a certificate or CRL of the path cannot be read: {reason}")]
    Malformed {
        /// What the parser says.
        reason: String,
    },
}

/// What webpki's error means for this certificate.
pub(super) fn explain(
    error: &Error,
    certificate: &ClientCertificate,
    authorities: &Authorities,
    now: i64,
) -> ChainRefusal {
    let validity = certificate.validity();
    let issuer = || certificate.issuer().to_rfc4514();
    match error {
        Error::CertExpired { .. } if now > validity.not_after => {
            ChainRefusal::Expired { not_after: validity.not_after }
        }
        Error::CertExpired { not_after, .. } => {
            ChainRefusal::IntermediateExpired { not_after: seconds(not_after.as_secs()) }
        }
        Error::CertNotValidYet { .. } if now < validity.not_before => {
            ChainRefusal::NotYetValid { not_before: validity.not_before }
        }
        Error::CertNotValidYet { not_before, .. } => {
            ChainRefusal::IntermediateNotYetValid { not_before: seconds(not_before.as_secs()) }
        }
        Error::UnknownIssuer
        | Error::InvalidSignatureForPublicKey
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)
        | Error::CaUsedAsEndEntity
        | Error::UnsupportedCertVersion
            if certificate.is_self_issued() =>
        {
            ChainRefusal::SelfSigned { version: certificate.version() }
        }
        Error::UnknownIssuer => ChainRefusal::UnknownIssuer { issuer: issuer() },
        Error::InvalidSignatureForPublicKey
        // A CA of the same name whose key is of another kind.
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            ChainRefusal::Signature { issuer: issuer() }
        }
        Error::UnsupportedSignatureAlgorithmContext(_) | Error::SignatureAlgorithmMismatch => {
            ChainRefusal::SignatureAlgorithm
        }
        Error::CaUsedAsEndEntity => ChainRefusal::CaAsClient,
        Error::EndEntityUsedAsCa => ChainRefusal::IssuerNotCa,
        Error::PathLenConstraintViolated => ChainRefusal::PathLength { subject: None },
        Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => ChainRefusal::NotForClientAuth,
        Error::NameConstraintViolation => unjudged(certificate).unwrap_or(ChainRefusal::NameConstraint),
        Error::CertRevoked => ChainRefusal::Revoked,
        Error::CrlExpired { next_update, .. } => {
            ChainRefusal::StaleCrl { next_update: seconds(next_update.as_secs()) }
        }
        Error::InvalidCrlSignatureForPublicKey
        | Error::UnsupportedCrlSignatureAlgorithmContext(_)
        | Error::UnsupportedCrlSignatureAlgorithmForPublicKeyContext(_) => ChainRefusal::CrlSignature,
        Error::UnknownRevocationStatus => ChainRefusal::NotCovered,
        Error::IssuerNotCrlSigner => ChainRefusal::CrlIssuerNotSigner,
        Error::UnsupportedCriticalExtension => ChainRefusal::CriticalExtension,
        Error::UnsupportedCertVersion => version(certificate, authorities),
        Error::MaximumSignatureChecksExceeded
        | Error::MaximumPathBuildCallsExceeded
        | Error::MaximumNameConstraintComparisonsExceeded
        | Error::MaximumPathDepthExceeded => ChainRefusal::TooComplex { limit: error.to_string() },
        other => ChainRefusal::Malformed { reason: other.to_string() },
    }
}

/// Whose version it is that webpki does not take.
fn version(certificate: &ClientCertificate, authorities: &Authorities) -> ChainRefusal {
    if certificate.version() != 3 {
        return ChainRefusal::Version { version: certificate.version() };
    }
    let presented = certificate.intermediates().iter().filter_map(|der| Ca::from_der(der).ok());
    let old = presented.chain(authorities.cas().iter().cloned()).find_map(|ca| match ca.unfit(0)? {
        reason @ UnfitCa::Version { .. } => Some((ca.subject.to_rfc4514(), reason)),
        _ => None,
    });
    match old {
        Some((subject, reason)) => ChainRefusal::UnfitCa { subject, reason },
        None => ChainRefusal::Malformed { reason: "an X.509 version that does not exist".to_owned() },
    }
}

/// The intermediate above the leaf whose name constraint nobody judges: webpki refuses it without saying which.
fn unjudged(certificate: &ClientCertificate) -> Option<ChainRefusal> {
    let mut presented: Vec<(Ca, crate::identity::DistinguishedName)> = Vec::new();
    for der in certificate.intermediates() {
        if let (Ok(ca), Ok(own)) =
            (Ca::from_der(der), ClientCertificate::from_chain(std::slice::from_ref(der)))
        {
            presented.push((ca, own.issuer().clone()));
        }
    }
    let mut wanted = vec![certificate.issuer().clone()];
    while let Some(name) = wanted.pop() {
        let (here, rest): (Vec<_>, Vec<_>) = presented.into_iter().partition(|(ca, _)| ca.subject == name);
        presented = rest;
        for (ca, issuer) in here {
            if let Some(kind) = ca.unjudged_constraints.first() {
                let reason = UnfitCa::UnjudgedConstraint { kind: *kind };
                return Some(ChainRefusal::UnfitCa { subject: ca.subject.to_rfc4514(), reason });
            }
            wanted.push(issuer);
        }
    }
    None
}

fn unfit_text(subject: &str, reason: &UnfitCa) -> String {
    match reason {
        UnfitCa::UnjudgedConstraint { kind: ConstraintKind::Malformed } => {
            format!("malformed name constraints in CA {subject:?}: cannot be judged, so refused")
        }
        UnfitCa::UnjudgedConstraint { kind } => {
            format!("{kind} name constraint in CA {subject:?}: not judged by this edge, so refused")
        }
        reason => format!("the CA {subject:?} may not issue: {reason}"),
    }
}

fn seconds(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}
