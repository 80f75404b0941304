//! Checks one certificate for revocation (RFC 5280 section 6.3).

use super::{
    budget::Budget,
    refusal::{ChainRefusal, CrlFault, shown},
};
use crate::{
    clock::Timestamp,
    identity::authorities::{
        Authorities, Signer, StaleCrl,
        ca::Ca,
        crl::{CLOCK_SKEW, Crl},
    },
};

/// The certificate to check.
pub(super) struct Target<'a> {
    pub(super) serial: &'a [u8],
    /// The content of the cRLDistributionPoints SEQUENCE.
    pub(super) points: Option<&'a [u8]>,
    pub(super) is_ca: bool,
    /// noRevAvail (RFC 9608): its CA publishes no CRL for it. A CRL that revokes it applies nevertheless.
    pub(super) no_revocation: bool,
}

/// How CRLs cover a certificate that they do not revoke.
pub(super) struct Coverage {
    /// The last second for which this is valid.
    pub(super) until: Timestamp,
    /// Whether a CRL covers the certificate, or none is needed.
    pub(super) is_covered: bool,
    /// Whether its CA has partitioned CRLs.
    pub(super) is_partitioned: bool,
}

impl Coverage {
    const UNCHECKED: Self = Self { until: Timestamp::MAX, is_covered: false, is_partitioned: false };
    /// No CRL is needed.
    const EXEMPT: Self = Self { is_covered: true, ..Self::UNCHECKED };
}

/// Why a certificate is refused.
pub(super) enum Fault {
    /// The CRLs do not show whether it is revoked.
    Crl(CrlFault),
    /// For another reason.
    Other(ChainRefusal),
}

impl From<CrlFault> for Fault {
    fn from(fault: CrlFault) -> Self {
        Self::Crl(fault)
    }
}

impl From<ChainRefusal> for Fault {
    fn from(refusal: ChainRefusal) -> Self {
        Self::Other(refusal)
    }
}

/// Checks a certificate by the CRLs of its issuer.
///
/// Without any CRL of the issuer nothing is checked. Of several CRLs the newest applies that is not dated in the future.
pub(super) fn check(
    target: &Target<'_>,
    issuer: &Ca,
    authorities: &Authorities,
    now: Timestamp,
    budget: &mut Budget,
) -> Result<Coverage, Fault> {
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
    // The newest is first. If all are dated in the future, the oldest applies.
    let current = covering.iter().find(|crl| !crl.is_future_dated(now)).or(covering.last());
    let Some(crl) = current else {
        return if target.no_revocation { Ok(Coverage::EXEMPT) } else { Err(CrlFault::NotCovering.into()) };
    };
    let upcoming = covering.iter().filter(|crl| crl.is_future_dated(now)).map(|crl| crl.this_update);
    let mut until = upcoming.min().map_or(Timestamp::MAX, |begins| (begins - CLOCK_SKEW).previous());
    if !issuer.may_sign_crls() {
        let fault = || CrlFault::IssuerNotSigner { subject: shown(&issuer.subject) };
        return if target.no_revocation { Ok(Coverage::EXEMPT) } else { Err(fault().into()) };
    }
    // A stale CRL revokes, too.
    if crl.revokes(target.serial) {
        return Err(ChainRefusal::Revoked.into());
    }
    if authorities.policy().stale == StaleCrl::Refuse && !target.no_revocation {
        if now >= crl.next_update {
            return Err(CrlFault::Stale { next_update: crl.next_update }.into());
        }
        until = until.min(crl.next_update.previous());
    }
    let is_partitioned = own.iter().any(|crl| crl.scope.is_some());
    Ok(Coverage { until, is_covered: true, is_partitioned })
}

/// The CRLs that a CA has signed, the newest first. Other CRLs with its name are ignored if there is one that it has signed;
/// else they are an error, since the CA's own CRL may revoke the certificate.
fn signed_crls<'a>(
    issuer: &Ca,
    authorities: &'a Authorities,
    budget: &mut Budget,
) -> Result<Vec<&'a Crl>, Fault> {
    let mut own = Vec::new();
    let mut fault = None;
    for crl in authorities.crls_of(&issuer.subject) {
        // Another client CA with the same name has signed it.
        if crl.is_signed_by_namesake(issuer) {
            continue;
        }
        if crl.needs_check() {
            budget.consume_signature()?;
        }
        match crl.signer(issuer) {
            Signer::Yes => own.push(crl),
            Signer::No => fault = Some(CrlFault::Signature),
            Signer::Algorithm(algorithm) => {
                let (issuer, algorithm) = (shown(&issuer.subject), algorithm.to_owned());
                fault = fault.or(Some(CrlFault::Algorithm { issuer, algorithm }));
            }
        }
    }
    match fault {
        Some(fault) if own.is_empty() => Err(fault.into()),
        _ => Ok(own),
    }
}
