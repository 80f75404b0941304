//! Certificate revocation lists (RFC 5280 section 5) and their signers.

use std::{sync::OnceLock, time::Duration};

use webpki::BorrowedCertRevocationList;
use x509_parser::{
    asn1_rs::{FromDer, Oid, oid},
    num_bigint::BigUint,
    revocation_list::CertificateRevocationList,
    x509::X509Version,
};

use super::{CrlFacts, ca::Ca, scope::Scope, serials::Serials};
use crate::{
    clock::Timestamp,
    identity::{
        certificate::parser_message,
        name::DistinguishedName,
        thumbprint::sha256,
        x509::{SignatureFault, Signed, algorithm_name, is_accepted},
    },
};

const ISSUING_DISTRIBUTION_POINT: Oid<'static> = oid!(2.5.29.28);

/// The tolerated clock skew. A CRL whose thisUpdate is further ahead is not used yet.
pub(crate) const CLOCK_SKEW: Duration = Duration::from_secs(300);

/// Why a CRL cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CrlError {
    /// It cannot be parsed.
    #[error("not a CRL in DER: {reason}")]
    Malformed {
        /// The parser's error.
        reason: String,
    },
    /// It is of an unsupported kind.
    #[error("{kind}; expected a full version 2 CRL of the CA's own, with nextUpdate")]
    Unsupported {
        /// The kind.
        kind: CrlKind,
    },
    /// It has the name of a client CA, and none of that name has signed it.
    #[error(
        "a CRL with the name of the client CA {issuer:?}, but not signed by it: forged, or issued by another CA of that name"
    )]
    NotSigned {
        /// The issuer in RFC 4514 form.
        issuer: String,
    },
    /// It has the name of a client CA, and a signature by an algorithm that is not accepted.
    #[error(
        "the CRL of the client CA {issuer:?} is signed with {algorithm}, which is not accepted; expected a signature with SHA-256 or better"
    )]
    Algorithm {
        /// The issuer in RFC 4514 form.
        issuer: String,
        /// The algorithm's name and object identifier.
        algorithm: String,
    },
}

/// The unsupported kinds of CRL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CrlKind {
    /// RFC 5280 section 5.2.5, `indirectCRL`, or an entry with a `certificateIssuer`.
    #[error("an indirect CRL, which covers certificates of other CAs")]
    Indirect,
    /// RFC 5280 section 5.2.4.
    #[error("a delta CRL, which lists only the changes since another CRL")]
    Delta,
    /// RFC 5280 section 5.2.5, `onlySomeReasons`.
    #[error("a CRL for some revocation reasons only")]
    SomeReasons,
    /// RFC 5280 section 5.2.5: its scope cannot be compared with the distribution points in certificates.
    #[error("a partitioned CRL without the full name of its distribution point")]
    Scope,
    /// Section 5.1.2.1: version 1 has no extensions, and thus neither number nor scope.
    #[error("a CRL of version 1")]
    Version1,
    /// Section 5.1.2.5 requires nextUpdate.
    #[error("a CRL without nextUpdate")]
    NoNextUpdate,
    /// Section 5.2 requires at least the CRL number.
    #[error("a CRL without extensions, which has no CRL number")]
    NoExtensions,
    /// Another violation of RFC 5280.
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
            webpki::Error::BadDer | webpki::Error::BadDerTime | webpki::Error::MalformedExtensions => {
                Self::Other("its structure is broken".to_owned())
            }
            other => Self::Other(variant_words(&other)),
        }
    }
}

/// A parsed CRL.
pub(crate) struct Crl {
    pub(crate) issuer: DistinguishedName,
    pub(crate) this_update: Timestamp,
    pub(crate) next_update: Timestamp,
    /// The part of its issuer's certificates that it covers (RFC 5280 section 5.2.5); `None` for all.
    pub(crate) scope: Option<Scope>,
    revoked: Serials,
    /// The CRL number (RFC 5280 section 5.2.3), big-endian without leading zeros.
    number: Vec<u8>,
    index: usize,
    hash: [u8; 32],
    signers: Signers,
}

