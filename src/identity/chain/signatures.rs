//! Which paths by name the client CAs have signed, checked from above: below a signature that is wrong nothing is checked, so
//! that a chain which no client CA stands behind costs a check or two.

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

/// How many intermediates may name a client CA that has not signed them.
const MAX_STRANGERS: usize = 2;

/// A path whose every signature is right.
pub(super) struct Signed {
    /// The presented intermediates, the leaf's issuer first.
    pub(super) between: Vec<usize>,
    /// The client CA that has issued the last of them, or the leaf.
    pub(super) anchor: usize,
}

/// Why no path is signed.
pub(super) enum Fault {
    /// A signature by another key.
    Key,
    /// An algorithm that is not accepted, in the leaf (none) or in that intermediate.
    Algorithm(Option<usize>),
    /// Too much work.
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

/// What is known of the leaf (none) or an intermediate: whether the key of this hash has signed it.
type Check = (Option<usize>, [u8; 32], Result<(), SignatureFault>);

/// The signature checks of one verification, each made once.
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

    /// The signed ones among the paths, at least one, at most `limit`.
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
                // The client CA's own name and key below it: the path without the detour is the path.
                if between.iter().filter_map(|index| self.presented.get(*index)).any(|one| one.is_twin(ca)) {
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

    /// The client CAs of one name: those first whose key identifier the certificate names as its issuer's. Renewed certificates
    /// of one key are all of use, but one key is checked once.
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

    /// Checks everything below the highest intermediate.
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

    /// Whether a key has signed the leaf (none) or an intermediate.
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
            // One key has made a signature, and no other has.
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
