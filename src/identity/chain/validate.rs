//! Validates one path, except for its signatures (RFC 5280 section 6.1).

use rustls_pki_types::CertificateDer;

use super::{
    VerifiedPath,
    budget::Budget,
    constraints, policies,
    refusal::{ChainRefusal, CrlFault, PathMember, shown},
    revocation::{self, Fault, Target},
};
use crate::{
    clock::Timestamp,
    identity::{
        authorities::{
            Authorities, CrlDepth, Purpose,
            ca::{Ca, UnusableCa},
        },
        certificate::{ClientCertificate, Validity},
        x509::{Extensions, Malformed, extensions::KeyUsage},
    },
};

/// id-kp-clientAuth, 1.3.6.1.5.5.7.3.2.
const CLIENT_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];
const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];

/// A path with valid signatures.
pub(super) struct Path<'a> {
    pub(super) leaf: &'a ClientCertificate,
    pub(super) extensions: &'a Extensions,
    /// The CAs, the leaf's issuer first: the presented ones, then the client CA that has issued the last of them, then the
    /// client CAs above that.
    pub(super) cas: Vec<&'a Ca>,
    /// How many of `cas` were presented.
    pub(super) presented: usize,
}

fn member(ca: &Ca) -> PathMember {
    PathMember::Ca(shown(&ca.subject))
}

pub(super) fn malformed(member: PathMember, malformed: &Malformed) -> ChainRefusal {
    ChainRefusal::Malformed { member, reason: malformed.to_string() }
}

