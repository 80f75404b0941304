//! A certificate revocation list (RFC 5280 section 5), and whose it is.

use rustls_pki_types::SubjectPublicKeyInfoDer;
use webpki::{CertRevocationList, OwnedCertRevocationList, RawPublicKeyEntity};
use x509_parser::{
    asn1_rs::{FromDer, Oid, oid},
    num_bigint::BigUint,
    revocation_list::CertificateRevocationList,
};

use super::{CrlFacts, ca::Ca};
use crate::identity::{certificate::in_words, name::DistinguishedName, thumbprint::sha256};

const ISSUING_DISTRIBUTION_POINT: Oid<'static> = oid!(2.5.29.28);

/// Why a CRL cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CrlError {
    /// Not a CRL.
    #[error("not a CRL in DER: {reason}")]
    Malformed {
        /// What the parser says.
        reason: String,
    },
    /// A CRL of a kind that is not supported.
    #[error("{kind}; expected a full version 2 CRL of the CA's own, with nextUpdate")]
    Unsupported {
        /// Which kind.
        kind: CrlKind,
    },
    /// A CRL that is not its issuer's.
    #[error(
        "a CRL that bears the name of the client CA {issuer:?}, which has not signed it: a forged list, or one of another CA of that name"
    )]
    NotSigned {
        /// In RFC 4514 form.
        issuer: String,
    },
}

/// The kinds of CRL that say too little of a certificate, or too much.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CrlKind {
    /// RFC 5280 section 5.2.5, `indirectCRL`, or an entry with a `certificateIssuer`.
    #[error("an indirect CRL, which speaks of other CAs' certificates")]
    Indirect,
    /// RFC 5280 section 5.2.4.
    #[error("a delta CRL, which says only what changed since another list")]
    Delta,
    /// RFC 5280 section 5.2.5, `onlySomeReasons`.
    #[error("a CRL for some reasons of revocation only")]
    SomeReasons,
    /// RFC 5280 section 5.2.5: a scope that is not tied to the certificates by the name of a distribution point.
    #[error(
        "a CRL of a part of its CA's certificates, which no full name of a distribution point tells apart"
    )]
    Scope,
    /// Anything else that RFC 5280 asks for and the list lacks.
    #[error("a CRL that cannot be used ({0})")]
    Other(String),
}

impl From<webpki::Error> for CrlKind {
    fn from(error: webpki::Error) -> Self {
        match error {
            webpki::Error::UnsupportedIndirectCrl => Self::Indirect,
            webpki::Error::UnsupportedDeltaCrl => Self::Delta,
            webpki::Error::UnsupportedRevocationReasonsPartitioning => Self::SomeReasons,
            webpki::Error::UnsupportedCrlIssuingDistributionPoint => Self::Scope,
            other => Self::Other(spelled_out(&other)),
        }
    }
}

/// A CRL that is loaded.
pub(crate) struct Crl {
    pub(crate) list: CertRevocationList<'static>,
    pub(crate) this_update: i64,
    pub(crate) next_update: i64,
    /// Whether it speaks of a part of its issuer's certificates only (RFC 5280 section 5.2.5).
    pub(crate) is_partial: bool,
    /// Of RFC 5280 section 5.2.3, big-endian without leading zeros.
    number: Vec<u8>,
    index: usize,
    hash: [u8; 32],
    issuer: String,
    /// The keys of the client CAs by which it is signed. Two CAs of one name each have a list of that name.
    signers: Vec<[u8; 32]>,
}

impl Crl {
    pub(crate) fn from_der(index: usize, der: &[u8], cas: &[Ca]) -> Result<Self, CrlError> {
        let malformed = |reason: String| CrlError::Malformed { reason };
        let (rest, parsed) =
            CertificateRevocationList::from_der(der).map_err(|error| malformed(in_words(&error.into())))?;
        if !rest.is_empty() {
            return Err(malformed(format!("{} octets follow its end", rest.len())));
        }
        let list = OwnedCertRevocationList::from_der(der)
            .map_err(|error| CrlError::Unsupported { kind: error.into() })?;
        let list = CertRevocationList::from(list);
        let issued_by = |ca: &&Ca| ca.subject_content() == list.issuer() && is_signed(&parsed, &ca.spki);
        let signers: Vec<_> = cas.iter().filter(issued_by).map(|ca| ca.spki_hash).collect();
        let issuer = DistinguishedName::from_der(parsed.issuer().as_raw())
            .map_err(|error| malformed(error.to_string()))?
            .to_rfc4514();
        if signers.is_empty() && cas.iter().any(|ca| ca.subject_content() == list.issuer()) {
            return Err(CrlError::NotSigned { issuer });
        }
        let is_partial = parsed.extensions().iter().any(|ext| ext.oid == ISSUING_DISTRIBUTION_POINT);
        Ok(Self {
            index,
            hash: sha256(der),
            signers,
            this_update: parsed.last_update().timestamp(),
            next_update: parsed.next_update().map_or(i64::MAX, |time| time.timestamp()),
            number: parsed.crl_number().map(BigUint::to_bytes_be).unwrap_or_default(),
            is_partial,
            issuer,
            list,
        })
    }

    /// What newer lists of an issuer have more of: time of issue, then number; of two that are alike, the one given first.
    pub(crate) fn recency(&self) -> impl Ord + use<> {
        (self.this_update, self.number.len(), self.number.clone(), std::cmp::Reverse(self.index))
    }

    /// Whether it may speak of what a CA with this name and key has issued.
    ///
    /// A list that no client CA has signed is an intermediate's or a forgery: webpki finds out.
    pub(crate) fn concerns(&self, issuer: &Ca) -> bool {
        self.list.issuer() == issuer.subject_content()
            && (self.signers.is_empty() || self.signers.contains(&issuer.spki_hash))
    }

    pub(crate) fn facts(&self) -> CrlFacts {
        CrlFacts {
            index: self.index,
            hash: self.hash,
            issuer: self.issuer.clone(),
            this_update: self.this_update,
            next_update: self.next_update,
            signer: self.signers.first().copied(),
        }
    }
}

/// Whether a key has signed the list, by any algorithm; webpki looks at the algorithm before it relies on the list.
fn is_signed(crl: &CertificateRevocationList<'_>, spki: &[u8]) -> bool {
    let spki = SubjectPublicKeyInfoDer::from(spki);
    let Ok(key) = RawPublicKeyEntity::try_from(&spki) else { return false };
    let (list, signature) = (crl.tbs_cert_list.as_ref(), &crl.signature_value.data);
    webpki::ALL_VERIFICATION_ALGS.iter().any(|alg| key.verify_signature(*alg, list, signature).is_ok())
}

/// The name of webpki's error as words: its own text is that name.
pub(super) fn spelled_out(error: &webpki::Error) -> String {
    let name = format!("{error:?}");
    let name = name.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    name.chars().fold(String::new(), |mut words, c| {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
        words
    })
}
