//! A certificate revocation list (RFC 5280 section 5), and whose it is.

use rustls_pki_types::SubjectPublicKeyInfoDer;
use webpki::{CertRevocationList, OwnedCertRevocationList, RawPublicKeyEntity};
use x509_parser::{asn1_rs::FromDer, revocation_list::CertificateRevocationList};

use super::{CrlFacts, ca::Ca};
use crate::identity::{name::DistinguishedName, thumbprint::sha256};

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
    #[error(
        "a CRL that cannot be used ({reason}); expected a full version 2 CRL with nextUpdate and a CRL number"
    )]
    Unsupported {
        /// What webpki says.
        reason: String,
    },
}

/// A CRL that is loaded.
pub(crate) struct Crl {
    pub(crate) list: CertRevocationList<'static>,
    pub(crate) this_update: i64,
    pub(crate) next_update: i64,
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
            CertificateRevocationList::from_der(der).map_err(|error| malformed(error.to_string()))?;
        if !rest.is_empty() {
            return Err(malformed(format!("{} octets follow its end", rest.len())));
        }
        let list = OwnedCertRevocationList::from_der(der)
            .map_err(|error| CrlError::Unsupported { reason: error.to_string() })?;
        let list = CertRevocationList::from(list);
        let issued_by = |ca: &&Ca| ca.subject_content() == list.issuer() && is_signed(&parsed, &ca.spki);
        let signers = cas.iter().filter(issued_by).map(|ca| ca.spki_hash).collect();
        let issuer = DistinguishedName::from_der(parsed.issuer().as_raw());
        Ok(Self {
            index,
            hash: sha256(der),
            signers,
            this_update: parsed.last_update().timestamp(),
            next_update: parsed.next_update().map_or(i64::MAX, |time| time.timestamp()),
            issuer: issuer.map_err(|error| malformed(error.to_string()))?.to_rfc4514(),
            list,
        })
    }

    /// Whether it may speak of what a CA with this name and key has issued.
    ///
    /// A list that no client CA has signed may be an intermediate's or a forgery: webpki finds out.
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
