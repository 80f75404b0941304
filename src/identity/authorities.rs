//! The trusted client CAs and their CRLs.

pub(super) mod ca;
pub(super) mod crl;
mod hierarchy;
mod scope;
mod serials;

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use rustls_pki_types::CertificateDer;

use super::{certificate::Validity, name::DistinguishedName, thumbprint::Thumbprint};
use ca::Ca;
pub use ca::UnusableCa;
pub(super) use crl::Signer;
use crl::{Crl, CrlError};

use crate::clock::Timestamp;

/// How certificates are judged if the nextUpdate of their CA's CRL has passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StaleCrl {
    /// They are refused, since a stale CRL must not be treated as an empty one.
    #[default]
    Refuse,
    /// They are judged by the stale CRL.
    Report,
}

/// Which certificates of a path are checked for revocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CrlDepth {
    /// The client's certificate and those of all intermediates.
    #[default]
    Chain,
    /// The client's certificate only, by its issuer's CRLs.
    Leaf,
}

/// How certificates are checked for revocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RevocationPolicy {
    /// What a stale CRL means.
    pub stale: StaleCrl,
    /// Which certificates of a path are checked.
    pub depth: CrlDepth,
}

/// Which extKeyUsage (RFC 5280 section 4.2.1.12) is accepted below a client CA. A certificate without that extension is
/// accepted for every purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// clientAuth.
    #[default]
    Client,
    /// clientAuth or serverAuth, since public CAs stopped issuing for clientAuth in 2026.
    ClientOrServer,
    /// Any usage.
    Any,
}

impl Purpose {
    /// The name in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::ClientOrServer => "client-or-server",
            Self::Any => "any",
        }
    }
}

/// A client CA, as configured.
#[derive(Clone, Debug)]
pub struct ClientCa {
    /// The CA certificate.
    pub der: CertificateDer<'static>,
    /// Which extKeyUsage is accepted below it.
    pub purpose: Purpose,
}

impl From<CertificateDer<'static>> for ClientCa {
    fn from(der: CertificateDer<'static>) -> Self {
        Self { der, purpose: Purpose::default() }
    }
}

/// Identifies one state of the authorities: the same client CAs, CRLs and policy, in the same order, have the same version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthoritiesVersion([u8; 32]);

/// The trusted client CAs and their CRLs.
pub struct Authorities {
    cas: Vec<Ca>,
    /// The thumbprints of `cas`, in the same order.
    thumbprints: Vec<Thumbprint>,
    /// Indices of `cas` by subject.
    by_name: HashMap<DistinguishedName, Vec<usize>>,
    /// For each of `cas`, the indices of those that have issued it.
    issuers: Vec<Vec<usize>>,
    /// By issuer, the newest first.
    crls: HashMap<DistinguishedName, Vec<Crl>>,
    policy: RevocationPolicy,
    version: AuthoritiesVersion,
}

/// Why client CAs or CRLs cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// A CA certificate cannot be parsed.
    #[error("client CA certificate {}: {reason}", index + 1)]
    Ca {
        /// Its index, from 0.
        index: usize,
        /// The cause.
        reason: String,
    },
    /// A CRL cannot be used.
    #[error("CRL {}: {source}", index + 1)]
    Crl {
        /// Its index, from 0.
        index: usize,
        /// The cause.
        source: CrlError,
    },
}

/// A client CA that is loaded, but below which no chain verifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorityWarning {
    /// Its index, from 0.
    pub index: usize,
    /// Its subject in RFC 4514 form.
    pub subject: String,
    /// The cause.
    pub reason: UnusableCa,
}

impl fmt::Display for AuthorityWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client CA {:?} is unusable: {}", self.subject, self.reason)
    }
}

/// Facts about a client CA, to monitor its expiry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaFacts {
    /// Its subject in RFC 4514 form.
    pub subject: String,
    /// The thumbprint of its certificate, which a renewal changes.
    pub thumbprint: Thumbprint,
    /// The validity of its certificate.
    pub validity: Validity,
    /// Which extKeyUsage is accepted below it, as configured.
    pub purpose: Purpose,
}

/// Facts about a loaded CRL, to monitor its age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlFacts {
    /// Its index, from 0, in the configured order.
    pub index: usize,
    /// SHA-256 of the CRL.
    pub hash: [u8; 32],
    /// Its issuer in RFC 4514 form.
    pub issuer: String,
    /// When it was issued.
    pub this_update: Timestamp,
    /// When it becomes stale.
    pub next_update: Timestamp,
    /// SHA-256 of the SubjectPublicKeyInfo of the client CA that has signed it; `None` if an intermediate or nobody has.
    pub signer: Option<[u8; 32]>,
    /// The algorithm of its signature if that is not accepted. The CRL is then ignored.
    pub unaccepted_algorithm: Option<String>,
}

