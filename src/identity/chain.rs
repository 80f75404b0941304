//! Path validation against the client CAs, RFC 5280 section 6.

mod refusal;

use std::{cell::RefCell, time::Duration};

use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{
    EndEntityCert, ExpirationPolicy, KeyUsage, RevocationCheckDepth, RevocationOptions,
    RevocationOptionsBuilder, UnknownStatusPolicy,
};

pub use refusal::ChainRefusal;

use super::{
    authorities::{Authorities, CrlDepth, RevocationPolicy, StaleCrl, ca::Ca, crl::Crl},
    certificate::{ClientCertificate, Validity, parse},
};

/// How many paths of one certificate are looked at. A real one has as many as its CAs are cross-signed.
const MAX_PATHS: usize = 16;

/// One valid path from the certificate to a client CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedPath {
    /// The CA certificates between leaf and anchor, the leaf's issuer first.
    pub intermediates: Vec<CertificateDer<'static>>,
    /// SHA-256 of the SubjectPublicKeyInfo of every CA on the path, the leaf's issuer first, the anchor last.
    pub issuer_keys: Vec<[u8; 32]>,
    /// When the path is valid: leaf, intermediates and anchor all are, and no CRL that was asked is stale.
    pub validity: Validity,
}

/// What path validation says of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainVerdict {
    /// There are valid paths, at least one.
    Verified(Vec<VerifiedPath>),
    /// There is none.
    Refused(ChainRefusal),
}

/// Looks for every valid path from the certificate to a client CA, at `now` in seconds since 1970.
///
/// webpki builds the paths and checks signatures, validity, clientAuth, basicConstraints, path lengths, DNS and IP name
/// constraints, and CRLs. Checked on top, since webpki does not: that each CA's keyUsage lets it issue; the anchor's own
/// validity, cA and path length; that no name constraint stands on the path that nobody judges; the leaf's keyUsage.
#[must_use]
pub fn verify_chain(certificate: &ClientCertificate, authorities: &Authorities, now: i64) -> ChainVerdict {
    match paths(certificate, authorities, now) {
        Ok(paths) => ChainVerdict::Verified(paths),
        Err(refusal) => ChainVerdict::Refused(refusal),
    }
}

/// A path that webpki found, not judged yet.
struct Candidate<'a> {
    anchor: usize,
    anchor_ca: &'a Ca,
    intermediates: Vec<CertificateDer<'static>>,
}

fn paths(
    certificate: &ClientCertificate,
    authorities: &Authorities,
    now: i64,
) -> Result<Vec<VerifiedPath>, ChainRefusal> {
    refuse_at_sight(certificate, authorities)?;
    let (candidates, error) = candidates(certificate, authorities, now)?;
    let mut verified: Vec<VerifiedPath> = Vec::new();
    let mut refusal = None;
    for candidate in &candidates {
        match judge(certificate, authorities, candidate, now) {
            Ok(path) if verified.contains(&path) => {}
            Ok(path) => verified.push(path),
            Err(reason) => refusal = refusal.or(Some(reason)),
        }
    }
    if verified.is_empty() {
        Err(refusal.unwrap_or_else(|| refusal::explain(&error, certificate, authorities, now)))
    } else {
        Ok(verified)
    }
}

/// What needs no path building: no CA, a CA itself, a self-signed certificate, an old version.
fn refuse_at_sight(certificate: &ClientCertificate, authorities: &Authorities) -> Result<(), ChainRefusal> {
    let key = super::thumbprint::sha256(certificate.spki_der());
    let is_anchor = |ca: &Ca| ca.spki_hash == key && ca.subject == *certificate.subject();
    if certificate.is_self_issued() {
        return Err(if authorities.cas().iter().any(is_anchor) {
            ChainRefusal::ClientCaAsClient { subject: certificate.subject().to_rfc4514() }
        } else if authorities.cas().iter().any(|ca| ca.subject == *certificate.subject()) {
            // It names a client CA as its issuer: only the signature can tell.
            return Ok(());
        } else {
            ChainRefusal::SelfSigned { version: certificate.version() }
        });
    }
    if certificate.version() != 3 {
        return Err(ChainRefusal::Version { version: certificate.version() });
    }
    if authorities.is_empty() {
        return Err(ChainRefusal::NoAuthorities);
    }
    Ok(())
}

