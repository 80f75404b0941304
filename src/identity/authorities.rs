//! The client CAs that are trusted, and their revocation lists.

pub(super) mod ca;
pub(super) mod crl;
mod hierarchy;
mod scope;
mod serials;

use std::{collections::HashMap, fmt};

use rustls_pki_types::CertificateDer;

use super::{certificate::Validity, name::DistinguishedName, thumbprint::Thumbprint};
use ca::{Ca, UnusableCa};
pub(super) use crl::Signer;
use crl::{Crl, CrlError};

use crate::clock::Timestamp;

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

/// Which certificates a client CA may issue for clients, by their extKeyUsage (RFC 5280 section 4.2.1.12). A certificate
/// without that extension is for every purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// Those for clientAuth.
    #[default]
    Client,
    /// Those for clientAuth or serverAuth: public CAs stopped issuing for clientAuth in 2026.
    ClientOrServer,
    /// All.
    Any,
}

impl Purpose {
    /// Its name in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::ClientOrServer => "client-or-server",
            Self::Any => "any",
        }
    }
}

/// A client CA as an operator gives it.
#[derive(Clone, Debug)]
pub struct ClientCa {
    /// Its certificate.
    pub der: CertificateDer<'static>,
    /// What it may issue.
    pub purpose: Purpose,
}

impl From<CertificateDer<'static>> for ClientCa {
    fn from(der: CertificateDer<'static>) -> Self {
        Self { der, purpose: Purpose::default() }
    }
}

/// One state of the authorities: the same client CAs, CRLs and policy, in the same order, have the same version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthoritiesVersion([u8; 32]);

/// The client CAs that are trusted, and their CRLs.
pub struct Authorities {
    cas: Vec<Ca>,
    /// Of the certificates; as many as `cas`, in the same order.
    thumbprints: Vec<Thumbprint>,
    /// Which of `cas` bear a name.
    by_name: HashMap<DistinguishedName, Vec<usize>>,
    /// Which of `cas` have issued each; as many as `cas`.
    issuers: Vec<Vec<usize>>,
    /// By the name of their issuer, the newest first.
    crls: HashMap<DistinguishedName, Vec<Crl>>,
    policy: RevocationPolicy,
    version: AuthoritiesVersion,
}

/// Why client CAs cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// A CA certificate that cannot be read.
    #[error("client CA certificate {}: {reason}", index + 1)]
    Ca {
        /// Which one, from 0.
        index: usize,
        /// What is wrong.
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
    pub reason: UnusableCa,
}

impl fmt::Display for AuthorityWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client CA {:?} lets no chain verify: {}", self.subject, self.reason)
    }
}

/// A client CA, to monitor its expiry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaFacts {
    /// Its subject, in RFC 4514 form.
    pub subject: String,
    /// Of its certificate: a CA that was renewed has another.
    pub thumbprint: Thumbprint,
    /// Of its certificate.
    pub validity: Validity,
    /// What it may issue, by the operator's word.
    pub purpose: Purpose,
}

/// A loaded CRL, to monitor its age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlFacts {
    /// Which one, from 0, in the order in which they were given.
    pub index: usize,
    /// SHA-256 of the list.
    pub hash: [u8; 32],
    /// Its issuer, in RFC 4514 form.
    pub issuer: String,
    /// When it was issued, in seconds since 1970.
    pub this_update: Timestamp,
    /// From when on it is stale.
    pub next_update: Timestamp,
    /// SHA-256 of the public key of the client CA that has signed it. An intermediate's list has none, nor has a forged one.
    pub signer: Option<[u8; 32]>,
    /// The algorithm of its signature where that is not accepted: the list cannot count.
    pub unaccepted_algorithm: Option<String>,
}

impl CrlFacts {
    /// Whether it is dated ahead of `now`, in seconds since 1970, by more than clocks may be apart.
    #[must_use]
    pub fn is_future_dated(&self, now: Timestamp) -> bool {
        self.this_update > now + crl::CLOCK_SKEW
    }
}

