//! Constraints on mailboxes: rfc822Name.

use super::{Match, host::is_dns, host::is_host_in};

/// Compares a mailbox with a constraint: a mailbox, a host, or with a leading dot the host's subdomains.
///
/// Case of the local part is significant for permitted subtrees and ignored for excluded ones, since it depends on the host
/// (RFC 5321 section 2.4). A quoted local part cannot be compared. RFC 5280 section 4.2.1.10 does not define an empty constraint: it
/// excludes everything and permits nothing.
pub(super) fn judge(name: &str, base: &str, is_excluded: bool) -> Match {
    let Some((local, host)) = parts(name) else { return Match::Incomparable };
    if base.is_empty() {
        return is_excluded.into();
    }
    if base.contains('@') {
        let Some((base_local, base_host)) = parts(base) else { return Match::Incomparable };
        let is_local = if is_excluded { local.eq_ignore_ascii_case(base_local) } else { local == base_local };
        return (is_local && host.eq_ignore_ascii_case(base_host)).into();
    }
    if !is_dns(base.strip_prefix('.').unwrap_or(base), false) {
        return Match::Incomparable;
    }
    is_host_in(&host.to_ascii_lowercase(), &base.to_ascii_lowercase()).into()
}

/// The local part and the domain.
fn parts(mailbox: &str) -> Option<(&str, &str)> {
    let (local, host) = mailbox.split_once('@')?;
    let is_local = !local.is_empty()
        && local.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-.".contains(&b));
    (is_local && is_dns(host, false)).then_some((local, host))
}
