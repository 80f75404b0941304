//! Verifies the signatures of candidate paths from the client CA downwards, and stops at the first invalid one, so that a chain
//! that no client CA has signed costs one or two verifications.

use super::{
    budget::Budget,
    build::{NamePath, Presented},
    refusal::{ChainRefusal, PathMember, shown},
};
use crate::identity::{
    authorities::{Authorities, ca::Ca},
    certificate::ClientCertificate,
    x509::{Outline, SignatureFault, algorithm_name},
};

/// The maximum number of intermediates that name a client CA as their issuer which has not signed them.
const MAX_STRANGERS: usize = 2;

/// A path with valid signatures.
pub(super) struct Signed {
    /// Indices of the presented intermediates, the leaf's issuer first.
    pub(super) between: Vec<usize>,
    /// Index of the client CA that has issued the last of them, or the leaf.
    pub(super) anchor: usize,
}

/// Why no path has valid signatures.
pub(super) enum Fault {
    /// A signature was made by another key.
    Key,
    /// A signature algorithm is not accepted, in the leaf (`None`) or in that intermediate.
    Algorithm(Option<usize>),
    /// The budget is exceeded.
    Limit(ChainRefusal),
}

impl Fault {
    pub(super) fn refusal(
        self,
        certificate: &ClientCertificate,
        presented: &[Presented<'_>],
    ) -> ChainRefusal {
        match self {
            Self::Limit(refusal) => refusal,
            Self::Key => ChainRefusal::Signature { issuer: shown(certificate.issuer()) },
            Self::Algorithm(index) => {
                let intermediate = index.and_then(|index| presented.get(index));
                let member =
                    intermediate.map_or(PathMember::Client, |one| PathMember::Ca(shown(&one.subject)));
                let outline =
                    intermediate.map(|one| one.outline).or_else(|| Outline::parse(certificate.der()).ok());
                let algorithm =
                    outline.map(|outline| algorithm_name(outline.signed.algorithm)).unwrap_or_default();
                ChainRefusal::SignatureAlgorithm { algorithm, member }
            }
        }
    }
}

/// A verified signature of the leaf (`None`) or an intermediate: the hash of the SubjectPublicKeyInfo, and the result.
type Check = (Option<usize>, [u8; 32], Result<(), SignatureFault>);

/// The signatures of one verification, each verified once.
pub(super) struct Signatures<'a> {
    leaf: &'a Outline<'a>,
    presented: &'a [Presented<'a>],
    authorities: &'a Authorities,
    known: Vec<Check>,
}

impl<'a> Signatures<'a> {
    pub(super) const fn new(
        leaf: &'a Outline<'a>,
        presented: &'a [Presented<'a>],
        authorities: &'a Authorities,
    ) -> Self {
        Self { leaf, presented, authorities, known: Vec::new() }
    }

    /// The paths with valid signatures: at least one, at most `limit`.
    pub(super) fn check(
        mut self,
        paths: &[NamePath<'_>],
        limit: usize,
        budget: &mut Budget,
    ) -> Result<Vec<Signed>, Fault> {
        let mut signed = Vec::new();
        let mut fault = Fault::Key;
        let mut strangers: Vec<Option<usize>> = Vec::new();
        for NamePath { between, anchors } in paths {
            let top = between.last().copied();
            if strangers.contains(&top)
                || strangers.iter().flatten().count() >= MAX_STRANGERS && top.is_some()
            {
                continue;
            }
            let mut is_signed_at_all = false;
            for anchor in self.by_key_identifier(anchors, top) {
                let Some(ca) = self.authorities.cas().get(anchor) else { continue };
                // The path contains the client CA below itself; the shorter path is judged instead.
                if between.iter().filter_map(|index| self.presented.get(*index)).any(|one| one.is_same_ca(ca))
                {
                    is_signed_at_all = true;
                    continue;
                }
                match self.is_signed(top, ca.spki_hash, &ca.spki, budget) {
                    Err(refusal) if signed.is_empty() => return Err(Fault::Limit(refusal)),
                    Err(_) => return Ok(signed),
                    Ok(Err(SignatureFault::Algorithm)) => {
                        fault = Fault::Algorithm(top);
                        break;
                    }
                    Ok(Err(SignatureFault::Key)) => continue,
                    Ok(Ok(())) => is_signed_at_all = true,
                }
                match self.is_signed_down(between, budget) {
                    Err(refusal) if signed.is_empty() => return Err(Fault::Limit(refusal)),
                    Err(_) => return Ok(signed),
                    Ok(Err(new)) => fault = new,
                    Ok(Ok(())) => signed.push(Signed { between: between.clone(), anchor }),
                }
                if signed.len() >= limit {
                    return Ok(signed);
                }
            }
            if !is_signed_at_all {
                strangers.push(top);
            }
        }
        if signed.is_empty() { Err(fault) } else { Ok(signed) }
    }

    /// The client CAs of one name, first those with the key identifier in the certificate's authorityKeyIdentifier. All
    /// certificates of a renewed CA are kept, but a key is tried once.
    fn by_key_identifier(&self, anchors: &[usize], top: Option<usize>) -> Vec<usize> {
        let mut anchors = anchors.to_vec();
        if anchors.len() > 1
            && let Some((_, Some(named))) = self.outline(top).map(Outline::key_identifiers)
        {
            let is_named = |ca: &Ca| ca.key_identifier.as_deref() == Some(named);
            anchors.sort_by_key(|index| !self.authorities.cas().get(*index).is_some_and(is_named));
        }
        anchors
    }

    /// Verifies the signatures below the highest intermediate.
    fn is_signed_down(
        &mut self,
        between: &[usize],
        budget: &mut Budget,
    ) -> Result<Result<(), Fault>, ChainRefusal> {
        for (position, index) in between.iter().enumerate().rev() {
            let below = position.checked_sub(1).and_then(|position| between.get(position)).copied();
            let presented = self.presented;
            let Some(issuer) = presented.get(*index) else { continue };
            match self.is_signed(below, issuer.key, issuer.outline.spki, budget)? {
                Ok(()) => {}
                Err(SignatureFault::Key) => return Ok(Err(Fault::Key)),
                Err(SignatureFault::Algorithm) => return Ok(Err(Fault::Algorithm(below))),
            }
        }
        Ok(Ok(()))
    }

    fn outline(&self, index: Option<usize>) -> Option<&'a Outline<'a>> {
        match index {
            None => Some(self.leaf),
            Some(index) => self.presented.get(index).map(|one| &one.outline),
        }
    }

    /// Whether a key has signed the leaf (`None`) or an intermediate.
    fn is_signed(
        &mut self,
        index: Option<usize>,
        key: [u8; 32],
        spki: &[u8],
        budget: &mut Budget,
    ) -> Result<Result<(), SignatureFault>, ChainRefusal> {
        let of_this = self.known.iter().filter(|(of, _, _)| *of == index);
        for (_, of_key, result) in of_this {
            if *of_key == key {
                return Ok(*result);
            }
            // Only one key can have made the signature.
            if result.is_ok() {
                return Ok(Err(SignatureFault::Key));
            }
        }
        budget.consume_signature()?;
        let result = match self.outline(index) {
            Some(outline) => outline.signed.verify(spki),
            None => Err(SignatureFault::Key),
        };
        self.known.push((index, key, result));
        Ok(result)
    }
}