/// Which keys have signed a CRL.
enum Signers {
    /// The SPKI hashes of the client CAs that have signed it. Client CAs with the same name have separate CRLs.
    Known(Vec<[u8; 32]>),
    /// No client CA has its issuer's name. An intermediate may, which a client presents.
    Unknown {
        /// The whole CRL, to verify its signature.
        der: Box<[u8]>,
        /// The SPKI hash of the key that has signed it, once known.
        signer: OnceLock<[u8; 32]>,
    },
    /// The signature algorithm is not accepted.
    UnacceptedAlgorithm {
        /// The algorithm's name.
        algorithm: String,
    },
}

/// Whether a CA has signed a CRL.
pub(crate) enum Signer<'a> {
    /// The signature is valid.
    Yes,
    /// The signature is not by this CA's key.
    No,
    /// The algorithm is not accepted.
    Algorithm(&'a str),
}

impl Crl {
    /// Parses a CRL. `namesakes` returns the client CAs with its issuer's name.
    pub(crate) fn from_der<'a>(
        index: usize,
        der: &[u8],
        namesakes: impl Fn(&DistinguishedName) -> Vec<&'a Ca>,
    ) -> Result<Self, CrlError> {
        let malformed = |reason: String| CrlError::Malformed { reason };
        let (rest, parsed) = CertificateRevocationList::from_der(der)
            .map_err(|error| malformed(parser_message(&error.into())))?;
        if !rest.is_empty() {
            return Err(malformed(format!("{} bytes follow its end", rest.len())));
        }
        if let Some(kind) = violation(&parsed) {
            return Err(CrlError::Unsupported { kind });
        }
        let unsupported = |error: webpki::Error| CrlError::Unsupported { kind: error.into() };
        let list = BorrowedCertRevocationList::from_der(der).map_err(unsupported)?;
        let revoked = Serials::of(&list).map_err(unsupported)?;
        let (_, signed) =
            Signed::parse(der).ok_or_else(|| malformed("its signature is not strict DER".to_owned()))?;
        let issuer = DistinguishedName::from_der(parsed.issuer().as_raw())
            .map_err(|error| malformed(error.to_string()))?;
        let scope = parsed.extensions().iter().find(|extension| extension.oid == ISSUING_DISTRIBUTION_POINT);
        let scope = match scope.map(|extension| Scope::from_der(extension.value)) {
            None => None,
            Some(Some(scope)) => Some(scope),
            Some(None) => return Err(CrlError::Unsupported { kind: CrlKind::Scope }),
        };
        Ok(Self {
            signers: Signers::of(der, &signed, &issuer, &namesakes(&issuer))?,
            index,
            hash: sha256(der),
            this_update: Timestamp::from_unix(parsed.last_update().timestamp()),
            next_update: parsed
                .next_update()
                .map_or(Timestamp::MAX, |time| Timestamp::from_unix(time.timestamp())),
            number: parsed.crl_number().map(BigUint::to_bytes_be).unwrap_or_default(),
            scope,
            revoked,
            issuer,
        })
    }

    /// Orders the CRLs of an issuer from old to new: by thisUpdate, then by number; of equal ones the first configured is newest.
    pub(crate) fn recency(&self) -> impl Ord + use<> {
        (self.this_update, self.number.len(), self.number.clone(), std::cmp::Reverse(self.index))
    }

    /// Whether this CA, which has the issuer's name, has signed it.
    pub(crate) fn signer(&self, ca: &Ca) -> Signer<'_> {
        let has_signed = match &self.signers {
            Signers::Known(keys) => keys.contains(&ca.spki_hash),
            Signers::UnacceptedAlgorithm { algorithm } => return Signer::Algorithm(algorithm),
            Signers::Unknown { signer, .. } if signer.get().is_some() => signer.get() == Some(&ca.spki_hash),
            Signers::Unknown { der, signer } => {
                let is_signed = Signed::parse(der).is_some_and(|(_, signed)| signed.verify(&ca.spki).is_ok());
                if is_signed {
                    // Another thread can only have set the same key.
                    let _ = signer.set(ca.spki_hash);
                }
                is_signed
            }
        };
        if has_signed { Signer::Yes } else { Signer::No }
    }

    /// Whether [`Crl::signer`] would verify a signature.
    pub(crate) fn needs_check(&self) -> bool {
        matches!(&self.signers, Signers::Unknown { signer, .. } if signer.get().is_none())
    }

    /// Whether another client CA with this CA's name has signed it.
    pub(crate) fn is_signed_by_namesake(&self, ca: &Ca) -> bool {
        matches!(&self.signers, Signers::Known(keys) if !keys.contains(&ca.spki_hash))
    }

    /// Whether it revokes this serial number (the content of the INTEGER).
    pub(crate) fn revokes(&self, serial: &[u8]) -> bool {
        self.revoked.contains(serial)
    }

    /// Whether its thisUpdate is later than `now` by more than [`CLOCK_SKEW`].
    pub(crate) fn is_future_dated(&self, now: Timestamp) -> bool {
        self.this_update > now + CLOCK_SKEW
    }

    pub(crate) fn facts(&self) -> CrlFacts {
        let (signer, unaccepted_algorithm) = match &self.signers {
            Signers::Known(keys) => (keys.first().copied(), None),
            Signers::Unknown { .. } => (None, None),
            Signers::UnacceptedAlgorithm { algorithm } => (None, Some(algorithm.clone())),
        };
        CrlFacts {
            index: self.index,
            hash: self.hash,
            issuer: self.issuer.to_rfc4514(),
            this_update: self.this_update,
            next_update: self.next_update,
            signer,
            unaccepted_algorithm,
        }
    }
}

