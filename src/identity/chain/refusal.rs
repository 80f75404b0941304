//! Why path validation fails, with messages for the log.

use std::fmt;

use crate::{
    clock::Timestamp,
    identity::{
        authorities::{Purpose, ca::UnusableCa},
        name::DistinguishedName,
    },
};

/// The certificate of a path that a refusal is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathMember {
    /// The client's certificate.
    Client,
    /// The certificate of a CA, by its subject.
    Ca(String),
}

impl fmt::Display for PathMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client => f.write_str("the client's certificate"),
            Self::Ca(subject) => write!(f, "CA {subject:?}"),
        }
    }
}

/// What is wrong with the CRLs of a path. Nothing that a client presents can cure it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CrlFault {
    /// A CRL is stale, under [`super::super::StaleCrl::Refuse`].
    #[error("a CRL of the path is stale: its nextUpdate was {next_update}")]
    Stale {
        /// When it became stale.
        next_update: Timestamp,
    },
    /// A CA on the path has partitioned CRLs, none of which covers its certificate.
    #[error("the CRLs of a CA on the path cover only a part of its certificates, not this one")]
    NotCovering,
    /// A CRL was not signed by its issuer.
    #[error("a CRL has the name of a CA on the path but was not signed by it")]
    Signature,
    /// The signature algorithm of a CRL is not accepted.
    #[error("the CRL of {issuer:?} is signed with {algorithm}, which is not accepted")]
    Algorithm {
        /// The CA.
        issuer: String,
        /// The algorithm.
        algorithm: String,
    },
    /// The keyUsage of a CRL's issuer lacks cRLSign.
    #[error("the issuer of a CRL may not sign CRLs (keyUsage without cRLSign): {subject:?}")]
    IssuerNotSigner {
        /// The CA.
        subject: String,
    },
}

/// Why no path from a certificate to a client CA is valid. `Display` is for the log. Section numbers are those of RFC 5280.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainRefusal {
    /// The certificate is self-issued, and no client CA has signed it.
    #[error("self signed certificate (X.509 version {version})")]
    SelfSigned {
        /// The certificate's version.
        version: u32,
    },
    /// No client CA is configured.
    #[error("no client CA is configured, so no chain verifies")]
    NoAuthorities,
    /// No path to a client CA was found with the presented intermediates.
    #[error("no client CA is found for the issuer {issuer:?} with the intermediates that were presented")]
    UnknownIssuer {
        /// The issuer that the leaf names.
        issuer: String,
    },
    /// No path to a client CA was found, and some presented certificates were skipped.
    #[error(
        "no client CA is found for the issuer {issuer:?}; of the presented intermediates {count} were skipped: {reason}"
    )]
    SkippedIntermediates {
        /// The issuer that the leaf names.
        issuer: String,
        /// How many were skipped.
        count: usize,
        /// The cause.
        reason: &'static str,
    },
    /// A CA with the right name was found, but its key has not signed the certificate.
    #[error(
        "a signature on the path of issuer {issuer:?} does not verify: a known CA has the name, but another key"
    )]
    Signature {
        /// The issuer that the leaf names.
        issuer: String,
    },
    /// A signature algorithm is not accepted.
    #[error("a signature on the path uses an algorithm that is not accepted: {algorithm} in {member}")]
    SignatureAlgorithm {
        /// The algorithm.
        algorithm: String,
        /// The certificate.
        member: PathMember,
    },
    /// X.509 version 1 or 2 certificates cannot be validated.
    #[error(
        "X.509 version {version} certificate: only version 3 certificates can be verified by a client CA"
    )]
    Version {
        /// The version, 1 or 2.
        version: u32,
    },
    /// A configured client CA is used as a client certificate.
    #[error("{subject:?} is itself a configured client CA and cannot be a client certificate")]
    ClientCaAsClient {
        /// The certificate's subject.
        subject: String,
    },
    /// A CA certificate is used as a client certificate (section 4.2.1.9).
    #[error("a CA certificate (basicConstraints cA) is used as a client certificate")]
    CaAsClient,
    /// The client certificate has expired.
    #[error("the certificate expired on {not_after}")]
    Expired {
        /// The last second of its validity.
        not_after: Timestamp,
    },
    /// The client certificate is not valid yet.
    #[error("the certificate is not valid before {not_before}")]
    NotYetValid {
        /// The first second of its validity.
        not_before: Timestamp,
    },
    /// A CA on the path, whose signatures are valid, has expired or is not valid yet.
    #[error("{}", outside_validity_text(client_ca.as_deref(), reason))]
    CaOutsideValidity {
        /// The subject of the client CA; none if it is an intermediate.
        client_ca: Option<String>,
        /// The cause.
        reason: UnusableCa,
        /// SHA-256 of the SubjectPublicKeyInfo of every CA on the path.
        issuer_keys: Box<[[u8; 32]]>,
    },
    /// A CA on the path must not issue certificates.
    #[error("{}", unusable_text(subject, reason))]
    UnusableCa {
        /// The CA.
        subject: String,
        /// The cause.
        reason: UnusableCa,
    },
    /// An intermediate lacks basicConstraints cA.
    #[error("an issuer on the path is not a CA (basicConstraints cA is not set): {subject:?}")]
    IssuerNotCa {
        /// Its subject.
        subject: String,
    },
    /// The path exceeds a CA's pathLenConstraint (section 4.2.1.9).
    #[error("the path is longer than the pathLenConstraint of {subject} allows")]
    PathLength {
        /// The CA.
        subject: String,
    },
    /// extKeyUsage lacks a usage that is accepted below the client CA (section 4.2.1.12).
    #[error("extendedKeyUsage is present and {} (in {member})", lacking(*purpose))]
    NotForClientAuth {
        /// What is accepted below the client CA.
        purpose: Purpose,
        /// The certificate with the extension.
        member: PathMember,
    },
    /// keyUsage of the leaf allows neither digitalSignature nor keyAgreement (section 4.2.1.3).
    #[error("the certificate's keyUsage includes neither digitalSignature nor keyAgreement")]
    LeafKeyUsage,
    /// A name violates nameConstraints (section 4.2.1.10).
    #[error(
        "a name of the certificate is outside the name constraints of its CAs: {name} of {member}, by the nameConstraints of {ca:?}"
    )]
    NameConstraint {
        /// The name's kind and its beginning.
        name: String,
        /// The certificate with the name.
        member: PathMember,
        /// The CA with the constraints.
        ca: String,
    },
    /// nameConstraints apply to a name, but the two cannot be compared.
    #[error("{name} of {member} cannot be compared with the nameConstraints of {ca:?}")]
    UnsupportedName {
        /// The name's kind and its beginning.
        name: String,
        /// The certificate with the name.
        member: PathMember,
        /// The CA with the constraints.
        ca: String,
    },
    /// The path needs a valid certificate policy and has none (section 6.1.5).
    #[error(
        "no certificate policy is valid for the path, and one is required by policyConstraints (2.5.29.36) of {by}; {lost}"
    )]
    PolicyRequired {
        /// The certificate that requires a policy.
        by: PathMember,
        /// The certificate at which the last valid policy was lost.
        lost: String,
    },
    /// The certificate or a CA on the path is revoked.
    #[error("the certificate or a CA on its path is revoked")]
    Revoked,
    /// The signatures of the path are valid, but the configured CRLs do not show whether a certificate of it is revoked.
    #[error("{fault}")]
    Crl {
        /// What is wrong with them.
        fault: CrlFault,
        /// SHA-256 of the SubjectPublicKeyInfo of every CA on the path.
        issuer_keys: Box<[[u8; 32]]>,
    },
    /// A CA certificate contains noRevAvail (RFC 9608 section 3).
    #[error(
        "the extension noRevAvail (2.5.29.56) is in the certificate of CA {subject:?}, where it must not be"
    )]
    NoRevocationForCa {
        /// The CA.
        subject: String,
    },
    /// A critical extension is not supported (section 4.2).
    #[error(
        "a certificate of the path has a critical extension that is not supported: {extension} in {member}"
    )]
    CriticalExtension {
        /// Its name, if known, and its object identifier.
        extension: String,
        /// The certificate.
        member: PathMember,
    },
    /// Path validation exceeds its budget.
    #[error("the presented certificates make path building too costly ({limit})")]
    TooComplex {
        /// The exceeded limit.
        limit: &'static str,
    },
    /// A certificate of the path is malformed.
    #[error("a certificate of the path is malformed: {member}: {reason}")]
    Malformed {
        /// The certificate.
        member: PathMember,
        /// The cause.
        reason: String,
    },
}

