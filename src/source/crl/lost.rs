//! CRLs of the active site that the next one would lose by mistake.

use std::collections::HashSet;

use crate::{
    config::{
        Problem,
        settings::{self, CrlSource},
    },
    identity::CrlFacts,
    trust::Trust,
};

const FETCH: &str = "place the CRL in the file, or wait for the next fetch, which writes it; until then no change of the configuration applies";
const WRITE: &str = "write the CRL of that CA to the file; to stop checking its certificates for revocation, remove the file from crls";

/// Reports the CAs that have a CRL in the active trust and none in the next one, though nobody has removed its file from `crls`: it was
/// overwritten with that of another CA, or is still to be fetched. Without a CRL nothing is checked for revocation.
pub(super) fn lost(
    settings: &settings::Trust,
    next: &Trust,
    active: &Trust,
    to_fetch: &[&CrlSource],
) -> Vec<Problem> {
    let mut seen = HashSet::new();
    let lost = active.authorities.crls().filter(|former| is_lost(former, next));
    let of_different_cas = lost.filter(|former| seen.insert((former.issuer.clone(), former.signer)));
    of_different_cas.filter_map(|former| report(&former, settings, active, to_fetch)).collect()
}

/// Whether the next trust may accept certificates of the CRL's CA and has no CRL of it. Any CA that is not a client CA may be an
/// intermediate, which clients present.
fn is_lost(former: &CrlFacts, next: &Trust) -> bool {
    let is_accepted = former.signer.is_none_or(|signer| next.authorities.has_ca(&former.issuer, &signer));
    let is_successor = |crl: CrlFacts| {
        // One that none of the CAs of this name has signed refuses certificates.
        let may_be_by = |signer| crl.signer.is_none_or(|other| other == signer);
        crl.issuer == former.issuer && former.signer.is_none_or(may_be_by)
    };
    is_accepted && !next.authorities.crls().any(is_successor)
}

/// The problem of a lost CRL; none if its file was removed from the configuration, and no other one may replace it.
fn report(
    former: &CrlFacts,
    settings: &settings::Trust,
    active: &Trust,
    to_fetch: &[&CrlSource],
) -> Option<Problem> {
    let former_file = active.crl_files.get(former.index)?;
    let file = settings.crls.iter().find(|file| file.value == *former_file);
    let whose = if former.signer.is_some() { "the client CA" } else { "the CA" };
    let crl = format!("the CRL of {whose} {:?}", former.issuer);
    let shown = former_file.display();
    let (span, what, help) = match (file, to_fetch.first()) {
        (Some(file), Some(_)) if to_fetch.iter().any(|source| source.file.value == file.value) => {
            (&file.span, format!("{shown} was deleted, with {crl}"), FETCH)
        }
        (Some(file), _) => (&file.span, format!("{shown} does not contain {crl}"), WRITE),
        // What it will contain is not known yet.
        (None, Some(CrlSource { url, .. })) => {
            let what = format!(
                "the CRL from {} is not fetched yet, and {shown} with {crl} is not configured any more",
                url.value
            );
            (&url.span, what, FETCH)
        }
        (None, None) => return None,
    };
    let what = format!("{what}: its revoked certificates would be accepted");
    Some(Problem::error(span, "trust.crls", what).help(help))
}