impl Path<'_> {
    /// Validates the path at `now`. Returns one path for each client CA that can be its trust anchor, the nearest first.
    ///
    /// Constraints and CRLs of the client CAs above the nearest apply too. If one of those has expired or may not issue, the
    /// path is valid nevertheless, since the operator trusts the nearest by itself; but it is not a trust anchor.
    pub(super) fn judge(
        &self,
        authorities: &Authorities,
        now: Timestamp,
        budget: &mut Budget,
    ) -> Result<Vec<VerifiedPath>, ChainRefusal> {
        let (presented, trusted) = self.cas.split_at_checked(self.presented).unwrap_or_default();
        let Some((anchor, above)) = trusted.split_first() else { return Ok(Vec::new()) };
        judge_leaf(self.extensions, anchor.purpose)?;
        for ca in presented {
            if let Some(reason) = ca.unusable(now).filter(|reason| reason.depends_on_time()) {
                return Err(self.outside_validity(None, reason));
            }
            judge_presented(ca, anchor.purpose, now)?;
        }
        if let Some(reason) = anchor.unusable(now) {
            let subject = shown(&anchor.subject);
            return Err(if reason.depends_on_time() {
                self.outside_validity(Some(subject), reason)
            } else {
                ChainRefusal::UnusableCa { subject, reason }
            });
        }
        self.judge_lengths()?;
        self.judge_names(budget)?;
        self.judge_policies()?;
        let mut validity = presented
            .iter()
            .chain([anchor])
            .fold(self.leaf.validity(), |span, ca| span.intersect(&ca.validity));
        validity.not_after = validity.not_after.min(self.check_crls(authorities, now, budget)?);
        let usable = above.iter().take_while(|ca| ca.unusable(now).is_none()).count();
        for ca in above {
            validity = validity.intersect(&unchanged(ca.validity, now));
        }
        let ends = self.presented..=self.presented + usable;
        Ok(ends.map(|end| self.ending_at(end, validity)).collect())
    }

    fn outside_validity(&self, client_ca: Option<String>, reason: UnusableCa) -> ChainRefusal {
        ChainRefusal::CaOutsideValidity { client_ca, reason, issuer_keys: self.issuer_keys() }
    }

    fn uncheckable(&self, fault: CrlFault) -> ChainRefusal {
        ChainRefusal::Crl { fault, issuer_keys: self.issuer_keys() }
    }

    fn issuer_keys(&self) -> Box<[[u8; 32]]> {
        self.cas.iter().map(|ca| ca.spki_hash).collect()
    }

    /// The path with the CA at this index as its trust anchor.
    fn ending_at(&self, end: usize, validity: Validity) -> VerifiedPath {
        VerifiedPath {
            intermediates: self
                .cas
                .iter()
                .take(end)
                .map(|ca| ca.der.clone())
                .collect::<Vec<CertificateDer<'_>>>(),
            issuer_keys: self.cas.iter().take(end + 1).map(|ca| ca.spki_hash).collect(),
            validity,
        }
    }

    /// pathLenConstraint, section 6.1.4 (l) and (m).
    fn judge_lengths(&self) -> Result<(), ChainRefusal> {
        let mut below = 0;
        for ca in &self.cas {
            if ca.extensions.path_length().is_some_and(|length| below > length) {
                return Err(ChainRefusal::PathLength { subject: shown(&ca.subject) });
            }
            below += u32::from(!ca.is_self_issued());
        }
        Ok(())
    }

    /// Section 6.1.3 (b) and (c): the constraints of a CA apply to all certificates below it, except self-issued CAs.
    fn judge_names(&self, budget: &mut Budget) -> Result<(), ChainRefusal> {
        for (index, ca) in self.cas.iter().enumerate() {
            let constraints = match &ca.extensions.name_constraints {
                None => continue,
                Some(Ok(constraints)) => constraints,
                Some(Err(_)) => {
                    let reason = UnusableCa::MalformedConstraints;
                    return Err(ChainRefusal::UnusableCa { subject: shown(&ca.subject), reason });
                }
            };
            let leaf = constraints::Names {
                subject: self.leaf.subject(),
                alternative: self.extensions.alternative_names.as_deref(),
                member: &|| PathMember::Client,
            };
            constraints::judge(constraints, &ca.subject, &leaf, budget)?;
            for below in self.cas.iter().take(index).filter(|below| !below.is_self_issued()) {
                let names = constraints::Names {
                    subject: &below.subject,
                    alternative: below.extensions.alternative_names.as_deref(),
                    member: &|| member(below),
                };
                constraints::judge(constraints, &ca.subject, &names, budget)?;
            }
        }
        Ok(())
    }

    /// Certificate policies of all certificates below the highest client CA.
    fn judge_policies(&self) -> Result<(), ChainRefusal> {
        let below_anchor = self.cas.len().saturating_sub(1);
        let cas = self.cas.iter().take(below_anchor).rev();
        let cas = cas.map(|ca| (Some(*ca), &ca.extensions, ca.is_self_issued()));
        let leaf = [(None, self.extensions, self.leaf.is_self_issued())];
        let links = cas.chain(leaf).map(|(ca, extensions, is_self_issued)| {
            let subject = ca.map(|ca| &ca.subject);
            let policies = extensions.policies.as_ref();
            let policies =
                policies.map_err(|fault| malformed(ca.map_or(PathMember::Client, member), fault))?;
            Ok(policies::Link { policies, is_self_issued, ca: subject })
        });
        let links = links.collect::<Result<Vec<_>, ChainRefusal>>()?;
        policies::judge(&links)
    }

    /// Checks each certificate for revocation by its issuer's CRLs. Returns the last second for which the result is valid.
    fn check_crls(
        &self,
        authorities: &Authorities,
        now: Timestamp,
        budget: &mut Budget,
    ) -> Result<Timestamp, ChainRefusal> {
        let leaf = Target {
            serial: self.leaf.serial(),
            points: self.extensions.distribution_points.as_deref(),
            is_ca: false,
            // RFC 9608 section 3: noRevAvail contradicts cRLDistributionPoints, so it is ignored.
            no_revocation: self.extensions.no_revocation && self.extensions.distribution_points.is_none(),
        };
        let Some(issuer) = self.cas.first() else { return Ok(Timestamp::MAX) };
        let mut check = |target: &Target<'_>, issuer: &Ca| {
            revocation::check(target, issuer, authorities, now, budget).map_err(|fault| match fault {
                Fault::Crl(fault) => self.uncheckable(fault),
                Fault::Other(refusal) => refusal,
            })
        };
        let mut coverages = vec![check(&leaf, issuer)?];
        let above = match authorities.policy().depth {
            CrlDepth::Leaf => 0,
            CrlDepth::Chain => self.cas.len(),
        };
        for (ca, issuer) in self.cas.iter().zip(self.cas.iter().skip(1)).take(above) {
            let target = Target {
                serial: &ca.serial,
                points: ca.extensions.distribution_points.as_deref(),
                is_ca: true,
                no_revocation: false,
            };
            coverages.push(check(&target, issuer)?);
        }
        // If a CA above the issuing CA has partitioned CRLs, each certificate up to the nearest client CA must be covered.
        let presented = coverages.get(..=self.presented).unwrap_or(&coverages);
        if presented.iter().skip(1).any(|coverage| coverage.is_partitioned)
            && !presented.iter().all(|coverage| coverage.is_covered)
        {
            return Err(self.uncheckable(CrlFault::NotCovering));
        }
        Ok(coverages.iter().map(|coverage| coverage.until).min().unwrap_or(Timestamp::MAX))
    }
}

