//! Which certificates may lie between a leaf and a client CA, by their names alone (RFC 4158).
//!
//! No signature is checked here, and of a presented certificate only the frame is read: any client decides what is
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

/// How many bytes an intermediate may have.
const MAX_INTERMEDIATE: usize = 8 * 1024;
/// How many bytes all the names of presented intermediates may have together: each different one is folded.
const MAX_NAMES: usize = 4 * 1024;
/// How many of those may lie beyond ASCII, where folding is dear.
const MAX_NOT_ASCII: usize = 512;
/// How many intermediates of one name are looked at: two that cross-sign, or an old and a new one.
const MAX_NAMESAKES: usize = 2;
/// How many intermediates a path may have.
const MAX_BETWEEN: usize = 6;
/// How many times an issuer is looked for.
const MAX_STEPS: u32 = 128;

type KeyIdentifiers<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// A presented intermediate that may lie on a path.
pub(super) struct Presented<'a> {
    pub(super) der: &'a CertificateDer<'static>,
    pub(super) outline: Outline<'a>,
    pub(super) subject: Rc<DistinguishedName>,
    issuer: Rc<DistinguishedName>,
    /// SHA-256 of its public key.
    pub(super) key: [u8; 32],
    /// subjectKeyIdentifier and the issuer's, read when two certificates are to be distinguished.
    identifiers: OnceCell<KeyIdentifiers<'a>>,
}

impl<'a> Presented<'a> {
    fn identifiers(&self) -> KeyIdentifiers<'a> {
        *self.identifiers.get_or_init(|| self.outline.key_identifiers())
    }

    /// Whether it is another certificate of this CA, or the same.
    pub(super) fn is_twin(&self, ca: &Ca) -> bool {
        self.key == ca.spki_hash && *self.subject == ca.subject
    }
}

/// What was presented besides the leaf, as far as it is looked at.
pub(super) struct Intermediates<'a> {
    pub(super) usable: Vec<Presented<'a>>,
    /// How many were left out for their size.
    pub(super) skipped: usize,
}

/// Names that were folded already: in a chain most occur twice.
#[derive(Default)]
struct Names<'a> {
    known: Vec<(&'a [u8], Rc<DistinguishedName>)>,
    bytes: usize,
    not_ascii: usize,
}

impl<'a> Names<'a> {
    /// The name; nothing where it is none, or one too many.
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
    /// Looks at what was presented after the leaf. What cannot be read is left out without a word, since a client may present
    /// anything there.
    pub(super) fn of(
        certificates: &'a [CertificateDer<'static>],
        leaf: &Outline<'_>,
        trust: &Authorities,
    ) -> Self {
        let mut names = Names::default();
        let mut these = Self { usable: Vec::new(), skipped: 0 };
        for (index, der) in certificates.iter().enumerate() {
            if der.len() > MAX_INTERMEDIATE {
                these.skipped += 1;
                continue;
            }
            let is_repeated = certificates.get(..index).is_some_and(|before| before.contains(der));
            if is_repeated {
                continue;
            }
            let Ok(outline) = Outline::parse(der) else { continue };
            let (Some(subject), Some(issuer)) = (names.read(outline.subject), names.read(outline.issuer))
            else {
                these.skipped += 1;
                continue;
            };
            // A client CA that is presented as well is found among the client CAs.
            if trust.named(&subject).all(|ca| ca.der != *der) {
                let key = sha256(outline.spki);
                let identifiers = OnceCell::new();
                these.usable.push(Presented { der, outline, subject, issuer, key, identifiers });
            }
        }
        these.drop_namesakes(leaf);
        these
    }

    /// Keeps the first two of each name: first those that another certificate names by key as its issuer.
    fn drop_namesakes(&mut self, leaf: &Outline<'_>) {
        let all = std::mem::take(&mut self.usable);
        let mut of_name: HashMap<Rc<DistinguishedName>, usize> = HashMap::new();
        for one in &all {
            *of_name.entry(Rc::clone(&one.subject)).or_default() += 1;
        }
        if of_name.values().all(|count| *count <= MAX_NAMESAKES) {
            self.usable = all;
            return;
        }
        let of_leaf = leaf.key_identifiers().1;
        let named: Vec<&[u8]> =
            of_leaf.into_iter().chain(all.iter().filter_map(|one| one.identifiers().1)).collect();
        let rank = |one: &Presented<'_>| {
            let own = one.identifiers().0;
            own.and_then(|own| named.iter().position(|key| *key == own)).unwrap_or(usize::MAX)
        };
        let mut ranked: Vec<(usize, Presented<'a>)> = all.into_iter().map(|one| (rank(&one), one)).collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        of_name.clear();
        for (_, one) in ranked {
            let count = of_name.entry(Rc::clone(&one.subject)).or_default();
            *count += 1;
            if *count <= MAX_NAMESAKES {
                self.usable.push(one);
            }
        }
    }
}

/// A path by name: the intermediates, the leaf's issuer first, and the client CAs of the name above them, as indices.
pub(super) struct NamePath<'a> {
    pub(super) between: Vec<usize>,
    pub(super) anchors: &'a [usize],
}

/// Every path by name from a certificate of this issuer to a client CA, the shortest beginnings first.
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
    /// Looks for the issuer of this name, and perhaps of this key identifier.
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
