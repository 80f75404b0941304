//! Which client CAs have issued each other, since operators configure an issuing CA beside its root.

use std::collections::HashMap;

use super::ca::Ca;
use crate::identity::{name::DistinguishedName, x509::Outline};

/// For each client CA, the indices of the others that have issued it, by name and signature. Certificates of the same CA do
/// not issue each other.
///
/// Each certificate is verified with few keys: those of its issuer's name, or none if only the same CA has that name.
pub(super) fn issuers(cas: &[Ca], by_name: &HashMap<DistinguishedName, Vec<usize>>) -> Vec<Vec<usize>> {
    cas.iter().map(|ca| issuers_of(ca, cas, by_name).unwrap_or_default()).collect()
}

fn issuers_of(ca: &Ca, cas: &[Ca], by_name: &HashMap<DistinguishedName, Vec<usize>>) -> Option<Vec<usize>> {
    let namesakes = by_name.get(&ca.issuer)?;
    let candidates: Vec<(usize, &Ca)> =
        namesakes.iter().filter_map(|index| Some((*index, cas.get(*index)?))).collect();
    if candidates.iter().all(|(_, other)| other.is_same_ca(ca)) {
        return None;
    }
    let outline = Outline::parse(&ca.der).ok()?;
    let has_signed = |other: &Ca| outline.signed.verify(&other.spki).is_ok();
    // A root needs no other issuer, however many client CAs have its name.
    if ca.is_self_issued() && has_signed(ca) {
        return None;
    }
    let (_, authority_key) = outline.key_identifiers();
    let mut keys: Vec<[u8; 32]> = Vec::new();
    for (_, other) in &candidates {
        if !keys.contains(&other.spki_hash) {
            keys.push(other.spki_hash);
        }
    }
    let of_key = |key: [u8; 32]| candidates.iter().filter(move |(_, other)| other.spki_hash == key);
    // The key that authorityKeyIdentifier names is tried first.
    keys.sort_by_key(|key| {
        let is_named =
            |other: &Ca| authority_key.is_some() && other.key_identifier.as_deref() == authority_key;
        !of_key(*key).any(|(_, other)| is_named(other))
    });
    let key = keys.into_iter().find(|key| of_key(*key).next().is_some_and(|(_, other)| has_signed(other)))?;
    Some(of_key(key).filter(|(_, other)| !other.is_same_ca(ca)).map(|(index, _)| *index).collect())
}
