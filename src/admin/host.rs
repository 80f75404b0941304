//! Checks the `Host` of requests to the admin address.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::{HeaderMap, StatusCode, Uri, Version, header, uri::Authority};

/// Refuses a request for a name that does not belong to the admin address: a page in an operator's browser can make its own name
/// resolve to the admin address (DNS rebinding), but cannot use an IP address. Probes of Kubernetes and `mtls-edge status` use
/// one.
///
/// HTTP/1.0 allows requests without `Host`, which no browser sends.
pub(super) fn check(
    version: Version,
    uri: &Uri,
    headers: &HeaderMap,
    names: &[String],
) -> Result<(), StatusCode> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (host, another) = (hosts.next(), hosts.next());
    if another.is_some() || (host.is_none() && version > Version::HTTP_10) {
        return Err(StatusCode::BAD_REQUEST);
    }
    let in_target = uri.authority().map(Authority::as_str);
    let in_header = host.map(|host| host.to_str().map_err(|_| StatusCode::BAD_REQUEST)).transpose()?;
    if in_target.into_iter().chain(in_header).all(|host| is_ours(host, names)) {
        Ok(())
    } else {
        Err(StatusCode::MISDIRECTED_REQUEST)
    }
}

/// Whether it is an IP address, `localhost`, or one of these names, with or without a port.
fn is_ours(host: &str, names: &[String]) -> bool {
    if let Some((address, port)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address.parse::<Ipv6Addr>().is_ok()
            && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
    }
    let name = match host.split_once(':') {
        Some((name, port)) if is_port(port) => name,
        Some(_) => return false,
        None => host,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    name.parse::<Ipv4Addr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || names.iter().any(|own| name.eq_ignore_ascii_case(own))
}

fn is_port(text: &str) -> bool {
    text.is_empty() || (text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_localhost_and_configured_names_are_ours() {
        let names = ["edge.internal".to_owned()];
        for host in [
            "127.0.0.1",
            "127.0.0.1:9443",
            "10.1.2.3:80",
            "[::1]",
            "[::1]:9443",
            "[::ffff:127.0.0.1]:1",
            "localhost",
            "LocalHost:9443",
            "localhost.",
            "edge.internal",
            "EDGE.internal.:9443",
        ] {
            assert!(is_ours(host, &names), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:9443",
            "localhost.evil.example",
            "evil-localhost",
            "127.0.0.1.evil.example",
            "127.1",
            "0x7f000001",
            "2130706433",
            "::1",
            "[::1",
            "[::1]x",
            "[::1]:x",
            "[evil.example]",
            "[fe80::1%25eth0]",
            "127.0.0.1:x",
            "127.0.0.1:99999",
            "evil@127.0.0.1",
            "edge.internal:1:2",
            "edge.internal.evil.example",
            "edge.internal..",
            " localhost",
        ] {
            assert!(!is_ours(host, &names), "{host}");
        }
    }
}
