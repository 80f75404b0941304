//! Fetched CRLs and their cached files: which are valid, and whether a fetched CRL may replace the cached one.
//!
//! A CRL may be fetched over plain HTTP, where anyone on the network path can forge the response. It is valid only if it is
//! signed by a CA that the operator has configured.

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

/// The state of a source's cached file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CachedCrl {
    /// Every CRL in it is valid.
    Valid,
    /// The file does not exist.
    Missing,
    /// The file cannot be used. It is treated as missing.
    Invalid(CrlFault),
}

/// Why CRLs cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct CrlFault {
    /// The reason, for messages.
    pub why: String,
    /// When it ends without any change: a CRL that is dated in the future becomes valid.
    pub ends: Option<Timestamp>,
}

impl From<String> for CrlFault {
    fn from(why: String) -> Self {
        Self { why, ends: None }
    }
}

/// Checks the cached file of a source.
#[must_use]
pub fn cached_crl(trust: &settings::Trust, source: &CrlSource, now: Timestamp) -> CachedCrl {
    let file = &source.file.value;
    if !file.exists() {
        return CachedCrl::Missing;
    }
    let checked = file::read(file, file::LIMIT)
        .map_err(|error| file::unreadable(file, &error).what)
        .and_then(|bytes| {
            crls_in(&bytes).map_err(|fault| format!("{} {}", file.display(), fault.trim_start()))
        })
        .map_err(CrlFault::from)
        .and_then(|crls| validated(&signers(trust, source), crls, now));
    checked.map_or_else(CachedCrl::Invalid, |_| CachedCrl::Valid)
}

/// The source of a file that contains no valid CRL yet, and the state of the file.
pub(super) fn pending<'a>(
    trust: &'a settings::Trust,
    file: &Path,
    now: Timestamp,
) -> Option<(&'a CrlSource, CachedCrl)> {
    let source = trust.crl_sources.iter().find(|source| source.file.value == file)?;
    Some((source, cached_crl(trust, source, now))).filter(|(_, cached)| *cached != CachedCrl::Valid)
}

/// Judges fetched CRLs before they replace the cached ones. Each must be usable, current, signed by a client CA or an `issuer` of its
/// source, and not older than the cached CRL of the same issuer. Returns whether the content differs from the cached file.
///
/// # Errors
///
/// Why the fetched CRLs are rejected.
pub fn judge_fetched(
    trust: &settings::Trust,
    source: &CrlSource,
    fetched: &[u8],
    now: Timestamp,
) -> Result<bool, String> {
    let cached = file::replaceable(&source.file.value, Some("X509 CRL"))?;
    let is_changed = cached != fetched;
    let signers = signers(trust, source);
    let crls = crls_in(fetched).map_err(|fault| format!("the fetched document{fault}"))?;
    let new = validated(&signers, crls, now).map_err(|fault| fault.why)?;
    if let Some(stale) = new.iter().find(|crl| crl.next_update < now) {
        return Err(format!("the CRL of {:?} has been stale since {}", stale.issuer, stale.next_update));
    }
    // An invalid cached CRL does not limit what may replace it.
    let cached = crls_in(&cached).unwrap_or_default();
    let cached = cached.into_iter().filter_map(|crl| validated(&signers, vec![crl], now).ok()).flatten();
    for old in cached {
        match new.iter().filter(|crl| crl.issuer == old.issuer).map(|crl| crl.this_update).max() {
            None => {
                return Err(format!(
                    "the fetched document lacks the CRL of {:?}, which the cached file contains",
                    old.issuer
                ));
            }
            Some(newest) if newest < old.this_update => {
                return Err(format!(
                    "the CRL of {:?}, issued {newest}, is older than the cached one, issued {}",
                    old.issuer, old.this_update
                ));
            }
            Some(_) => {}
        }
    }
    Ok(is_changed)
}

fn crls_in(bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let crls = pem::crls(bytes).map_err(|fault| fault.to_string())?;
    Ok(crls.into_iter().map(|crl| crl.value).collect())
}

/// The CA certificates that may sign a CRL of this source.
fn signers(trust: &settings::Trust, source: &CrlSource) -> Vec<CertificateDer<'static>> {
    // Building the site reports the files that cannot be read.
    let files = trust.client_ca.iter().map(|ca| &ca.file).chain(&source.issuer);
    files.filter_map(|file| read_certificates(&file.value).ok()).flatten().collect()
}

/// The facts of these CRLs if all are valid.
fn validated(
    signers: &[CertificateDer<'static>],
    crls: Vec<Vec<u8>>,
    now: Timestamp,
) -> Result<Vec<CrlFacts>, CrlFault> {
    let authorities = Authorities::new(signers.to_vec(), crls, RevocationPolicy::default())
        .map_err(|error| error.to_string())?;
    let facts: Vec<CrlFacts> = authorities.crls().collect();
    for crl in &facts {
        if let Some(algorithm) = &crl.unaccepted_algorithm {
            let issuer = &crl.issuer;
            return Err(
                format!("the CRL of {issuer:?} is signed with {algorithm}, which is not accepted").into()
            );
        }
        if crl.signer.is_none() {
            return Err(format!(
                "the CRL of {:?} is not signed by a client CA or an issuer of its source: set issuer, beside url, to its CA's certificate",
                crl.issuer
            )
            .into());
        }
        if crl.is_future_dated(now) {
            let why = format!("the CRL of {:?} is dated in the future: {}", crl.issuer, crl.this_update);
            return Err(CrlFault { why, ends: Some(crl.usable_from()) });
        }
    }
    Ok(facts)
}