impl CrlFacts {
    /// Whether its thisUpdate is later than `now` by more than the tolerated clock skew.
    #[must_use]
    pub fn is_future_dated(&self, now: Timestamp) -> bool {
        now < self.usable_from()
    }

    /// Its thisUpdate, earlier by the tolerated clock skew.
    #[must_use]
    pub fn usable_from(&self) -> Timestamp {
        self.this_update - crl::CLOCK_SKEW
    }
}

impl Authorities {
    /// Parses the client CAs and the CRLs, each in DER.
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
        for crls in authorities.crls.values_mut() {
            crls.sort_by_cached_key(|crl| std::cmp::Reverse(crl.recency()));
        }
        Ok(authorities)
    }

    /// No client CAs: no chain verifies.
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

    /// The version, on which every chain verdict depends.
    #[must_use]
    pub const fn version(&self) -> AuthoritiesVersion {
        self.version
    }

    /// Whether there are no client CAs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cas.is_empty()
    }

    /// The subjects of the client CAs in DER, each with its outer SEQUENCE, for the certificate_authorities extension of a TLS
    /// CertificateRequest (RFC 8446 section 4.2.4).
    pub fn subjects(&self) -> impl Iterator<Item = &[u8]> {
        self.cas.iter().map(|ca| ca.subject_der.as_slice())
    }

    /// The client CAs below which no chain verifies at `now`.
    #[must_use]
    pub fn warnings(&self, now: Timestamp) -> Vec<AuthorityWarning> {
        let warning = |(index, ca): (usize, &Ca)| {
            let reason = ca.unusable(now)?;
            Some(AuthorityWarning { index, subject: ca.subject.to_rfc4514(), reason })
        };
        self.cas.iter().enumerate().filter_map(warning).collect()
    }

    /// The client CAs, in the configured order.
    pub fn client_cas(&self) -> impl Iterator<Item = CaFacts> {
        self.cas.iter().zip(&self.thumbprints).map(|(ca, thumbprint)| CaFacts {
            subject: ca.subject.to_rfc4514(),
            thumbprint: *thumbprint,
            validity: ca.validity,
            purpose: ca.purpose,
        })
    }

    /// Whether a client CA has this subject, in RFC 4514 form, and this SHA-256 of its SubjectPublicKeyInfo.
    #[must_use]
    pub fn has_ca(&self, subject: &str, key: &[u8; 32]) -> bool {
        self.cas.iter().any(|ca| ca.spki_hash == *key && ca.subject.to_rfc4514() == subject)
    }

    /// The loaded CRLs, the newest first.
    pub fn crls(&self) -> impl Iterator<Item = CrlFacts> {
        let mut crls: Vec<&Crl> = self.crls.values().flatten().collect();
        crls.sort_by_cached_key(|crl| std::cmp::Reverse(crl.recency()));
        crls.into_iter().map(Crl::facts)
    }

    /// The CRL of each CA that counts at `now`: its newest one that is not dated in the future. CAs of one name differ in their keys.
    #[must_use]
    pub fn crls_in_force(&self, now: Timestamp) -> Vec<CrlFacts> {
        let mut seen = HashSet::new();
        let is_first = |crl: &CrlFacts| seen.insert((crl.issuer.clone(), crl.signer));
        self.crls().filter(|crl| !crl.is_future_dated(now)).filter(is_first).collect()
    }

    pub(super) fn cas(&self) -> &[Ca] {
        &self.cas
    }

    /// The client CAs with this subject.
    pub(super) fn named(&self, name: &DistinguishedName) -> impl Iterator<Item = &Ca> {
        self.indices_named(name).iter().filter_map(|index| self.cas.get(*index))
    }

    /// The indices in [`Authorities::cas`] of the client CAs with this subject.
    pub(super) fn indices_named(&self, name: &DistinguishedName) -> &[usize] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// The indices in [`Authorities::cas`] of the client CAs that have issued the one at `index`.
    pub(super) fn issuers_of(&self, index: usize) -> &[usize] {
        self.issuers.get(index).map_or(&[], Vec::as_slice)
    }

    /// The CRLs with this issuer name, the newest first.
    pub(super) fn crls_of(&self, issuer: &DistinguishedName) -> &[Crl] {
        self.crls.get(issuer).map_or(&[], Vec::as_slice)
    }

    /// How certificates are checked for revocation.
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
