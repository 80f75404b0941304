//! Path building and validation against the client CAs (RFC 5280 section 6, RFC 4158).
//!
//! Three steps of rising cost, so that strangers cost little: `build` finds candidate paths by name, `signatures` verifies
//! their signatures from the client CA downwards, and `validate` judges everything else.

mod budget;
mod build;
mod constraints;
mod policies;
mod refusal;
mod revocation;
mod signatures;
mod validate;

use std::cell::OnceCell;

use rustls_pki_types::CertificateDer;

use budget::Budget;
use build::{Intermediates, Presented, name_paths};
use refusal::shown;
pub use refusal::{ChainRefusal, CrlFault, PathMember};
use signatures::{Signatures, Signed};
use validate::{Path, judge_leaf, malformed};

use super::{
    authorities::{Authorities, Purpose, ca::Ca},
    certificate::{ClientCertificate, Validity},
    x509::{Malformed, Outline, algorithm_name, is_accepted},
};

use crate::clock::Timestamp;

/// The maximum number of paths per certificate. Ordinary certificates have more than one only if CAs are cross-signed.
const MAX_PATHS: usize = 16;
/// The maximum number of client CAs above each other.
const MAX_ABOVE: usize = 8;

/// A valid path from a certificate to a client CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedPath {
    /// The CA certificates between leaf and trust anchor, the leaf's issuer first.
    pub intermediates: Vec<CertificateDer<'static>>,
    /// SHA-256 of the SubjectPublicKeyInfo of every CA on the path, the leaf's issuer first, the trust anchor last.
    pub issuer_keys: Vec<[u8; 32]>,
    /// The period in which all certificates of the path are valid and all CRLs that were checked are fresh.
    pub validity: Validity,
}

/// The result of path validation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainVerdict {
    /// All valid paths, at least one.
    Verified(Vec<VerifiedPath>),
    /// There is no valid path.
    Refused(ChainRefusal),
}

/// Finds all valid paths from the certificate to a client CA at `now`.
///
/// Names are compared by RFC 5280 section 7.1. If another client CA has issued the client CA of a path, the path is extended
/// to it, so that its constraints and CRLs apply too.
#[must_use]
pub fn verify_chain(
    certificate: &ClientCertificate,
    authorities: &Authorities,
    now: Timestamp,
) -> ChainVerdict {
    match paths(certificate, authorities, now, &mut Budget::default()) {
        Ok(paths) => ChainVerdict::Verified(paths),
        Err(refusal) => ChainVerdict::Refused(refusal),
    }
}

/// Why no chain of this certificate verifies under any client CA with the default `eku`, as far as its own fields decide,
/// except for its validity. `None` if that depends on the client CAs.
#[must_use]
pub fn unusable_in_chains(certificate: &ClientCertificate) -> Option<ChainRefusal> {
    if certificate.is_self_issued() {
        return Some(ChainRefusal::SelfSigned { version: certificate.version() });
    }
    if certificate.version() != 3 {
        return Some(ChainRefusal::Version { version: certificate.version() });
    }
    let in_leaf = |fault: Malformed| malformed(PathMember::Client, &fault);
    let judged = Outline::parse(certificate.der()).map_err(in_leaf).and_then(|leaf| {
        let algorithm = leaf.signed.algorithm;
        if !is_accepted(algorithm) {
            let (algorithm, member) = (algorithm_name(algorithm), PathMember::Client);
            return Err(ChainRefusal::SignatureAlgorithm { algorithm, member });
        }
        judge_leaf(&leaf.extensions().map_err(in_leaf)?, Purpose::default())
    });
    judged.err()
}

fn paths(
    certificate: &ClientCertificate,
    authorities: &Authorities,
    now: Timestamp,
    budget: &mut Budget,
) -> Result<Vec<VerifiedPath>, ChainRefusal> {
    precheck(certificate, authorities, now)?;
    let in_leaf = |fault: Malformed| malformed(PathMember::Client, &fault);
    let leaf = Outline::parse(certificate.der()).map_err(in_leaf)?;
    let intermediates = Intermediates::of(certificate.intermediates(), &leaf, authorities);
    let presented = &intermediates.usable;
    let by_name = name_paths(certificate.issuer(), &leaf, presented, authorities, budget);
    if by_name.is_empty() {
        return Err(unknown_issuer(certificate, &intermediates));
    }
    let signed = Signatures::new(&leaf, presented, authorities).check(&by_name, MAX_PATHS, budget);
    let signed =
        signed.map_err(|fault| as_self_signed(certificate, fault.refusal(certificate, presented)))?;
    let extensions = leaf.extensions().map_err(in_leaf)?;
    if certificate.is_self_issued() && (leaf.version != 3 || extensions.is_ca()) {
        return Err(ChainRefusal::SelfSigned { version: certificate.version() });
    }
    let parsed = Parsed { presented, cas: presented.iter().map(|_| OnceCell::new()).collect() };
    let mut verified: Vec<VerifiedPath> = Vec::new();
    let mut refusal: Option<ChainRefusal> = None;
    for Signed { between, anchor } in &signed {
        for above in chains_above(*anchor, between, presented, authorities) {
            let judged = above.and_then(|above| {
                let mut cas = between.iter().map(|index| parsed.ca(*index)).collect::<Result<Vec<_>, _>>()?;
                cas.extend(above.iter().filter_map(|index| authorities.cas().get(*index)));
                let path = Path { leaf: certificate, extensions: &extensions, cas, presented: between.len() };
                path.judge(authorities, now, budget)
            });
            match judged {
                Ok(paths) => {
                    for path in paths {
                        if verified.len() < MAX_PATHS && !verified.contains(&path) {
                            verified.push(path);
                        }
                    }
                }
                Err(new) if refusal.as_ref().is_none_or(|old| old.closeness() < new.closeness()) => {
                    refusal = Some(new);
                }
                Err(_) => {}
            }
        }
    }
    match refusal {
        Some(refusal) if verified.is_empty() => Err(refusal),
        _ if verified.is_empty() => Err(unknown_issuer(certificate, &intermediates)),
        _ => Ok(verified),
    }
}

