//! The client CAs that are trusted, and their revocation lists.

pub(super) mod ca;
pub(super) mod crl;

use std::fmt;

use rustls_pki_types::{CertificateDer, TrustAnchor};

use super::{
    certificate::{IdentityError, Validity},
    thumbprint::Thumbprint,
};
use ca::{Ca, UnfitCa};
use crl::{Crl, CrlError};

/// What becomes of certificates whose CA's revocation list is past its nextUpdate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StaleCrl {
    /// They are refused: a list that nobody renews must not pass for one that revokes nobody.
    #[default]
    Refuse,
    /// They are judged by the old list.
    Report,
}

/// Which certificates of a path the CRLs are asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CrlDepth {
    /// The client's and every CA's but the client CA's own.
    #[default]
    Chain,
    /// The client's alone: the lists of its issuer.
    Leaf,
}

/// How certificates are judged by CRLs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RevocationPolicy {
    /// Under an old list.
    pub stale: StaleCrl,
    /// How far up.
    pub depth: CrlDepth,
}

/// The client CAs that are trusted, and their CRLs.
pub struct Authorities {
    /// What webpki builds paths to; as many as `cas`, in the same order.
    anchors: Vec<TrustAnchor<'static>>,
    cas: Vec<Ca>,
    /// Of the certificates; as many as `cas`, in the same order.
    thumbprints: Vec<Thumbprint>,
    /// The newest first, since the first that fits is asked.
    crls: Vec<Crl>,
    policy: RevocationPolicy,
}

/// Why client CAs cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// A CA certificate that cannot be read.
    #[error("client CA certificate {}: {source}", index + 1)]
    Ca {
        /// Which one, from 0.
        index: usize,
        /// What is wrong.
        source: IdentityError,
    },
    /// A CA certificate that path building cannot start from.
    #[error("client CA certificate {} cannot anchor a chain: {reason}", index + 1)]
    Anchor {
        /// Which one, from 0.
        index: usize,
        /// What webpki says.
        reason: String,
    },
    /// A CRL that cannot be used.
    #[error("CRL {}: {source}", index + 1)]
    Crl {
        /// Which one, from 0.
        index: usize,
        /// What is wrong.
        source: CrlError,
    },
}

/// A CA that is loaded but lets no chain verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorityWarning {
    /// Which CA, from 0.
    pub index: usize,
    /// Its subject, in RFC 4514 form.
    pub subject: String,
    /// Why.
    pub reason: UnfitCa,
}

impl fmt::Display for AuthorityWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client CA {:?} lets no chain verify: {}", self.subject, self.reason)
    }
}

/// A client CA, for whoever watches that it stays valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaFacts {
    /// Its subject, in RFC 4514 form.
    pub subject: String,
    /// Of its certificate: a CA that was renewed has another.
    pub thumbprint: Thumbprint,
    /// Of its certificate.
    pub validity: Validity,
}

/// A loaded CRL, for whoever watches that it stays fresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlFacts {
    /// Which one, from 0, in the order in which they were given.
    pub index: usize,
    /// SHA-256 of the list.
    pub hash: [u8; 32],
    /// Its issuer, in RFC 4514 form.
    pub issuer: String,
    /// When it was issued, in seconds since 1970.
    pub this_update: i64,
    /// From when on it is stale.
    pub next_update: i64,
    /// SHA-256 of the public key of the client CA that has signed it. An intermediate's list has none, nor has a forged one.
    pub signer: Option<[u8; 32]>,
}

impl Authorities {
    /// Reads the client CAs and the CRLs, each in DER.
    pub fn new(
        cas: Vec<CertificateDer<'static>>,
        crls: Vec<Vec<u8>>,
        policy: RevocationPolicy,
    ) -> Result<Self, AuthorityError> {
        let mut authorities = Self { policy, ..Self::empty() };
        for (index, der) in cas.into_iter().enumerate() {
            let ca = Ca::from_der(&der).map_err(|source| AuthorityError::Ca { index, source })?;
            let anchor = webpki::anchor_from_trusted_cert(&der)
                .map_err(|error| AuthorityError::Anchor { index, reason: crl::spelled_out(&error) })?;
            let mut anchor = anchor.to_owned();
            if !ca.unjudged_constraints.is_empty() {
                // Our own check refuses every path to this CA, and says why; webpki would only say that it does.
                anchor.name_constraints = None;
            }
            authorities.anchors.push(anchor);
            authorities.cas.push(ca);
            authorities.thumbprints.push(Thumbprint::of(&der));
        }
        for (index, der) in crls.into_iter().enumerate() {
            let crl = Crl::from_der(index, &der, &authorities.cas);
            authorities.crls.push(crl.map_err(|source| AuthorityError::Crl { index, source })?);
        }
        authorities.crls.sort_by_cached_key(|crl| std::cmp::Reverse(crl.recency()));
        Ok(authorities)
    }

    /// No client CA: no chain verifies.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            anchors: Vec::new(),
            cas: Vec::new(),
            thumbprints: Vec::new(),
            crls: Vec::new(),
            policy: RevocationPolicy { stale: StaleCrl::Refuse, depth: CrlDepth::Chain },
        }
    }

    /// Whether there is no client CA.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cas.is_empty()
    }

    /// The client CAs' subjects in DER, each with its outer SEQUENCE: the hints of a TLS CertificateRequest
    /// (RFC 8446 section 4.2.4).
    pub fn subjects(&self) -> impl Iterator<Item = &[u8]> {
        self.cas.iter().map(|ca| ca.subject_der.as_slice())
    }

    /// The CAs that let no chain verify as of `now`, in seconds since 1970.
    #[must_use]
    pub fn warnings(&self, now: i64) -> Vec<AuthorityWarning> {
        let warning = |(index, ca): (usize, &Ca)| {
            let reason = ca.unfit(now)?;
            Some(AuthorityWarning { index, subject: ca.subject.to_rfc4514(), reason })
        };
        self.cas.iter().enumerate().filter_map(warning).collect()
    }

    /// The client CAs, in the order in which they were given.
    pub fn client_cas(&self) -> impl Iterator<Item = CaFacts> {
        self.cas.iter().zip(&self.thumbprints).map(|(ca, thumbprint)| CaFacts {
            subject: ca.subject.to_rfc4514(),
            thumbprint: *thumbprint,
            validity: ca.validity,
        })
    }

    /// The loaded CRLs, the newest first.
    pub fn crls(&self) -> impl Iterator<Item = CrlFacts> {
        self.crls.iter().map(Crl::facts)
    }

    pub(super) fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }

    pub(super) fn cas(&self) -> &[Ca] {
        &self.cas
    }

    pub(super) fn revocation_lists(&self) -> &[Crl] {
        &self.crls
    }

    /// How certificates are judged by the CRLs.
    #[must_use]
    pub const fn policy(&self) -> RevocationPolicy {
        self.policy
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subjects: Vec<_> = self.cas.iter().map(|ca| &ca.subject).collect();
        f.debug_struct("Authorities")
            .field("cas", &subjects)
            .field("crls", &self.crls.len())
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
