//! A CA certificate as facts: whether it may issue, and what it constrains (RFC 5280 sections 4.2.1 and 6.1.4).

use std::fmt;

use x509_parser::{
    asn1_rs::{Any, Class, FromDer, Tag},
    certificate::X509Certificate,
    error::X509Error,
    oid_registry::OID_X509_EXT_NAME_CONSTRAINTS,
};

use crate::identity::{
    certificate::{IdentityError, Validity, in_words, parse, validity},
    name::DistinguishedName,
    thumbprint::sha256,
};

/// What path validation asks of an anchor or an intermediate.
#[derive(Clone, Debug)]
pub(crate) struct Ca {
    pub(crate) subject: DistinguishedName,
    /// With its outer SEQUENCE.
    pub(crate) subject_der: Vec<u8>,
    /// With its outer SEQUENCE.
    pub(crate) spki: Vec<u8>,
    pub(crate) spki_hash: [u8; 32],
    pub(crate) validity: Validity,
    pub(crate) self_issued: bool,
    pub(crate) path_length: Option<u32>,
    /// Name constraints of kinds that nobody here judges.
    pub(crate) unjudged_constraints: Vec<ConstraintKind>,
    version: u32,
    /// basicConstraints cA.
    issues: bool,
    /// keyCertSign; none where there is no keyUsage, which then allows everything.
    signs_certificates: Option<bool>,
    /// cRLSign, likewise.
    signs_crls: Option<bool>,
}

/// Why a CA may not issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitCa {
    /// X.509 version 1 or 2 has no basicConstraints to say that it is a CA.
    #[error("it is an X.509 version {version} certificate, which cannot say that it is a CA")]
    Version {
        /// 1 or 2.
        version: u32,
    },
    /// basicConstraints is missing or has cA false (RFC 5280 section 4.2.1.9).
    #[error("it is not a CA certificate (basicConstraints cA is not set)")]
    NotCa,
    /// keyUsage without keyCertSign (section 4.2.1.3).
    #[error("its keyUsage does not include keyCertSign")]
    NoKeyCertSign,
    /// Past its notAfter.
    #[error("it expired on {}", super::super::rfc3339(*not_after))]
    Expired {
        /// Its last second.
        not_after: i64,
    },
    /// Before its notBefore.
    #[error("it is not valid before {}", super::super::rfc3339(*not_before))]
    NotYetValid {
        /// Its first second.
        not_before: i64,
    },
    /// It has a name constraint of a kind that is not judged here (section 4.2.1.10).
    #[error("it has a {kind} name constraint, which this edge does not judge")]
    UnjudgedConstraint {
        /// The kind.
        kind: ConstraintKind,
    },
}

/// The kinds of name constraints that webpki does not judge, so that a chain under them is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConstraintKind {
    /// otherName.
    OtherName,
    /// rfc822Name.
    Rfc822Name,
    /// x400Address.
    X400Address,
    /// directoryName, which applies to every certificate that has a subject.
    DirectoryName,
    /// ediPartyName.
    EdiPartyName,
    /// uniformResourceIdentifier.
    Uri,
    /// registeredID.
    RegisteredId,
    /// An extension that cannot be read.
    Malformed,
}

impl fmt::Display for ConstraintKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherName => "otherName",
            Self::Rfc822Name => "rfc822Name",
            Self::X400Address => "x400Address",
            Self::DirectoryName => "directoryName",
            Self::EdiPartyName => "ediPartyName",
            Self::Uri => "uniformResourceIdentifier",
            Self::RegisteredId => "registeredID",
            Self::Malformed => "malformed",
        })
    }
}

impl Ca {
    pub(crate) fn from_der(der: &[u8]) -> Result<Self, IdentityError> {
        let certificate = parse(der)?;
        let name = |field, name: &[u8]| {
            DistinguishedName::from_der(name).map_err(|source| IdentityError::Name { field, source })
        };
        let twice = |error: X509Error| IdentityError::Malformed { reason: in_words(&error) };
        let subject = name("subject", certificate.subject().as_raw())?;
        let constraints = certificate.basic_constraints().map_err(twice)?.map(|extension| extension.value);
        let usage = certificate.key_usage().map_err(twice)?.map(|extension| extension.value);
        let spki = certificate.public_key().raw;
        Ok(Self {
            self_issued: subject == name("issuer", certificate.issuer().as_raw())?,
            subject,
            subject_der: certificate.subject().as_raw().to_vec(),
            spki: spki.to_vec(),
            spki_hash: sha256(spki),
            validity: validity(&certificate),
            path_length: constraints.and_then(|constraints| constraints.path_len_constraint),
            unjudged_constraints: unjudged_constraints(&certificate),
            version: certificate.version().0.saturating_add(1),
            issues: constraints.is_some_and(|constraints| constraints.ca),
            signs_certificates: usage.map(x509_parser::extensions::KeyUsage::key_cert_sign),
            signs_crls: usage.map(x509_parser::extensions::KeyUsage::crl_sign),
        })
    }