/// Every path that webpki finds valid, without regard to CRLs, and what it says where it finds none.
fn candidates<'a>(
    certificate: &ClientCertificate,
    authorities: &'a Authorities,
    now: i64,
) -> Result<(Vec<Candidate<'a>>, webpki::Error), ChainRefusal> {
    let explain = |error| refusal::explain(&error, certificate, authorities, now);
    let leaf = EndEntityCert::try_from(certificate.der()).map_err(explain)?;
    let found = RefCell::new(Vec::new());
    let collect = |path: &webpki::VerifiedPath<'_>| {
        let mut anchors = authorities.anchors().iter().zip(authorities.cas()).enumerate();
        let anchor = anchors.find(|(_, (anchor, _))| std::ptr::eq(*anchor, path.anchor()));
        if let Some((anchor, (_, anchor_ca))) = anchor
            && found.borrow().len() < MAX_PATHS
        {
            let intermediates =
                path.intermediate_certificates().map(|cert| cert.der().into_owned()).collect();
            found.borrow_mut().push(Candidate { anchor, anchor_ca, intermediates });
        }
        // Never the last word, so that webpki looks for the next path; its budget ends the search.
        Err(webpki::Error::UnknownIssuer)
    };
    let result = leaf.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        authorities.anchors(),
        certificate.intermediates(),
        unix_time(now),
        KeyUsage::client_auth(),
        None,
        Some(&collect),
    );
    let error = result.err().unwrap_or(webpki::Error::UnknownIssuer);
    Ok((found.into_inner(), error))
}

/// Judges what webpki leaves open, then asks the CRLs.
fn judge(
    certificate: &ClientCertificate,
    authorities: &Authorities,
    candidate: &Candidate<'_>,
    now: i64,
) -> Result<VerifiedPath, ChainRefusal> {
    refuse_leaf_usage(certificate)?;
    let presented = candidate.intermediates.iter().map(|der| Ca::from_der(der));
    let mut cas = presented.collect::<Result<Vec<_>, _>>().map_err(malformed)?;
    let anchor = candidate.anchor_ca;
    if cas.iter().any(|ca| ca.spki_hash == anchor.spki_hash && ca.subject == anchor.subject) {
        // The anchor itself was presented: the path without it is the path.
        return Err(ChainRefusal::Detour);
    }
    cas.push(anchor.clone());
    let mut below = 0;
    for ca in &cas {
        if let Some(reason) = ca.unfit(now) {
            return Err(ChainRefusal::UnfitCa { subject: ca.subject.to_rfc4514(), reason });
        }
        if ca.path_length.is_some_and(|length| below > length) {
            return Err(ChainRefusal::PathLength { subject: Some(ca.subject.to_rfc4514()) });
        }
        below += u32::from(!ca.self_issued);
    }
    let leaf = certificate.validity();
    let mut validity = cas.iter().fold(leaf, |span, ca| span.intersect(&ca.validity));
    if let Some(fresh_until) = ask_crls(certificate, authorities, candidate, &cas, now)? {
        validity.not_after = validity.not_after.min(fresh_until);
    }
    Ok(VerifiedPath {
        intermediates: candidate.intermediates.clone(),
        issuer_keys: cas.iter().map(|ca| ca.spki_hash).collect(),
        validity,
    })
}

/// RFC 5280 section 4.2.1.3: a key that may neither sign nor agree is not for TLS client authentication.
fn refuse_leaf_usage(certificate: &ClientCertificate) -> Result<(), ChainRefusal> {
    let parsed = parse(certificate.der()).map_err(malformed)?;
    match parsed.key_usage().map_err(malformed)? {
        Some(usage) if !(usage.value.digital_signature() || usage.value.key_agreement()) => {
            Err(ChainRefusal::LeafKeyUsage)
        }
        _ => Ok(()),
    }
}