/// The period around `now` in which a CA's validity does not change.
fn unchanged(validity: Validity, now: Timestamp) -> Validity {
    if now < validity.not_before {
        Validity { not_before: Timestamp::MIN, not_after: validity.not_before.previous() }
    } else if now > validity.not_after {
        Validity { not_before: validity.not_after.next(), not_after: Timestamp::MAX }
    } else {
        validity
    }
}

fn judge_presented(ca: &Ca, purpose: Purpose, now: Timestamp) -> Result<(), ChainRefusal> {
    let subject = || shown(&ca.subject);
    match ca.unusable(now) {
        None => {}
        Some(UnusableCa::NotCa) => return Err(ChainRefusal::IssuerNotCa { subject: subject() }),
        Some(reason) => return Err(ChainRefusal::UnusableCa { subject: subject(), reason }),
    }
    refuse_unknown(&ca.extensions, || member(ca))?;
    judge_purpose(&ca.extensions, purpose, || member(ca))?;
    if ca.extensions.no_revocation {
        return Err(ChainRefusal::NoRevocationForCa { subject: subject() });
    }
    Ok(())
}

/// Judges the extensions of a client certificate.
pub(super) fn judge_leaf(extensions: &Extensions, purpose: Purpose) -> Result<(), ChainRefusal> {
    if extensions.is_ca() {
        return Err(ChainRefusal::CaAsClient);
    }
    refuse_unknown(extensions, || PathMember::Client)?;
    judge_purpose(extensions, purpose, || PathMember::Client)?;
    // Section 4.2.1.3: TLS client authentication needs a key for signatures or key agreement.
    if !extensions.allows(KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_AGREEMENT) {
        return Err(ChainRefusal::LeafKeyUsage);
    }
    Ok(())
}

/// Section 4.2: an unsupported critical extension.
fn refuse_unknown(extensions: &Extensions, member: impl Fn() -> PathMember) -> Result<(), ChainRefusal> {
    match &extensions.unknown_critical {
        Some(extension) => {
            Err(ChainRefusal::CriticalExtension { extension: extension.clone(), member: member() })
        }
        None => Ok(()),
    }
}

/// Section 4.2.1.12: a certificate without extKeyUsage is accepted for every purpose.
fn judge_purpose(
    extensions: &Extensions,
    purpose: Purpose,
    member: impl Fn() -> PathMember,
) -> Result<(), ChainRefusal> {
    let Some(purposes) = &extensions.purposes else { return Ok(()) };
    let has = |wanted: &[u8]| purposes.iter().any(|purpose| **purpose == *wanted);
    let is_accepted = match purpose {
        Purpose::Client => has(CLIENT_AUTH),
        Purpose::ClientOrServer => has(CLIENT_AUTH) || has(SERVER_AUTH),
        Purpose::Any => !purposes.is_empty(),
    };
    if is_accepted { Ok(()) } else { Err(ChainRefusal::NotForClientAuth { purpose, member: member() }) }
}
