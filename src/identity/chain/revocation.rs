//! What the CRLs say of one certificate (RFC 5280 section 6.3).

use super::{
    budget::Budget,
    refusal::{ChainRefusal, shown},
};
use crate::{
    clock::Timestamp,
    identity::authorities::{
        Authorities, Signer, StaleCrl,
        ca::Ca,
        crl::{CLOCK_SKEW, Crl},
    },
};

/// What the lists are asked about.
pub(super) struct Target<'a> {
    pub(super) serial: &'a [u8],
    /// cRLDistributionPoints: the content of its sequence.
    pub(super) points: Option<&'a [u8]>,
    pub(super) is_ca: bool,
    /// noRevAvail (RFC 9608): its CA publishes no list for it. One that revokes it counts nevertheless.
    pub(super) no_revocation: bool,
}

/// What the lists answer of a certificate that they do not revoke.
pub(super) struct Coverage {
    /// The last second for which it holds.
    pub(super) until: Timestamp,
    /// Whether a list speaks of the certificate.
    pub(super) is_covered: bool,
    /// Whether its CA has lists of a part of its certificates.
    pub(super) is_partitioned: bool,
}

impl Coverage {
    const UNCHECKED: Self = Self { until: Timestamp::MAX, is_covered: false, is_partitioned: false };
    /// No list is needed.
    const EXEMPT: Self = Self { is_covered: true, ..Self::UNCHECKED };
}

/// Asks the lists of the CA that has issued the certificate.
///
/// A CA without any list is not checked. Of several lists the newest counts that is not dated in the future.
pub(super) fn check(
    target: &Target<'_>,
    issuer: &Ca,
    authorities: &Authorities,
    now: Timestamp,
    budget: &mut Budget,
) -> Result<Coverage, ChainRefusal> {
    let own = match signed_crls(issuer, authorities, budget) {
        Err(_) if target.no_revocation => return Ok(Coverage::EXEMPT),
        own => own?,
    };
    if own.is_empty() {
        return Ok(if target.no_revocation { Coverage::EXEMPT } else { Coverage::UNCHECKED });
    }
    let covers =
        |crl: &&&Crl| crl.scope.as_ref().is_none_or(|scope| scope.covers(target.is_ca, target.points));
    let covering: Vec<&Crl> = own.iter().filter(covers).copied().collect();
    // The newest first; where all are from the future, the one nearest to now.
    let current = covering.iter().find(|crl| !crl.is_future_dated(now)).or(covering.last());
    let Some(crl) = current else {
        return if target.no_revocation { Ok(Coverage::EXEMPT) } else { Err(ChainRefusal::NoCoveringCrl) };
    };
    let to_come = covering.iter().filter(|crl| crl.is_future_dated(now)).map(|crl| crl.this_update);
    let mut until = to_come.min().map_or(Timestamp::MAX, |begins| (begins - CLOCK_SKEW).previous());
    if authorities.policy().stale == StaleCrl::Refuse && !target.no_revocation {
        if now >= crl.next_update {
            return Err(ChainRefusal::StaleCrl { next_update: crl.next_update });
        }
        until = until.min(crl.next_update.previous());
    }
    if !issuer.may_sign_crls() {
        let refusal = || ChainRefusal::CrlIssuerNotSigner { subject: shown(&issuer.subject) };
        return if target.no_revocation { Ok(Coverage::EXEMPT) } else { Err(refusal()) };
    }
    if crl.revokes(target.serial) {
        return Err(ChainRefusal::Revoked);
    }
    let is_partitioned = own.iter().any(|crl| crl.scope.is_some());
    Ok(Coverage { until, is_covered: true, is_partitioned })
}

/// The lists that a CA has signed, the newest first. Lists of its name that it has not signed are passed over while there is
/// one that it has; else they are an error, since nobody knows what the true list would say.
fn signed_crls<'a>(
    issuer: &Ca,
    authorities: &'a Authorities,
    budget: &mut Budget,
) -> Result<Vec<&'a Crl>, ChainRefusal> {
    let mut own = Vec::new();
    let mut fault = None;
    for crl in authorities.crls_of(&issuer.subject) {
        // Another client CA of the same name has signed it.
        if crl.is_signed_by_namesake(issuer) {
            continue;
        }
        if crl.needs_check() {
            budget.consume_signature()?;
        }
        match crl.signer(issuer) {
            Signer::Yes => own.push(crl),
            Signer::No => fault = Some(ChainRefusal::CrlSignature),
            Signer::Algorithm(algorithm) => {
                let (issuer, algorithm) = (shown(&issuer.subject), algorithm.to_owned());
                fault = fault.or(Some(ChainRefusal::CrlAlgorithm { issuer, algorithm }));
            }
        }
    }
    match fault {
        Some(fault) if own.is_empty() => Err(fault),
        _ => Ok(own),
    }
}
