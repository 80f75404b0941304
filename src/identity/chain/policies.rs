//! Certificate policies (RFC 5280 section 6.1, updated by RFC 9618). The initial policy set is anyPolicy, and only the CAs of the
//! path inhibit or require anything.

use std::collections::{BTreeMap, BTreeSet};

use super::refusal::{ChainRefusal, PathMember, shown};
use crate::identity::{name::DistinguishedName, x509::extensions::Policies};

/// anyPolicy, 2.5.29.32.0.
const ANY_POLICY: &[u8] = &[0x55, 0x1d, 0x20, 0x00];

/// A certificate of the path.
pub(super) struct Link<'a> {
    pub(super) policies: &'a Policies,
    pub(super) is_self_issued: bool,
    /// The subject of a CA; `None` for the client.
    pub(super) ca: Option<&'a DistinguishedName>,
}

impl Link<'_> {
    fn member(&self) -> PathMember {
        self.ca.map_or(PathMember::Client, |name| PathMember::Ca(shown(name)))
    }
}

/// The deepest level of RFC 9618's policy graph: each valid policy with its expected policy set. The levels above are not
/// needed, since the initial policy set is anyPolicy.
type Level<'a> = BTreeMap<&'a [u8], BTreeSet<&'a [u8]>>;

/// Judges the certificates below the trust anchor, the client's last.
pub(super) fn judge(path: &[Link<'_>]) -> Result<(), ChainRefusal> {
    // Without requireExplicitPolicy on the path nothing can fail.
    if path.iter().all(|link| link.policies.require_explicit.is_none()) {
        return refuse_any_policy_mapped(path);
    }
    refuse_any_policy_mapped(path)?;
    let unlimited = u32::try_from(path.len()).unwrap_or(u32::MAX).saturating_add(1);
    let (mut explicit, mut mapping, mut any) = (unlimited, unlimited, unlimited);
    let mut required_by = None;
    let mut lost = None;
    let mut level: Level<'_> = BTreeMap::from([(ANY_POLICY, BTreeSet::from([ANY_POLICY]))]);
    for (depth, link) in path.iter().enumerate() {
        let is_last = depth + 1 == path.len();
        level = descend(&level, link, any > 0 || (!is_last && link.is_self_issued));
        if level.is_empty() {
            lost.get_or_insert(depth);
        }
        let refusal = |required_by: Option<usize>| {
            let member =
                |at: Option<usize>| at.and_then(|at| path.get(at)).map_or(PathMember::Client, Link::member);
            let lost = match lost.and_then(|at| path.get(at)) {
                Some(link) if link.policies.named.is_none() => {
                    format!("{} has no certificatePolicies (2.5.29.32)", link.member())
                }
                Some(link) => {
                    format!(
                        "certificatePolicies (2.5.29.32) of {} has none that its CAs allow",
                        link.member()
                    )
                }
                None => "none is left".to_owned(),
            };
            Err(ChainRefusal::PolicyRequired { by: member(required_by), lost })
        };
        if explicit == 0 && level.is_empty() {
            return refusal(required_by);
        }
        let own = link.policies;
        if is_last {
            // Section 6.1.5 (a) and (b).
            explicit = explicit.saturating_sub(1);
            if own.require_explicit == Some(0) {
                explicit = 0;
                required_by.get_or_insert(depth);
            }
            if explicit == 0 && level.is_empty() {
                return refusal(required_by);
            }
            break;
        }
        map(&mut level, own, mapping > 0);
        if level.is_empty() {
            lost.get_or_insert(depth);
        }
        if !link.is_self_issued {
            explicit = explicit.saturating_sub(1);
            mapping = mapping.saturating_sub(1);
            any = any.saturating_sub(1);
        }
        if let Some(within) = own.require_explicit
            && within < explicit
        {
            explicit = within;
            required_by = Some(depth);
        }
        mapping = own.inhibit_mapping.map_or(mapping, |within| within.min(mapping));
        any = own.inhibit_any.map_or(any, |within| within.min(any));
    }
    Ok(())
}

/// Refuses mappings of anyPolicy, section 6.1.4 (a).
fn refuse_any_policy_mapped(path: &[Link<'_>]) -> Result<(), ChainRefusal> {
    let maps_any = |link: &&Link<'_>| {
        link.policies.mappings.iter().any(|(from, to)| **from == *ANY_POLICY || **to == *ANY_POLICY)
    };
    match path.iter().find(maps_any) {
        Some(link) => {
            let reason = "its extension policyMappings (2.5.29.33) maps anyPolicy".to_owned();
            Err(ChainRefusal::Malformed { member: link.member(), reason })
        }
        None => Ok(()),
    }
}

/// Section 6.1.3 (d) and (e): the level of a certificate, from that of its issuer.
fn descend<'a>(above: &Level<'a>, link: &Link<'a>, any_counts: bool) -> Level<'a> {
    let Some(policies) = &link.policies.named else { return Level::new() };
    let expected: BTreeSet<&[u8]> = above.values().flatten().copied().collect();
    let mut level = Level::new();
    for policy in policies.iter().map(|policy| &**policy).filter(|policy| *policy != ANY_POLICY) {
        if expected.contains(policy) || above.contains_key(ANY_POLICY) {
            level.insert(policy, BTreeSet::from([policy]));
        }
    }
    if any_counts && policies.iter().any(|policy| **policy == *ANY_POLICY) {
        for policy in expected {
            level.entry(policy).or_insert_with(|| BTreeSet::from([policy]));
        }
    }
    level
}

/// Applies policyMappings, section 6.1.4 (b).
fn map<'a>(level: &mut Level<'a>, policies: &'a Policies, is_allowed: bool) {
    let mut mapped: Level<'a> = BTreeMap::new();
    for (from, to) in &policies.mappings {
        mapped.entry(from).or_default().insert(to);
    }
    for (from, to) in mapped {
        if !is_allowed {
            level.remove(from);
        } else if level.contains_key(from) || level.contains_key(ANY_POLICY) {
            level.insert(from, to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &[u8] = &[1];
    const B: &[u8] = &[2];
    const ANY: &[u8] = ANY_POLICY;

    fn with(policies: &[&[u8]]) -> Policies {
        let policies = policies.iter().map(|policy| Box::from(*policy)).collect();
        Policies { named: Some(policies), ..Policies::default() }
    }

    fn requiring(policies: Policies, require_explicit: u32) -> Policies {
        Policies { require_explicit: Some(require_explicit), ..policies }
    }

    fn mapping(policies: Policies, from: &[u8], to: &[u8]) -> Policies {
        Policies { mappings: vec![(from.into(), to.into())], ..policies }
    }

    fn passes(path: &[Policies]) -> bool {
        let links: Vec<Link<'_>> =
            path.iter().map(|policies| Link { policies, is_self_issued: false, ca: None }).collect();
        judge(&links).is_ok()
    }

    #[test]
    fn without_a_requirement_everything_passes() {
        for path in [
            vec![],
            vec![Policies::default()],
            vec![with(&[A]), with(&[B])],
            vec![with(&[A]), Policies::default()],
        ] {
            assert!(passes(&path));
        }
    }

    #[test]
    fn a_required_policy_must_be_in_every_certificate() {
        for (ca, leaf, result) in [
            (with(&[A]), with(&[A]), true),
            (with(&[A]), with(&[B]), false),
            (with(&[A]), with(&[A, B]), true),
            (with(&[A]), with(&[ANY]), true),
            (with(&[ANY]), with(&[B]), true),
            (with(&[A]), Policies::default(), false),
            (Policies::default(), with(&[A]), false),
        ] {
            assert_eq!(passes(&[requiring(ca, 0), leaf]), result);
        }
        // The client certificate can require a policy too, with the number 0.
        assert!(!passes(&[with(&[A]), requiring(with(&[B]), 0)]));
        assert!(passes(&[with(&[A]), requiring(with(&[B]), 1)]));
    }

    #[test]
    fn require_explicit_policy_counts_certificates() {
        // Section 4.2.1.11: the number of further certificates before a policy is required. The last one counts down once more.
        let path = |number| [requiring(with(&[A]), number), with(&[A]), Policies::default()];
        for (number, result) in [(0, false), (1, false), (2, false), (3, true)] {
            assert_eq!(passes(&path(number)), result, "{number}");
        }
    }

    #[test]
    fn a_mapped_policy_is_the_one_below() {
        let ca = |below: &[u8]| [requiring(mapping(with(&[A]), A, B), 0), with(&[below])];
        assert!(passes(&ca(B)));
        assert!(!passes(&ca(A)));
        let inhibited = Policies { inhibit_mapping: Some(0), ..requiring(with(&[A]), 0) };
        assert!(!passes(&[inhibited, mapping(with(&[A]), A, B), with(&[B])]));
        assert!(passes(&[requiring(mapping(with(&[ANY]), A, B), 0), with(&[B])]));
        assert!(!passes(&[mapping(with(&[A]), ANY, B), with(&[B])]));
        assert!(!passes(&[mapping(with(&[A]), A, ANY), with(&[B])]));
    }

    #[test]
    fn any_policy_can_be_inhibited() {
        let inhibiting = Policies { inhibit_any: Some(0), ..requiring(with(&[A]), 0) };
        assert!(passes(&[inhibiting.clone(), with(&[A])]));
        assert!(!passes(&[inhibiting.clone(), with(&[ANY])]));
        assert!(!passes(&[Policies { named: with(&[ANY]).named, ..inhibiting }, with(&[ANY])]));
    }
}