    /// Why it may not issue anything as of `now`.
    pub(crate) fn unfit(&self, now: i64) -> Option<UnfitCa> {
        let Validity { not_before, not_after } = self.validity;
        if self.version < 3 {
            Some(UnfitCa::Version { version: self.version })
        } else if !self.issues {
            Some(UnfitCa::NotCa)
        } else if self.signs_certificates == Some(false) {
            Some(UnfitCa::NoKeyCertSign)
        } else if now > not_after {
            Some(UnfitCa::Expired { not_after })
        } else if now < not_before {
            Some(UnfitCa::NotYetValid { not_before })
        } else {
            self.unjudged_constraints.first().map(|kind| UnfitCa::UnjudgedConstraint { kind: *kind })
        }
    }

    /// Whether its keyUsage allows it to sign CRLs.
    pub(crate) fn may_sign_crls(&self) -> bool {
        self.signs_crls != Some(false)
    }

    /// The subject without its outer SEQUENCE, as webpki has it.
    pub(crate) fn subject_content(&self) -> &[u8] {
        Any::from_der(&self.subject_der).map_or(&[], |(_, any)| any.data)
    }
}

fn unjudged_constraints(certificate: &X509Certificate<'_>) -> Vec<ConstraintKind> {
    let extensions = certificate.iter_extensions().filter(|e| e.oid == OID_X509_EXT_NAME_CONSTRAINTS);
    let kinds = |value| constraint_kinds(value).unwrap_or_else(|| vec![ConstraintKind::Malformed]);
    let mut unjudged: Vec<_> = extensions.flat_map(|extension| kinds(extension.value)).collect();
    unjudged.dedup();
    unjudged
}

/// The unjudged kinds of a `NameConstraints`; none where it cannot be read to its end.
fn constraint_kinds(value: &[u8]) -> Option<Vec<ConstraintKind>> {
    let mut kinds = Vec::new();
    for (class, tag, subtrees) in elements(content(value, Tag::Sequence)?)? {
        if class != Class::ContextSpecific || tag > 1 {
            return None;
        }
        for (class, tag, subtree) in elements(subtrees)? {
            if class != Class::Universal || tag != Tag::Sequence.0 {
                return None;
            }
            // What follows the base, minimum and maximum, is refused by webpki.
            let (class, tag, _) = *elements(subtree)?.first()?;
            kinds.extend(match (class, tag) {
                (Class::ContextSpecific, 2 | 7) => None,
                (Class::ContextSpecific, 0) => Some(ConstraintKind::OtherName),
                (Class::ContextSpecific, 1) => Some(ConstraintKind::Rfc822Name),
                (Class::ContextSpecific, 3) => Some(ConstraintKind::X400Address),
                (Class::ContextSpecific, 4) => Some(ConstraintKind::DirectoryName),
                (Class::ContextSpecific, 5) => Some(ConstraintKind::EdiPartyName),
                (Class::ContextSpecific, 6) => Some(ConstraintKind::Uri),
                (Class::ContextSpecific, 8) => Some(ConstraintKind::RegisteredId),
                _ => Some(ConstraintKind::Malformed),
            });
        }
    }
    Some(kinds)
}

/// What the one element of a type holds.
fn content(der: &[u8], tag: Tag) -> Option<&[u8]> {
    let (rest, any) = Any::from_der(der).ok()?;
    (rest.is_empty() && any.header.is_universal() && any.header.tag() == tag).then_some(any.data)
}

/// Class, tag and content of each element.
fn elements(mut der: &[u8]) -> Option<Vec<(Class, u32, &[u8])>> {
    let mut elements = Vec::new();
    while !der.is_empty() {
        let (rest, any) = Any::from_der(der).ok()?;
        elements.push((any.header.class(), any.header.tag().0, any.data));
        der = rest;
    }
    Some(elements)
}
