//! Name constraints (RFC 5280 section 4.2.1.10).

mod host;
mod mailbox;

use super::{
    budget::Budget,
    refusal::{ChainRefusal, PathMember, clipped, shown},
};
use crate::identity::{
    name::DistinguishedName,
    x509::{
        extensions::{NameConstraints, Subtree},
        general_name::{GeneralName, NameKind},
    },
};

/// The names of a certificate below the CA.
pub(super) struct Names<'a> {
    pub(super) subject: &'a DistinguishedName,
    /// The content of the subjectAltName SEQUENCE.
    pub(super) alternative: Option<&'a [u8]>,
    pub(super) member: &'a dyn Fn() -> PathMember,
}

/// How a name relates to a subtree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    Inside,
    Outside,
    /// The name or the subtree has a form that cannot be compared.
    Incomparable,
}

impl From<bool> for Match {
    fn from(is_inside: bool) -> Self {
        if is_inside { Self::Inside } else { Self::Outside }
    }
}

/// The type of SmtpUTF8Mailbox, an otherName to which rfc822Name constraints apply (RFC 9598 section 6).
const SMTP_UTF8_MAILBOX: &[u8] = &[0x06, 8, 0x2b, 6, 1, 5, 5, 7, 8, 9];

/// Compares the names of a certificate with the constraints of a CA above it.
pub(super) fn judge(
    constraints: &NameConstraints,
    ca: &DistinguishedName,
    names: &Names<'_>,
    budget: &mut Budget,
) -> Result<(), ChainRefusal> {
    let mut check = |kind, content: &[u8], directory: Option<&DistinguishedName>| {
        judge_name(constraints, ca, &Name { kind, content, directory }, names, budget)
    };
    if !names.subject.is_empty() {
        check(NameKind::DirectoryName, &[], Some(names.subject))?;
    }
    if constraints.applies_to(NameKind::Rfc822Name) {
        for address in names.subject.email_addresses() {
            check(NameKind::Rfc822Name, address.unwrap_or_default().as_bytes(), None)?;
        }
    }
    for name in GeneralName::all(names.alternative.unwrap_or_default()) {
        let malformed = || ChainRefusal::Malformed {
            member: (names.member)(),
            reason: "its extension subjectAltName (2.5.29.17) is malformed".to_owned(),
        };
        let GeneralName { kind, content } = name.ok_or_else(malformed)?;
        match kind {
            NameKind::DirectoryName => {
                let directory = DistinguishedName::from_der(content).map_err(|_| malformed())?;
                check(kind, content, Some(&directory))?;
            }
            // SmtpUTF8Mailbox is not supported; an empty mailbox is used instead, since it cannot be compared either.
            NameKind::OtherName if content.starts_with(SMTP_UTF8_MAILBOX) => {
                check(NameKind::Rfc822Name, &[], None)?;
                check(kind, content, None)?;
            }
            _ => check(kind, content, None)?,
        }
    }
    Ok(())
}

struct Name<'a> {
    kind: NameKind,
    content: &'a [u8],
    directory: Option<&'a DistinguishedName>,
}

impl Name<'_> {
    fn shown(&self) -> String {
        let kind = self.kind.as_str();
        match (self.kind, self.directory) {
            (_, Some(name)) => format!("{kind} {:?}", shown(name)),
            (NameKind::IpAddress, _) => {
                match (<[u8; 4]>::try_from(self.content), <[u8; 16]>::try_from(self.content)) {
                    (Ok(bytes), _) => format!("{kind} {}", std::net::IpAddr::from(bytes)),
                    (_, Ok(bytes)) => format!("{kind} {}", std::net::IpAddr::from(bytes)),
                    _ => kind.to_owned(),
                }
            }
            (NameKind::DnsName | NameKind::Rfc822Name | NameKind::Uri, _) if !self.content.is_empty() => {
                let text = self.content.get(..256.min(self.content.len())).unwrap_or_default();
                format!("{kind} {:?}", clipped(String::from_utf8_lossy(text).into_owned()))
            }
            _ => format!("the {kind}"),
        }
    }
}

fn judge_name(
    constraints: &NameConstraints,
    ca: &DistinguishedName,
    name: &Name<'_>,
    names: &Names<'_>,
    budget: &mut Budget,
) -> Result<(), ChainRefusal> {
    let outside =
        || ChainRefusal::NameConstraint { name: name.shown(), member: (names.member)(), ca: shown(ca) };
    let unjudged =
        || ChainRefusal::UnsupportedName { name: name.shown(), member: (names.member)(), ca: shown(ca) };
    let is_of_kind = |subtree: &&Subtree| subtree.kind == name.kind;
    for subtree in constraints.excluded.iter().filter(is_of_kind) {
        budget.consume_comparison()?;
        match judge_subtree(subtree, name, true) {
            Match::Inside => return Err(outside()),
            Match::Outside => {}
            Match::Incomparable => return Err(unjudged()),
        }
    }
    let (mut is_constrained, mut is_permitted) = (false, false);
    for subtree in constraints.permitted.iter().filter(is_of_kind) {
        budget.consume_comparison()?;
        is_constrained = true;
        match judge_subtree(subtree, name, false) {
            Match::Inside => is_permitted = true,
            Match::Outside => {}
            Match::Incomparable => return Err(unjudged()),
        }
    }
    if is_constrained && !is_permitted { Err(outside()) } else { Ok(()) }
}

fn judge_subtree(subtree: &Subtree, name: &Name<'_>, is_excluded: bool) -> Match {
    let text = |bytes| std::str::from_utf8(bytes).ok().filter(|text| text.is_ascii());
    match subtree.kind {
        NameKind::DirectoryName => match (name.directory, &subtree.directory) {
            (Some(name), Some(base)) => name.is_within(base).map_or(Match::Incomparable, Match::from),
            _ => Match::Incomparable,
        },
        NameKind::IpAddress => address(name.content, &subtree.base),
        kind => {
            let (Some(name), Some(base)) = (text(name.content), text(&subtree.base)) else {
                return Match::Incomparable;
            };
            match kind {
                NameKind::DnsName => host::dns(name, base, is_excluded),
                NameKind::Uri => host::uri(name, base, is_excluded),
                NameKind::Rfc822Name => mailbox::judge(name, base, is_excluded),
                _ => Match::Incomparable,
            }
        }
    }
}

/// Compares an address with a network and its prefix mask.
fn address(name: &[u8], base: &[u8]) -> Match {
    let Some((network, mask)) = base.split_at_checked(base.len() / 2) else { return Match::Incomparable };
    let is_address = |bytes: &[u8]| matches!(bytes.len(), 4 | 16);
    if !is_address(name) || !is_address(network) || network.len() != mask.len() {
        return Match::Incomparable;
    }
    let bits = mask.iter().fold(0_u128, |bits, byte| (bits << 8) | u128::from(*byte));
    let unused = 128 - u32::try_from(mask.len() * 8).unwrap_or(128);
    let bits = bits.checked_shl(unused).unwrap_or(0);
    if bits.leading_ones() != bits.count_ones() {
        return Match::Incomparable;
    }
    if name.len() != network.len() {
        return Match::Outside;
    }
    name.iter().zip(network).zip(mask).all(|((name, network), mask)| (name ^ network) & mask == 0).into()
}

impl NameConstraints {
    fn applies_to(&self, kind: NameKind) -> bool {
        self.permitted.iter().chain(&self.excluded).any(|subtree| subtree.kind == kind)
    }
}

#[cfg(test)]
mod tests;