/// Asks the CRLs of the path's CAs; the last second in which all of them are fresh, where that matters.
fn ask_crls(
    certificate: &ClientCertificate,
    authorities: &Authorities,
    candidate: &Candidate<'_>,
    cas: &[Ca],
    now: i64,
) -> Result<Option<i64>, ChainRefusal> {
    let RevocationPolicy { stale, depth } = authorities.policy();
    let asked = match depth {
        CrlDepth::Chain => cas,
        CrlDepth::Leaf => cas.get(..1).unwrap_or_default(),
    };
    let concerns = |crl: &&Crl| asked.iter().any(|ca| crl.concerns(ca));
    let crls: Vec<&Crl> = authorities.revocation_lists().iter().filter(concerns).collect();
    if let [.., last] = asked
        && asked.len() == cas.len()
        && !last.may_sign_crls()
        && crls.iter().any(|crl| crl.concerns(last))
    {
        return Err(ChainRefusal::CrlIssuerNotSigner);
    }
    let lists: Vec<_> = crls.iter().map(|crl| &crl.list).collect();
    let Ok(options) = RevocationOptionsBuilder::new(&lists) else { return Ok(None) };
    let (expiration, fresh_until) = match stale {
        StaleCrl::Refuse => {
            (ExpirationPolicy::Enforce, crls.iter().map(|crl| crl.next_update.saturating_sub(1)).min())
        }
        StaleCrl::Report => (ExpirationPolicy::Ignore, None),
    };
    let options = options.with_expiration_policy(expiration);
    let depth = match depth {
        CrlDepth::Chain => RevocationCheckDepth::Chain,
        CrlDepth::Leaf => RevocationCheckDepth::EndEntity,
    };
    // A CA without any list is not asked.
    let all = options.with_depth(depth).with_status_policy(UnknownStatusPolicy::Allow).build();
    check(certificate, authorities, candidate, all, now)?;
    // But where a CA has lists of parts, one of them has to be this certificate's: else what is revoked would pass.
    if crls.iter().any(|crl| crl.is_partial) {
        let above = asked.get(1..).unwrap_or_default();
        let is_above = |crl: &&Crl| crl.is_partial && above.iter().any(|ca| crl.concerns(ca));
        let depth = if crls.iter().any(is_above) {
            RevocationCheckDepth::Chain
        } else {
            RevocationCheckDepth::EndEntity
        };
        let covered = options.with_depth(depth).with_status_policy(UnknownStatusPolicy::Deny).build();
        check(certificate, authorities, candidate, covered, now)?;
    }
    Ok(fresh_until)
}

/// Verifies the very path again, with CRLs.
fn check(
    certificate: &ClientCertificate,
    authorities: &Authorities,
    candidate: &Candidate<'_>,
    options: RevocationOptions<'_>,
    now: i64,
) -> Result<(), ChainRefusal> {
    let explain = |error| refusal::explain(&error, certificate, authorities, now);
    let leaf = EndEntityCert::try_from(certificate.der()).map_err(explain)?;
    let whole = |path: &webpki::VerifiedPath<'_>| {
        let same = path.intermediate_certificates().count() == candidate.intermediates.len();
        if same { Ok(()) } else { Err(webpki::Error::UnknownIssuer) }
    };
    let anchors = authorities.anchors().get(candidate.anchor..=candidate.anchor).unwrap_or_default();
    leaf.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        anchors,
        &candidate.intermediates,
        unix_time(now),
        KeyUsage::client_auth(),
        Some(options),
        Some(&whole),
    )
    .map_err(explain)?;
    Ok(())
}

fn malformed(error: impl std::error::Error) -> ChainRefusal {
    ChainRefusal::Malformed { reason: error.to_string() }
}

fn unix_time(seconds: i64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

#[cfg(test)]
mod tests;
