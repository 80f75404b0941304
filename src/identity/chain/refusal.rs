//! Why no path to a client CA is valid, in words.

use std::fmt;

use crate::{
    clock::Timestamp,
    identity::{
        authorities::{Purpose, ca::UnusableCa},
        name::DistinguishedName,
    },
};

/// Whose certificate it is that a refusal speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathMember {
    /// The client's.
    Client,
    /// A CA's, by its subject.
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
    /// The same, and presented certificates were not looked at.
    #[error(
        "no client CA is found for the issuer {issuer:?}; of the presented intermediates {count} were left out: {reason}"
    )]
    SkippedIntermediates {
        /// The issuer that the leaf names.
        issuer: String,
        /// How many.
        count: usize,
        /// Why.
        reason: &'static str,
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
    #[error("a signature on the path uses an algorithm that is not accepted: {algorithm} in {member}")]
    SignatureAlgorithm {
        /// The algorithm.
        algorithm: String,
        /// Where.
        member: PathMember,
    },
    /// A version that path validation does not take.
    #[error(
        "X.509 version {version} certificate: only version 3 certificates can be verified by a client CA"
    )]
    Version {
        /// 1 or 2.
        version: u32,
    },
    /// A configured client CA authenticates as a client.
    #[error("{subject:?} is itself a configured client CA and cannot be a client certificate")]
    ClientCaAsClient {
        /// The certificate's subject.
        subject: String,
    },
    /// A CA certificate as leaf (RFC 5280 section 4.2.1.9).
    #[error("a CA certificate (basicConstraints cA) is used as a client certificate")]
    CaAsClient,
    /// The leaf is past its notAfter.
    #[error("the certificate expired on {not_after}")]
    Expired {
        /// Its last second.
        not_after: Timestamp,
    },
    /// The leaf is before its notBefore.
    #[error("the certificate is not valid before {not_before}")]
    NotYetValid {
        /// Its first second.
        not_before: Timestamp,
    },
    /// An intermediate is past its notAfter.
    #[error("an intermediate CA certificate expired on {not_after}")]
    IntermediateExpired {
        /// Its last second.
        not_after: Timestamp,
    },
    /// An intermediate is before its notBefore.
    #[error("an intermediate CA certificate is not valid before {not_before}")]
    IntermediateNotYetValid {
        /// Its first second.
        not_before: Timestamp,
    },
    /// A CA on the path may not issue.
    #[error("{}", unusable_text(subject, reason))]
    UnusableCa {
        /// The CA.
        subject: String,
        /// Why.
        reason: UnusableCa,
    },
    /// An intermediate without basicConstraints cA.
    #[error("an issuer on the path is not a CA (basicConstraints cA is not set): {subject:?}")]
    IssuerNotCa {
        /// Its subject.
        subject: String,
    },
    /// More CAs below one than it allows (RFC 5280 section 4.2.1.9).
    #[error("the path is longer than the pathLenConstraint of {subject} allows")]
    PathLength {
        /// The CA.
        subject: String,
    },
    /// extendedKeyUsage without a purpose that the client CA is trusted for (section 4.2.1.12).
    #[error("extendedKeyUsage is present and {} (in {member})", lacking(*purpose))]
    NotForClientAuth {
        /// What the client CA is trusted for.
        purpose: Purpose,
        /// Whose certificate has it.
        member: PathMember,
    },
    /// keyUsage of the leaf without digitalSignature (section 4.2.1.3).
    #[error("the certificate's keyUsage includes neither digitalSignature nor keyAgreement")]
    LeafKeyUsage,
    /// A name outside a constraint (section 4.2.1.10).
    #[error(
        "a name of the certificate is outside the name constraints of its CAs: {name} of {member}, by the nameConstraints of {ca:?}"
    )]
    NameConstraint {
        /// The kind, and the name as far as it is shown.
        name: String,
        /// Whose name it is.
        member: PathMember,
        /// Whose constraints.
        ca: String,
    },
    /// A name that a constraint speaks of and that nobody here can hold against it.
    #[error("{name} of {member} cannot be judged by the nameConstraints of {ca:?}, so it is refused")]
    UnjudgedName {
        /// The kind, and the name as far as it is shown.
        name: String,
        /// Whose name it is.
        member: PathMember,
        /// Whose constraints.
        ca: String,
    },
    /// No policy is valid for the path although one has to be (section 6.1.5).
    #[error(
        "no certificate policy is valid for the path, and one is required by policyConstraints (2.5.29.36) of {by}; {lost}"
    )]
    PolicyRequired {
        /// Who requires it.
        by: PathMember,
        /// Where the last valid policy was lost.
        lost: String,
    },
    /// It, or a CA on the path, is revoked.
    #[error("the certificate or a CA on its path is revoked")]
    Revoked,
    /// A CRL past its nextUpdate, under [`super::super::StaleCrl::Refuse`].
    #[error("a CRL of the path is stale: its nextUpdate was {next_update}")]
    StaleCrl {
        /// From when on.
        next_update: Timestamp,
    },
    /// Its CA has CRLs for parts of its certificates, none of which is loaded for this one.
    #[error("the CRLs of a CA on the path cover only a part of its certificates, not this one")]
    NoCoveringCrl,
    /// A CRL that its issuer did not sign.
    #[error("a CRL has the name of a CA on the path but was not signed by it")]
    CrlSignature,
    /// A CRL whose signature cannot count.
    #[error("the CRL of {issuer:?} is signed by {algorithm}, which is not accepted")]
    CrlAlgorithm {
        /// The CA.
        issuer: String,
        /// The algorithm.
        algorithm: String,
    },
    /// A CRL whose issuer's keyUsage lacks cRLSign.
    #[error("the issuer of a CRL may not sign CRLs (keyUsage without cRLSign): {subject:?}")]
    CrlIssuerNotSigner {
        /// The CA.
        subject: String,
    },
    /// noRevAvail in a CA's certificate (RFC 9608 section 3).
    #[error(
        "the extension noRevAvail (2.5.29.56) is in the certificate of CA {subject:?}, where it must not be"
    )]
    NoRevocationForCa {
        /// The CA.
        subject: String,
    },
    /// A critical extension that nobody here understands.
    #[error(
        "a certificate of the path has a critical extension that is not supported: {extension} in {member}"
    )]
    CriticalExtension {
        /// Its name where it has one, and its object identifier.
        extension: String,
        /// Where.
        member: PathMember,
    },
    /// Path validation would take too much work.
    #[error("the presented certificates make path building too costly ({limit})")]
    TooComplex {
        /// Which limit.
        limit: &'static str,
    },
    /// Something that cannot be read.
    #[error("a certificate of the path cannot be read: {member}: {reason}")]
    Malformed {
        /// Where.
        member: PathMember,
        /// What is wrong.
        reason: String,
    },
}

impl ChainRefusal {
    /// Whether time changes nothing about it while the client CAs are the same.
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

    /// How near to a valid path it is: the nearest of several is the one to report.
    pub(super) const fn closeness(&self) -> u8 {
        match self {
            Self::Signature { .. } | Self::SignatureAlgorithm { .. } => 0,
            Self::TooComplex { .. } => 1,
            _ => 2,
        }
    }
}

/// A name for the log, of a length that no stranger chooses.
pub(super) fn shown(name: &DistinguishedName) -> String {
    clipped(name.to_rfc4514())
}

/// At most 256 characters.
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

fn unusable_text(subject: &str, reason: &UnusableCa) -> String {
    match reason {
        UnusableCa::MalformedConstraints => {
            format!("malformed name constraints in CA {subject:?}: cannot be judged, so refused")
        }
        reason => format!("the CA {subject:?} may not issue: {reason}"),
    }
}
