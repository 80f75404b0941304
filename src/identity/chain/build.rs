//! Path building by name (RFC 4158).
//!
//! No signature is verified here, and only the outline of a presented certificate is parsed, since strangers decide what is
//! presented.

use std::{cell::OnceCell, collections::HashMap, rc::Rc};

use rustls_pki_types::CertificateDer;

use super::budget::Budget;
use crate::identity::{
    authorities::{Authorities, ca::Ca},
    name::DistinguishedName,
    thumbprint::sha256,
    x509::Outline,
};

/// The maximum size of an intermediate in bytes.
const MAX_INTERMEDIATE: usize = 8 * 1024;
/// The maximum size in bytes of all distinct names of presented intermediates together, since each is normalized.
const MAX_NAMES: usize = 4 * 1024;
/// How many of these bytes may be non-ASCII, whose normalization is expensive.
const MAX_NOT_ASCII: usize = 512;
/// The maximum number of intermediates with the same name: two that are cross-signed, or an old and a new one.
const MAX_NAMESAKES: usize = 2;
/// The maximum number of intermediates on a path.
const MAX_BETWEEN: usize = 6;
/// The maximum number of searches for an issuer.
const MAX_STEPS: u32 = 128;

type KeyIdentifiers<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// A presented intermediate that may be on a path.
pub(super) struct Presented<'a> {
    pub(super) der: &'a CertificateDer<'static>,
    pub(super) outline: Outline<'a>,
    pub(super) subject: Rc<DistinguishedName>,
    issuer: Rc<DistinguishedName>,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub(super) key: [u8; 32],
    /// The subject's and the issuer's key identifiers, parsed only if they are needed.
    identifiers: OnceCell<KeyIdentifiers<'a>>,
}

impl<'a> Presented<'a> {
    fn identifiers(&self) -> KeyIdentifiers<'a> {
        *self.identifiers.get_or_init(|| self.outline.key_identifiers())
    }

    /// Whether it is a certificate of this CA: name and key are equal.
    pub(super) fn is_same_ca(&self, ca: &Ca) -> bool {
        self.key == ca.spki_hash && *self.subject == ca.subject
    }
}

/// The presented certificates other than the leaf, within the limits.
pub(super) struct Intermediates<'a> {
    pub(super) usable: Vec<Presented<'a>>,
    /// How many were skipped because of their size.
    pub(super) skipped: usize,
}

/// Parsed names. In a chain most names occur twice.
#[derive(Default)]
struct Names<'a> {
    known: Vec<(&'a [u8], Rc<DistinguishedName>)>,
    bytes: usize,
    not_ascii: usize,
}

impl<'a> Names<'a> {
    /// Parses a name; `None` if it is malformed or exceeds the limits.
    fn read(&mut self, der: &'a [u8]) -> Option<Rc<DistinguishedName>> {
        if let Some((_, name)) = self.known.iter().find(|(known, _)| *known == der) {
            return Some(Rc::clone(name));
        }
        self.bytes += der.len();
        self.not_ascii += der.iter().filter(|byte| !byte.is_ascii()).count();
        if self.bytes > MAX_NAMES || self.not_ascii > MAX_NOT_ASCII {
            return None;
        }
        let name = Rc::new(DistinguishedName::from_der(der).ok()?);
        self.known.push((der, Rc::clone(&name)));
        Some(name)
    }
}

