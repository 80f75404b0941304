//! Lists that are fetched: whether one is there, and whether another may take its place.

use std::path::Path;

use super::{certificates::read_certificates, load::now};
use crate::{
    config::{
        file,
        settings::{self, CrlSource},
    },
    identity::{Authorities, CrlFacts, RevocationPolicy, rfc3339},
    pem,
};

/// Whether a list that is to be fetched is not there yet.
#[must_use]
pub fn is_awaited(source: &CrlSource) -> bool {
    !source.file.value.exists()
}

/// The source of a file that is not there yet.
pub(super) fn awaited<'a>(trust: &'a settings::Trust, file: &Path) -> Option<&'a CrlSource> {
    trust.crl_sources.iter().find(|source| source.file.value == file && is_awaited(source))
}

/// Judges what was fetched before it takes the place of what is kept: it must be fit for use, in force, signed by the client CA
/// whose name it bears, and no older than what is kept. Whether it is another list; the error says why it is not taken.
pub fn judge_fetched(trust: &settings::Trust, kept: &Path, fetched: &[u8]) -> Result<bool, String> {
    let before = file::read(kept, file::LIMIT).ok();
    let is_other = before.as_deref() != Some(fetched);
    let new = facts(trust, fetched)?;
    if let Some(stale) = new.iter().find(|list| list.next_update < now()) {
        return Err(format!("the CRL of {:?} is stale since {}", stale.issuer, rfc3339(stale.next_update)));
    }
    // What is kept and can't be used may be replaced by anything that can.
    for old in before.and_then(|before| facts(trust, &before).ok()).unwrap_or_default() {
        match new.iter().filter(|list| list.issuer == old.issuer).map(|list| list.this_update).max() {
            None => return Err(format!("it lacks the CRL of {:?}, which is kept", old.issuer)),
            Some(newest) if newest < old.this_update => {
                return Err(format!(
                    "the CRL of {:?} is of {}, older than the one that is kept, of {}",
                    old.issuer,
                    rfc3339(newest),
                    rfc3339(old.this_update)
                ));
            }
            Some(_) => {}
        }
    }
    Ok(is_other)
}

fn facts(trust: &settings::Trust, bytes: &[u8]) -> Result<Vec<CrlFacts>, String> {
    let lists = pem::crls(bytes).map_err(|fault| format!("what was fetched{fault}"))?;
    let lists = lists.into_iter().map(|list| list.value).collect();
    // Those that can't be read are told of by a reload.
    let cas = trust.client_ca.iter().filter_map(|file| read_certificates(&file.value).ok()).flatten();
    let authorities = Authorities::new(cas.collect(), lists, RevocationPolicy::default())
        .map_err(|error| error.to_string())?;
    Ok(authorities.crls().collect())
}