impl ChainRefusal {
    /// Whether it is independent of the time, so that it remains the same while the client CAs are the same.
    #[must_use]
    pub const fn is_lasting(&self) -> bool {
        matches!(
            self,
            Self::SelfSigned { .. }
                | Self::NoAuthorities
                | Self::UnknownIssuer { .. }
                | Self::SkippedIntermediates { .. }
                | Self::Signature { .. }
                | Self::Version { .. }
        )
    }

    /// Ranks refusals: the closest to a valid path is reported.
    pub(super) const fn closeness(&self) -> u8 {
        match self {
            Self::Signature { .. } | Self::SignatureAlgorithm { .. } => 0,
            Self::TooComplex { .. } => 1,
            _ => 2,
        }
    }
}

/// A name for messages, of bounded length.
pub(super) fn shown(name: &DistinguishedName) -> String {
    clipped(name.to_rfc4514())
}

/// A text cut to at most 256 characters.
pub(super) fn clipped(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(256) {
        text.truncate(end);
        text.push('\u{2026}');
    }
    text
}

const fn lacking(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Client => "does not include clientAuth",
        Purpose::ClientOrServer => "includes neither clientAuth nor serverAuth",
        Purpose::Any => "is empty",
    }
}

fn outside_validity_text(client_ca: Option<&str>, reason: &UnusableCa) -> String {
    match client_ca {
        Some(subject) => unusable_text(subject, reason),
        None => format!("an intermediate CA certificate {}", reason.to_string().trim_start_matches("it ")),
    }
}

fn unusable_text(subject: &str, reason: &UnusableCa) -> String {
    match reason {
        UnusableCa::MalformedConstraints => {
            format!("CA {subject:?} has malformed name constraints, which cannot be evaluated")
        }
        reason => format!("the CA {subject:?} may not issue: {reason}"),
    }
}
