//! CA certificates: whether they may issue, and their constraints (RFC 5280 sections 4.2.1 and 6.1.4).

use rustls_pki_types::CertificateDer;

use super::Purpose;
use crate::{
    clock::Timestamp,
    identity::{
        certificate::Validity,
        name::DistinguishedName,
        thumbprint::sha256,
        x509::{Extensions, Malformed, Outline, extensions::KeyUsage},
    },
};

/// The fields of a client CA or an intermediate that path validation needs.
#[derive(Clone, Debug)]
pub(crate) struct Ca {
    pub(crate) der: CertificateDer<'static>,
    pub(crate) subject: DistinguishedName,
    pub(crate) issuer: DistinguishedName,
    /// In DER, with the outer SEQUENCE.
    pub(crate) subject_der: Vec<u8>,
    pub(crate) serial: Vec<u8>,
    /// In DER, with the outer SEQUENCE.
    pub(crate) spki: Vec<u8>,
    pub(crate) spki_hash: [u8; 32],
    /// The subjectKeyIdentifier.
    pub(crate) key_identifier: Option<Vec<u8>>,
    pub(crate) validity: Validity,
    pub(crate) extensions: Extensions,
    /// Which extKeyUsage is accepted below it, as configured; the default for an intermediate.
    pub(crate) purpose: Purpose,
    version: u32,
}

/// Why a CA must not issue certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableCa {
    /// X.509 versions 1 and 2 have no basicConstraints.
    #[error("it is an X.509 version {version} certificate, which cannot be marked as a CA")]
    Version {
        /// The version, 1 or 2.
        version: u32,
    },
    /// basicConstraints is missing or has cA false (RFC 5280 section 4.2.1.9).
    #[error("it is not a CA certificate (basicConstraints cA is not set)")]
    NotCa,
    /// keyUsage lacks keyCertSign (section 4.2.1.3).
    #[error("its keyUsage does not include keyCertSign")]
    NoKeyCertSign,
    /// The CA certificate has expired.
    #[error("it expired on {not_after}")]
    Expired {
        /// The last second of its validity.
        not_after: Timestamp,
    },
    /// The CA certificate is not valid yet.
    #[error("it is not valid before {not_before}")]
    NotYetValid {
        /// The first second of its validity.
        not_before: Timestamp,
    },
    /// nameConstraints cannot be parsed (section 4.2.1.10).
    #[error("its nameConstraints are malformed")]
    MalformedConstraints,
    /// The key was used to issue fraudulent certificates.
    #[error("its key is known to be distrusted")]
    Distrusted,
}

impl UnusableCa {
    /// Whether the CA may issue at another time.
    pub(crate) const fn depends_on_time(self) -> bool {
        matches!(self, Self::Expired { .. } | Self::NotYetValid { .. })
    }
}

/// SHA-256 of the SubjectPublicKeyInfo of CAs that rustls-webpki distrusts: intermediates of eMudhra that issued fraudulent
/// certificates.
const DISTRUSTED: [&str; 8] = [
    "ebed6475c2c2d80fcb199f3fe8dd6e6b3ce60b77eb15d4e42c3dec0c6f5b5105",
    "49dd353dc2b919a3770645117d0e60c16115e7d1bc259eefe734b00ea434fe5f",
    "e0254c7fcdc265e2f0f8a428dabb75ab4ae039b4872d62f5ee57f0877d5a8a41",
    "5c0660a2b164910d8ff589c18e14552e9e0ec237dcefe2cb736d41a4811f81a0",
    "ec4ffa1ad0ac88081314b7aaffef6a91f97cd57291bb5ba686c5415f5eb4f6b6",
    "92c063d67e8f14db71d288e11266ffdaf69cbf115f7bab14f3bc2f68d25e0e30",
    "43bffa19d6ef651451f6841e019931e96f6f2eaeff28ab4b6f1ce4576de2717b",
    "63ecefee431d49523bc1136c4e72d0206a477086caf606cd5cf025686c109cf8",
];

impl Ca {
    pub(crate) fn from_der(der: &[u8]) -> Result<Self, Malformed> {
        Self::from_outline(der, &Outline::parse(der)?)
    }

    /// Parses the remaining fields of a certificate whose outline is parsed.
    pub(crate) fn from_outline(der: &[u8], outline: &Outline<'_>) -> Result<Self, Malformed> {
        let name = |field, name| DistinguishedName::from_der(name).map_err(|_| Malformed::Field(field));
        Ok(Self {
            der: CertificateDer::from(der.to_vec()),
            subject: name("subject", outline.subject)?,
            issuer: name("issuer", outline.issuer)?,
            subject_der: outline.subject.to_vec(),
            serial: outline.serial.to_vec(),
            spki: outline.spki.to_vec(),
            spki_hash: sha256(outline.spki),
            key_identifier: outline.key_identifiers().0.map(<[u8]>::to_vec),
            validity: outline.validity,
            extensions: outline.extensions()?,
            purpose: Purpose::default(),
            version: outline.version,
        })
    }

    /// Why it must not issue certificates at `now`; `None` if it may.
    pub(crate) fn unusable(&self, now: Timestamp) -> Option<UnusableCa> {
        let Validity { not_before, not_after } = self.validity;
        if self.version < 3 {
            Some(UnusableCa::Version { version: self.version })
        } else if !self.extensions.is_ca() {
            Some(UnusableCa::NotCa)
        } else if !self.extensions.allows(KeyUsage::KEY_CERT_SIGN) {
            Some(UnusableCa::NoKeyCertSign)
        } else if now > not_after {
            Some(UnusableCa::Expired { not_after })
        } else if now < not_before {
            Some(UnusableCa::NotYetValid { not_before })
        } else if matches!(self.extensions.name_constraints, Some(Err(_))) {
            Some(UnusableCa::MalformedConstraints)
        } else {
            self.is_distrusted().then_some(UnusableCa::Distrusted)
        }
    }

    fn is_distrusted(&self) -> bool {
        let is_key = |hex: &&'static str| {
            hex.as_bytes().chunks(2).zip(&self.spki_hash).all(|(pair, byte)| {
                std::str::from_utf8(pair).is_ok_and(|pair| u8::from_str_radix(pair, 16) == Ok(*byte))
            })
        };
        DISTRUSTED.iter().any(is_key)
    }

    /// Whether subject and issuer are equal (RFC 5280 section 3.2).
    pub(crate) fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    /// Whether keyUsage allows cRLSign.
    pub(crate) fn may_sign_crls(&self) -> bool {
        self.extensions.allows(KeyUsage::CRL_SIGN)
    }

    /// Whether the two are certificates of the same CA: name and key are equal.
    pub(crate) fn is_same_ca(&self, other: &Self) -> bool {
        self.spki_hash == other.spki_hash && self.subject == other.subject
    }
}