impl<'a> Intermediates<'a> {
    /// Parses the certificates after the leaf. Malformed ones are ignored, since a client may present anything there.
    pub(super) fn of(
        certificates: &'a [CertificateDer<'static>],
        leaf: &Outline<'_>,
        trust: &Authorities,
    ) -> Self {
        let mut names = Names::default();
        let mut found = Self { usable: Vec::new(), skipped: 0 };
        for (index, der) in certificates.iter().enumerate() {
            if der.len() > MAX_INTERMEDIATE {
                found.skipped += 1;
                continue;
            }
            let is_repeated = certificates.get(..index).is_some_and(|before| before.contains(der));
            if is_repeated {
                continue;
            }
            let Ok(outline) = Outline::parse(der) else { continue };
            let (Some(subject), Some(issuer)) = (names.read(outline.subject), names.read(outline.issuer))
            else {
                found.skipped += 1;
                continue;
            };
            // A presented client CA is found among the client CAs.
            if trust.named(&subject).all(|ca| ca.der != *der) {
                let key = sha256(outline.spki);
                let identifiers = OnceCell::new();
                found.usable.push(Presented { der, outline, subject, issuer, key, identifiers });
            }
        }
        found.drop_namesakes(leaf);
        found
    }

    /// Keeps at most [`MAX_NAMESAKES`] per name, preferring those that another certificate's authorityKeyIdentifier names.
    fn drop_namesakes(&mut self, leaf: &Outline<'_>) {
        let all = std::mem::take(&mut self.usable);
        let mut counts: HashMap<Rc<DistinguishedName>, usize> = HashMap::new();
        for one in &all {
            *counts.entry(Rc::clone(&one.subject)).or_default() += 1;
        }
        if counts.values().all(|count| *count <= MAX_NAMESAKES) {
            self.usable = all;
            return;
        }
        let leaf_issuer = leaf.key_identifiers().1;
        let named: Vec<&[u8]> =
            leaf_issuer.into_iter().chain(all.iter().filter_map(|one| one.identifiers().1)).collect();
        let rank = |one: &Presented<'_>| {
            let own = one.identifiers().0;
            own.and_then(|own| named.iter().position(|key| *key == own)).unwrap_or(usize::MAX)
        };
        let mut ranked: Vec<(usize, Presented<'a>)> = all.into_iter().map(|one| (rank(&one), one)).collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        counts.clear();
        for (_, one) in ranked {
            let count = counts.entry(Rc::clone(&one.subject)).or_default();
            *count += 1;
            if *count <= MAX_NAMESAKES {
                self.usable.push(one);
            }
        }
    }
}

/// A candidate path: the indices of its intermediates, the leaf's issuer first, and of the client CAs with the name above.
pub(super) struct NamePath<'a> {
    pub(super) between: Vec<usize>,
    pub(super) anchors: &'a [usize],
}

/// Finds all candidate paths from a certificate with this issuer to a client CA, in depth-first order.
pub(super) fn name_paths<'a, 'p>(
    issuer: &DistinguishedName,
    leaf: &Outline<'p>,
    presented: &'p [Presented<'p>],
    trust: &'a Authorities,
    budget: &mut Budget,
) -> Vec<NamePath<'a>> {
    let mut search = Search { presented, trust, budget, between: Vec::new(), found: Vec::new() };
    search.climb(issuer, &|| leaf.key_identifiers().1);
    search.found
}

struct Search<'a, 'p, 'e> {
    presented: &'p [Presented<'p>],
    trust: &'a Authorities,
    budget: &'e mut Budget,
    between: Vec<usize>,
    found: Vec<NamePath<'a>>,
}

impl<'p> Search<'_, 'p, '_> {
    /// Searches for issuers with this name, those with this key identifier first.
    fn climb(&mut self, issuer: &DistinguishedName, key_identifier: &dyn Fn() -> Option<&'p [u8]>) {
        self.budget.steps += 1;
        if self.budget.steps > MAX_STEPS {
            return;
        }
        let anchors = self.trust.indices_named(issuer);
        if !anchors.is_empty() {
            self.found.push(NamePath { between: self.between.clone(), anchors });
        }
        if self.between.len() == MAX_BETWEEN {
            return;
        }
        let presented = self.presented;
        let is_new = |(index, one): &(usize, &'p Presented<'p>)| {
            let mut used = self.between.iter().filter_map(|index| presented.get(*index));
            *one.subject == *issuer
                && !self.between.contains(index)
                && !used.any(|used| used.key == one.key && used.subject == one.subject)
        };
        let mut next: Vec<(usize, &'p Presented<'p>)> = presented.iter().enumerate().filter(is_new).collect();
        if next.len() > 1
            && let Some(named) = key_identifier()
        {
            next.sort_by_key(|(_, one)| one.identifiers().0 != Some(named));
        }
        for (index, one) in next {
            self.between.push(index);
            self.climb(&one.issuer, &|| one.identifiers().1);
            self.between.pop();
        }
    }
}