impl Signers {
    fn of(
        der: &[u8],
        signed: &Signed<'_>,
        issuer: &DistinguishedName,
        namesakes: &[&Ca],
    ) -> Result<Self, CrlError> {
        if !is_accepted(signed.algorithm) {
            let algorithm = algorithm_name(signed.algorithm);
            return if namesakes.is_empty() {
                Ok(Self::UnacceptedAlgorithm { algorithm })
            } else {
                Err(CrlError::Algorithm { issuer: issuer.to_rfc4514(), algorithm })
            };
        }
        let mut keys: Vec<[u8; 32]> = Vec::new();
        let mut other_keys: Vec<[u8; 32]> = Vec::new();
        for ca in namesakes {
            if keys.contains(&ca.spki_hash) || other_keys.contains(&ca.spki_hash) {
                continue;
            }
            let is_signed: Result<(), SignatureFault> = signed.verify(&ca.spki);
            if is_signed.is_ok() { keys.push(ca.spki_hash) } else { other_keys.push(ca.spki_hash) }
        }
        match (keys.is_empty(), namesakes.is_empty()) {
            (false, _) => Ok(Self::Known(keys)),
            (true, false) => Err(CrlError::NotSigned { issuer: issuer.to_rfc4514() }),
            (true, true) => Ok(Self::Unknown { der: der.into(), signer: OnceLock::new() }),
        }
    }
}

/// Why the CRL violates RFC 5280 section 5.
fn violation(list: &CertificateRevocationList<'_>) -> Option<CrlKind> {
    if list.version().is_none_or(|version| version == X509Version::V1) {
        Some(CrlKind::Version1)
    } else if list.next_update().is_none() {
        Some(CrlKind::NoNextUpdate)
    } else {
        list.extensions().is_empty().then_some(CrlKind::NoExtensions)
    }
}

/// The variant name of webpki's error as words, since its `Display` is the variant name.
fn variant_words(error: &webpki::Error) -> String {
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
