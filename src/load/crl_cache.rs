//! CRLs that are fetched: which count, and whether another may take the place of the one that is kept.
//!
//! A list may come over plain HTTP, so that anyone on its path can answer for its server. It counts only if a key that
//! the operator has named has signed it.

use std::path::Path;

use rustls_pki_types::CertificateDer;

use super::pem::read_certificates;
use crate::{
    clock::Timestamp,
    config::{
        file,
        settings::{self, CrlSource},
    },
    identity::{Authorities, CrlFacts, RevocationPolicy},
    pem,
};

/// What the file of a source holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Lists that count, all of them.
    Lists,
    /// Nothing: it is not there yet.
    Nothing,
    /// Something that does not count, and why: as good as nothing.
    Unfit(String),
}

/// What is kept of a source.
#[must_use]
pub fn kept(trust: &settings::Trust, source: &CrlSource, now: Timestamp) -> Kept {
    let file = &source.file.value;
    if !file.exists() {
        return Kept::Nothing;
    }
    let judged = file::read(file, file::LIMIT)
        .map_err(|error| file::unreadable(file, &error).what)
        .and_then(|bytes| {
            lists_in(&bytes).map_err(|fault| format!("{} {}", file.display(), fault.trim_start()))
        })
        .and_then(|lists| counting(&keys(trust, source), lists, now));
    judged.map_or_else(Kept::Unfit, |_| Kept::Lists)
}

/// The source of a file that holds no list that counts, and what is there instead.
pub(super) fn awaited<'a>(
    trust: &'a settings::Trust,
    file: &Path,
    now: Timestamp,
) -> Option<(&'a CrlSource, Kept)> {
    let source = trust.crl_sources.iter().find(|source| source.file.value == file)?;
    Some((source, kept(trust, source, now))).filter(|(_, kept)| *kept != Kept::Lists)
}

/// Judges what was fetched before it takes the place of what is kept: every list in it must be fit for use, in force, signed by a
/// client CA or by an `issuer` of its source, and no older than what is kept. Whether it is another one; the error says why it is not taken.
pub fn judge_fetched(
    trust: &settings::Trust,
    source: &CrlSource,
    fetched: &[u8],
    now: Timestamp,
) -> Result<bool, String> {
    let before = file::read(&source.file.value, file::LIMIT).ok();
    let is_other = before.as_deref() != Some(fetched);
    let keys = keys(trust, source);
    let lists = lists_in(fetched).map_err(|fault| format!("what was fetched{fault}"))?;
    let new = counting(&keys, lists, now)?;
    if let Some(stale) = new.iter().find(|list| list.next_update < now) {
        return Err(format!("the CRL of {:?} is stale since {}", stale.issuer, stale.next_update));
    }
    // What is kept and does not count may be replaced by anything that does.
    let before = before.and_then(|before| lists_in(&before).ok()).unwrap_or_default();
    let before = before.into_iter().filter_map(|list| counting(&keys, vec![list], now).ok()).flatten();
    for old in before {
        match new.iter().filter(|list| list.issuer == old.issuer).map(|list| list.this_update).max() {
            None => return Err(format!("it lacks the CRL of {:?}, which is kept", old.issuer)),
            Some(newest) if newest < old.this_update => {
                return Err(format!(
                    "the CRL of {:?} is of {}, older than the one that is kept, of {}",
                    old.issuer, newest, old.this_update
                ));
            }
            Some(_) => {}
        }
    }
    Ok(is_other)
}

fn lists_in(bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let lists = pem::crls(bytes).map_err(|fault| fault.to_string())?;
    Ok(lists.into_iter().map(|list| list.value).collect())
}

/// The certificates by whose keys a list of this source may be signed.
fn keys(trust: &settings::Trust, source: &CrlSource) -> Vec<CertificateDer<'static>> {
    // Those that can't be read are reported by a reload.
    let named = trust.client_ca.iter().map(|ca| &ca.file).chain(&source.issuer);
    named.filter_map(|file| read_certificates(&file.value).ok()).flatten().collect()
}

/// The facts of these lists, if every one of them counts.
fn counting(
    keys: &[CertificateDer<'static>],
    lists: Vec<Vec<u8>>,
    now: Timestamp,
) -> Result<Vec<CrlFacts>, String> {
    let authorities = Authorities::new(keys.to_vec(), lists, RevocationPolicy::default())
        .map_err(|error| error.to_string())?;
    let facts: Vec<CrlFacts> = authorities.crls().collect();
    for list in &facts {
        if let Some(algorithm) = &list.unaccepted_algorithm {
            return Err(format!(
                "the CRL of {:?} is signed by {algorithm}, which is not accepted",
                list.issuer
            ));
        }
        if list.signer.is_none() {
            return Err(format!(
                "the CRL of {:?} is signed by no client CA and by no issuer of its source: name its CA's certificate as issuer beside the url",
                list.issuer
            ));
        }
        if list.is_future_dated(now) {
            return Err(format!("the CRL of {:?} is dated in the future: {}", list.issuer, list.this_update));
        }
    }
    Ok(facts)
}
