//! Constraints of mailboxes: rfc822Name.

use super::{Match, host::is_dns, host::is_host_in};

/// A mailbox against a constraint: a mailbox, a host, or with a leading dot the hosts below it.
///
/// The part before the `@` is compared exactly where it permits, and without regard to case where it excludes: which of the
/// two a host does nobody knows (RFC 5321 section 2.4). A quoted part cannot be judged. An empty constraint has no meaning: it
/// excludes everything and permits nothing.
pub(super) fn judge(name: &str, base: &str, is_excluded: bool) -> Match {
    let Some((local, host)) = parts(name) else { return Match::Unjudged };
    if base.is_empty() {
        return is_excluded.into();
    }
    if base.contains('@') {
        let Some((base_local, base_host)) = parts(base) else { return Match::Unjudged };
        let is_local = if is_excluded { local.eq_ignore_ascii_case(base_local) } else { local == base_local };
        return (is_local && host.eq_ignore_ascii_case(base_host)).into();
    }
    if !is_dns(base.strip_prefix('.').unwrap_or(base), false) {
        return Match::Unjudged;
    }
    is_host_in(&host.to_ascii_lowercase(), &base.to_ascii_lowercase()).into()
}

/// What stands before and behind the `@`.
fn parts(mailbox: &str) -> Option<(&str, &str)> {
    let (local, host) = mailbox.split_once('@')?;
    let is_local = !local.is_empty()
        && local.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-.".contains(&b));
    (is_local && is_dns(host, false)).then_some((local, host))
}