/// The checks that need no path building: self-signed certificates, client CAs, version, client CAs at all, validity.
fn precheck(
    certificate: &ClientCertificate,
    authorities: &Authorities,
    now: Timestamp,
) -> Result<(), ChainRefusal> {
    if certificate.is_self_issued() {
        let key = super::thumbprint::sha256(certificate.spki_der());
        let mut namesakes = authorities.named(certificate.subject()).peekable();
        if namesakes.peek().is_none() {
            return Err(ChainRefusal::SelfSigned { version: certificate.version() });
        }
        if namesakes.any(|ca| ca.spki_hash == key) {
            return Err(ChainRefusal::ClientCaAsClient { subject: shown(certificate.subject()) });
        }
        // Its issuer has the name of a client CA, so only the signature can decide.
    } else if certificate.version() != 3 {
        return Err(ChainRefusal::Version { version: certificate.version() });
    } else if authorities.is_empty() {
        return Err(ChainRefusal::NoAuthorities);
    }
    let Validity { not_before, not_after } = certificate.validity();
    if now > not_after {
        Err(as_self_signed(certificate, ChainRefusal::Expired { not_after }))
    } else if now < not_before {
        Err(as_self_signed(certificate, ChainRefusal::NotYetValid { not_before }))
    } else {
        Ok(())
    }
}

/// A self-issued certificate that no client CA has signed is reported as self-signed.
fn as_self_signed(certificate: &ClientCertificate, refusal: ChainRefusal) -> ChainRefusal {
    if certificate.is_self_issued()
        && !matches!(refusal, ChainRefusal::Expired { .. } | ChainRefusal::NotYetValid { .. })
    {
        ChainRefusal::SelfSigned { version: certificate.version() }
    } else {
        refusal
    }
}

fn unknown_issuer(certificate: &ClientCertificate, intermediates: &Intermediates<'_>) -> ChainRefusal {
    let issuer = shown(certificate.issuer());
    match intermediates.skipped {
        0 => as_self_signed(certificate, ChainRefusal::UnknownIssuer { issuer }),
        count => ChainRefusal::SkippedIntermediates {
            issuer,
            count,
            reason: "an intermediate may have 8192 bytes, and the names of all together 4096",
        },
    }
}

/// The presented CAs, each parsed completely only once a path through it is signed by a client CA.
struct Parsed<'a> {
    presented: &'a [Presented<'a>],
    cas: Vec<OnceCell<Result<Ca, Malformed>>>,
}

impl Parsed<'_> {
    fn ca(&self, index: usize) -> Result<&Ca, ChainRefusal> {
        let missing = || ChainRefusal::TooComplex { limit: "an intermediate that is not there" };
        let presented = self.presented.get(index).ok_or_else(missing)?;
        let cell = self.cas.get(index).ok_or_else(missing)?;
        let ca = cell.get_or_init(|| Ca::from_outline(presented.der, &presented.outline));
        ca.as_ref().map_err(|fault| malformed(PathMember::Ca(shown(&presented.subject)), fault))
    }
}

/// Every chain of client CAs from `anchor` up to one that no other has issued. A chain that exceeds [`MAX_ABOVE`] is an error,
/// since the constraints above would be ignored.
fn chains_above(
    anchor: usize,
    between: &[usize],
    presented: &[Presented<'_>],
    authorities: &Authorities,
) -> Vec<Result<Vec<usize>, ChainRefusal>> {
    let below: Vec<&Presented<'_>> = between.iter().filter_map(|index| presented.get(*index)).collect();
    let mut ways = Vec::new();
    let mut open = vec![vec![anchor]];
    while let Some(way) = open.pop() {
        let cas = authorities.cas();
        let is_new = |index: &&usize| {
            cas.get(**index).is_some_and(|ca| {
                let is_on_way = way.iter().filter_map(|index| cas.get(*index)).any(|on| on.is_same_ca(ca));
                !is_on_way && !below.iter().any(|below| below.is_same_ca(ca))
            })
        };
        let last = way.last().copied().unwrap_or(anchor);
        let next: Vec<usize> = authorities.issuers_of(last).iter().filter(is_new).copied().collect();
        if next.is_empty() {
            ways.push(Ok(way));
        } else if way.len() >= MAX_ABOVE || ways.len() + open.len() >= MAX_PATHS {
            ways.push(Err(ChainRefusal::TooComplex { limit: "too many client CAs one above the other" }));
        } else {
            open.extend(next.into_iter().rev().map(|index| [&way[..], &[index]].concat()));
        }
    }
    ways
}

#[cfg(test)]
mod tests;
