//! Constraints on host names: dNSName and uniformResourceIdentifier.

use std::net::Ipv4Addr;

use super::Match;

/// Compares a dNSName with a constraint, which contains itself and its subdomains; with a leading dot only subdomains; if it is
/// empty, every name.
///
/// A wildcard is permitted if all names that it matches are, and excluded if one of them is.
pub(super) fn dns(name: &str, base: &str, is_excluded: bool) -> Match {
    if !is_dns(name, true) || !(base.is_empty() || is_dns(base.strip_prefix('.').unwrap_or(base), false)) {
        return Match::Incomparable;
    }
    let (name, base) = (name.to_ascii_lowercase(), base.to_ascii_lowercase());
    if base.is_empty() || is_in(&name, &base) {
        return Match::Inside;
    }
    let matches_excluded = || {
        let below = name.strip_prefix('*')?;
        let base = base.trim_start_matches('.');
        base.find('.').and_then(|dot| base.get(dot..)).filter(|rest| *rest == below)
    };
    (is_excluded && matches_excluded().is_some()).into()
}

/// Whether a host equals the base or is a subdomain; with a leading dot, whether it is a subdomain.
fn is_in(name: &str, base: &str) -> bool {
    if base.starts_with('.') {
        return name.len() > base.len() && name.ends_with(base);
    }
    name.strip_suffix(base).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// Compares a URI's host with a constraint: a host, or with a leading dot its subdomains. A URI without a host name cannot be
/// compared.
///
/// Section 4.2.1.10 does not define an empty constraint: it excludes everything and permits nothing.
pub(super) fn uri(name: &str, base: &str, is_excluded: bool) -> Match {
    let Some(host) = host_of(name) else { return Match::Incomparable };
    if base.is_empty() {
        return is_excluded.into();
    }
    if !is_dns(base.strip_prefix('.').unwrap_or(base), false) {
        return Match::Incomparable;
    }
    is_host_in(&host.to_ascii_lowercase(), &base.to_ascii_lowercase()).into()
}

/// Whether a host equals the base; with a leading dot, whether it is a subdomain.
pub(super) fn is_host_in(host: &str, base: &str) -> bool {
    if base.starts_with('.') { is_in(host, base) } else { host == base }
}

/// The host name of a URI's authority (RFC 3986 section 3.2).
fn host_of(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once(':')?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let rest = rest.strip_prefix("//").filter(|_| is_scheme)?;
    // Some parsers end the authority at a backslash.
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    if authority.len() < rest.len() && rest.as_bytes().get(authority.len()) == Some(&b'\\') {
        return None;
    }
    let host = match authority.split_once('@') {
        Some((_, host)) if host.contains('@') => return None,
        Some((_, host)) => host,
        None => authority,
    };
    let host = match host.split_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        Some(_) => return None,
        None => host,
    };
    (is_dns(host, false) && host.parse::<Ipv4Addr>().is_err()).then_some(host)
}

/// Whether a text is a host name (RFC 1123 section 2.1). Underscores are accepted, since they occur; if allowed, so is a first
/// label `*` before two others.
pub(super) fn is_dns(name: &str, may_be_wildcard: bool) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let rest = match name.strip_prefix("*.") {
        Some(rest) if may_be_wildcard && rest.contains('.') => rest,
        Some(_) => return false,
        None => name,
    };
    let is_number = rest.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    name.len() <= 253 && !is_number && rest.split('.').all(is_label)
}