impl Authorities {
    /// Reads the client CAs and the CRLs, each in DER.
    pub fn new(
        cas: Vec<impl Into<ClientCa>>,
        crls: Vec<Vec<u8>>,
        policy: RevocationPolicy,
    ) -> Result<Self, AuthorityError> {
        let mut authorities = Self { policy, ..Self::empty() };
        let mut content = format!("{policy:?}").into_bytes();
        for (index, ca) in cas.into_iter().enumerate() {
            let ClientCa { der, purpose } = ca.into();
            let mut ca = Ca::from_der(&der)
                .map_err(|malformed| AuthorityError::Ca { index, reason: malformed.to_string() })?;
            authorities.by_name.entry(ca.subject.clone()).or_default().push(index);
            ca.purpose = purpose;
            authorities.cas.push(ca);
            let thumbprint = Thumbprint::of(&der);
            content.extend_from_slice(&[b'a', purpose as u8]);
            content.extend_from_slice(thumbprint.as_bytes());
            authorities.thumbprints.push(thumbprint);
        }
        authorities.issuers = hierarchy::issuers(&authorities.cas, &authorities.by_name);
        for (index, der) in crls.into_iter().enumerate() {
            let crl = Crl::from_der(index, &der, |name| authorities.named(name).collect());
            let crl = crl.map_err(|source| AuthorityError::Crl { index, source })?;
            content.push(b'c');
            content.extend_from_slice(&crl.facts().hash);
            authorities.crls.entry(crl.issuer.clone()).or_default().push(crl);
        }
        authorities.version = AuthoritiesVersion(*Thumbprint::of(&content).as_bytes());
        for lists in authorities.crls.values_mut() {
            lists.sort_by_cached_key(|crl| std::cmp::Reverse(crl.recency()));
        }
        Ok(authorities)
    }

    /// No client CA: no chain verifies.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            cas: Vec::new(),
            thumbprints: Vec::new(),
            by_name: HashMap::new(),
            issuers: Vec::new(),
            crls: HashMap::new(),
            policy: RevocationPolicy::default(),
            version: AuthoritiesVersion([0; 32]),
        }
    }

    /// Which state of the authorities this is: a verdict on a chain holds under no other.
    #[must_use]
    pub const fn version(&self) -> AuthoritiesVersion {
        self.version
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
    pub fn warnings(&self, now: Timestamp) -> Vec<AuthorityWarning> {
        let warning = |(index, ca): (usize, &Ca)| {
            let reason = ca.unusable(now)?;
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
            purpose: ca.purpose,
        })
    }

    /// The loaded CRLs, the newest first.
    pub fn crls(&self) -> impl Iterator<Item = CrlFacts> {
        let mut lists: Vec<&Crl> = self.crls.values().flatten().collect();
        lists.sort_by_cached_key(|crl| std::cmp::Reverse(crl.recency()));
        lists.into_iter().map(Crl::facts)
    }

    pub(super) fn cas(&self) -> &[Ca] {
        &self.cas
    }

    /// The client CAs of this name.
    pub(super) fn named(&self, name: &DistinguishedName) -> impl Iterator<Item = &Ca> {
        self.indices_named(name).iter().filter_map(|index| self.cas.get(*index))
    }

    /// The same, as indices of [`Authorities::cas`].
    pub(super) fn indices_named(&self, name: &DistinguishedName) -> &[usize] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// The client CAs that have issued this one, as indices of [`Authorities::cas`].
    pub(super) fn issuers_of(&self, index: usize) -> &[usize] {
        self.issuers.get(index).map_or(&[], Vec::as_slice)
    }

    /// The CRLs whose issuer has this name, the newest first.
    pub(super) fn crls_of(&self, issuer: &DistinguishedName) -> &[Crl] {
        self.crls.get(issuer).map_or(&[], Vec::as_slice)
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
            .field("crls", &self.crls.values().map(Vec::len).sum::<usize>())
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
