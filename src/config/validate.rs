//! Validates header names, DNS names, origins and hosts.

use std::net::{IpAddr, Ipv6Addr};

use http::HeaderName;
use rustls_pki_types::DnsName;

use super::{diagnostic::Fault, suggest::quote};

use crate::{
    forward::{Address, Origin},
    header::owned::{Owner, owner},
};

/// Parses the name of a header that the configuration may set.
///
/// A fault never quotes the name: it may be a secret.
pub(super) fn header_name(text: &str) -> Result<HeaderName, Fault> {
    let name = HeaderName::from_bytes(text.as_bytes()).map_err(|_| {
        Fault::new("invalid header name, expected letters, digits and -")
            .help("write a name such as x-client-certificate")
    })?;
    let Some((reserved, owner)) = owner(name.as_str()) else { return Ok(name) };
    let why = match owner {
        Owner::Client => return Ok(name),
        Owner::Hop => "it belongs to one connection",
        Owner::Framing => "it frames the body",
        Owner::Host => "`host` of the [[upstream]] sets it",
        Owner::Forwarded => "`forwarded = true` of the [[upstream]] sends it",
        Owner::Edge => "the edge sets it on every request",
    };
    let fault = Fault::new(format!("{reserved} cannot be set here: {why}"));
    Err(fault.help("remove it, or choose another name"))
}

/// Parses the name of a domain. The result is in lower case, without a trailing dot.
pub fn domain_name(text: &str) -> Result<String, Fault> {
    const EXPECTED: &str = "the DNS name that clients connect to";
    let fault = |why: &str| Fault::new(format!("found {}, expected {EXPECTED}{why}", quote(text)));
    let example = "write a name such as mtls.auth.example.com";
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if name.contains(['/', '?', '#']) {
        let bare = host_of(&name).rsplit_once(':').map_or(host_of(&name), |(host, _)| host);
        let is_name =
            !bare.contains('*') && DnsName::try_from(bare).is_ok() && bare.parse::<IpAddr>().is_err();
        let help = if is_name { format!("write {}", quote(bare)) } else { example.to_owned() };
        let without = if name.contains("://") { " without a scheme" } else { " without a path" };
        return Err(fault(without).help(help));
    }
    if name.parse::<IpAddr>().is_ok() || bracketed(&name).is_some() {
        return Err(fault(", not an address: SNI carries names only").help(example));
    }
    if name.contains('*') {
        return Err(fault(" without a wildcard").help("write one [[domain]] for each name"));
    }
    if let Some((host, port)) = name.rsplit_once(':')
        && port.bytes().all(|b| b.is_ascii_digit())
    {
        return Err(
            fault(" without a port").help(format!("write {}; [listen] https has the port", quote(host)))
        );
    }
    if !name.is_ascii() {
        return Err(fault(" in ASCII").help("write it in its xn-- form (punycode)"));
    }
    match DnsName::try_from(name.as_str()) {
        Ok(_) => Ok(name),
        Err(_) => Err(fault("").help(example)),
    }
}

/// Parses the DNS name or IP address that the upstream's certificate must contain.
pub(super) fn server_name(text: &str) -> Result<String, Fault> {
    let name = bracketed(text).map_or_else(|| text.to_ascii_lowercase(), |v6| v6.to_string());
    if name.parse::<IpAddr>().is_ok() || DnsName::try_from(name.as_str()).is_ok() {
        return Ok(name);
    }
    let expected = "the DNS name or the address in the upstream's certificate";
    Err(Fault::new(format!("found {}, expected {expected}", quote(text)))
        .help("write only the name, without a scheme or port, such as auth.internal.example"))
}

/// Parses the URL of an upstream: only scheme, host and port.
///
/// A fault never quotes a URL with user information or a query: it may contain a key.
pub(super) fn origin(text: &str) -> Result<Origin, Fault> {
    const EXPECTED: &str = "an origin such as https://auth.internal.example:8443";
    let shown = if text.contains('?') { "a URL with a query".to_owned() } else { quote(text) };
    let fault = |why: &str| Fault::new(format!("found {shown}, expected {EXPECTED}{why}"));
    if text.contains('@') {
        return Err(Fault::new(format!("found a URL with user information, expected {EXPECTED}"))
            .help("set an authorization header with `headers = { authorization = { file = \"..\" } }`"));
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        // `https:host` and `https:/host`, or no scheme.
        let (scheme, rest) = match text.split_once(':') {
            Some((scheme @ ("http" | "https"), rest)) => (scheme, rest.trim_start_matches('/')),
            _ => ("http", text.trim_start_matches('/')),
        };
        return Err(fault("").help(suggest_origin(scheme, rest)));
    };
    let tls = match scheme.to_ascii_lowercase().as_str() {
        "https" => true,
        "http" => false,
        other => {
            let likely =
                if matches!(other, "wss" | "tls" | "ssl" | "grpcs" | "h2") { "https" } else { "http" };
            return Err(fault(": the scheme is http or https").help(suggest_origin(likely, rest)));
        }
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    if tail.contains('?') {
        return Err(Fault::new(format!(
            "found a URL with a query, expected {EXPECTED} without one: the query of each request is forwarded"
        ))
        .help(format!("write {}", quote(&format!("{scheme}://{authority}")))));
    }
    if !matches!(tail, "" | "/") {
        let why = match tail.as_bytes().first() {
            Some(b'#') => " without a fragment",
            _ => " without a path: the path of each request is forwarded",
        };
        return Err(fault(why).help(format!("write {}", quote(&format!("{scheme}://{authority}")))));
    }
    let (host, port) = host_and_port(authority).map_err(|why| {
        let fault = fault(why);
        fault.help(
            "write an origin such as \"https://auth.internal.example:8443\" or \"http://127.0.0.1:3000\"",
        )
    })?;
    Ok(Origin { tls, host, port: port.unwrap_or(if tls { 443 } else { 80 }) })
}

/// The longest path of a Unix socket in bytes (`sun_path`, with its final zero byte).
const MAX_SOCKET_PATH: usize = 107;

/// Parses an origin, or `unix:` with the path of a socket.
pub fn address(text: &str) -> Result<Address, Fault> {
    if !is_unix_socket(text) {
        return origin(text).map(Address::Network);
    }
    // What follows `?` or `@` may be a secret.
    let shown = if text.contains(['?', '@']) { String::new() } else { format!(" {}", quote(text)) };
    let fault = |why: &str| {
        Fault::new(format!(
            "found the Unix socket{shown}, expected one such as unix:/run/auth/server.sock{why}"
        ))
    };
    let Some(rest) = text.strip_prefix("unix:") else {
        let start = text.to_ascii_lowercase().find("unix:").map_or(0, |at| at + "unix:".len());
        let path = text.get(start..).unwrap_or_default().trim_start_matches('/');
        let written = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
        let path = written.trim_start_matches('/').split(':').next().unwrap_or_default();
        return Err(fault("").help(format!("write {}", quote(&format!("unix:/{path}")))));
    };
    // Both forms of RFC 8089: `unix:/path` and `unix:///path`.
    let path = rest.strip_prefix("//").filter(|rest| rest.starts_with('/')).unwrap_or(rest);
    if !path.starts_with('/') || path.starts_with("//") {
        return Err(fault(": the path is absolute").help("write unix: and the path from / on"));
    }
    if path.contains(['?', '#', '\0', ':']) {
        return Err(fault(" without query, fragment or path of a request")
            .help("write unix: and the path of the socket alone"));
    }
    if path.len() > MAX_SOCKET_PATH {
        let why = format!(" with a path of at most {MAX_SOCKET_PATH} bytes");
        return Err(fault(&why).help("use a shorter path: the operating system accepts no longer one"));
    }
    Ok(Address::Unix(path.into()))
}

/// Whether the text is a Unix socket, such as `unix:/run/as.sock`, in the notation of nginx, curl, systemd or Docker.
fn is_unix_socket(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let after_scheme = lower.split_once("://").map_or(lower.as_str(), |(_, rest)| rest);
    lower.starts_with('/') && !lower.starts_with("//")
        || lower.starts_with("unix:")
        || lower.starts_with("http+unix:")
        || lower.starts_with("https+unix:")
        || after_scheme.starts_with("unix:/")
        || after_scheme.starts_with("unix:%2f")
}

/// Help for a URL with an unsupported scheme or without one.
fn suggest_origin(scheme: &str, rest: &str) -> String {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let url = format!("{scheme}://{authority}");
    let is_origin = host_and_port(authority).is_ok();
    format!("write {}", quote(if is_origin { &url } else { "https://auth.internal.example:8443" }))
}

/// Parses the value of a `Host` header.
pub(super) fn host(text: &str) -> Result<String, Fault> {
    host_and_port(text).map(|_| text.to_owned()).map_err(|why| {
        let why = if text.contains("://") { " without a scheme" } else { why };
        let what = format!("found {}, expected a host, or host:port{why}", quote(text));
        let bare = host_of(text);
        let is_host = bare != text && host_and_port(bare).is_ok();
        let help = if is_host {
            format!("write {}", quote(bare))
        } else {
            "write a host such as tenant.edge.example".to_owned()
        };
        Fault::new(what).help(help)
    })
}

/// The host and port of a text that may be a URL.
fn host_of(text: &str) -> &str {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// Whether an upstream is on this machine: a loopback address or `localhost`.
pub(super) fn is_loopback(origin: &Origin) -> bool {
    match origin.host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => origin.host == "localhost" || origin.host.ends_with(".localhost"),
    }
}

/// Parses a host and an optional port. An IPv6 address loses its brackets; a name is converted to lower case.
fn host_and_port(text: &str) -> Result<(String, Option<u16>), &'static str> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let port = match port {
        None => None,
        Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => match port.parse() {
            Ok(0) | Err(_) => return Err(": the port is a number from 1 to 65535"),
            Ok(port) => Some(port),
        },
        Some(_) => return Err(": the port is a number from 1 to 65535"),
    };
    if host.starts_with('[') {
        let address = bracketed(host).ok_or(": the text in brackets is not an IPv6 address")?;
        return Ok((address.to_string(), port));
    }
    if host.contains(':') {
        return Err(": an IPv6 address must be in brackets");
    }
    let name = host.to_ascii_lowercase();
    if name.is_empty() {
        return Err(": the host is missing");
    }
    if name.parse::<IpAddr>().is_err() && DnsName::try_from(name.as_str()).is_err() {
        return Err(": the host is not a DNS name");
    }
    Ok((name, port))
}

fn bracketed(text: &str) -> Option<Ipv6Addr> {
    text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(bool, String, u16)> {
        origin(text).ok().map(|o| (o.tls, o.host, o.port))
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        assert_eq!(read("http://127.0.0.1:3000"), Some((false, "127.0.0.1".into(), 3000)));
        assert_eq!(read("HTTPS://Auth.Example/"), Some((true, "auth.example".into(), 443)));
        assert_eq!(read("http://[::1]"), Some((false, "::1".into(), 80)));
        for bad in [
            "",
            "http://",
            "http://a:0",
            "http://a:65536",
            "http://a:",
            "http://::1",
            "http://[::1",
            "http://a b",
            "ftp://a",
            "http://a/b",
            "http://a?b",
            "http://a#b",
            "http://u:p@a",
            "a:80",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_domain_name_is_lowercased_without_its_trailing_dot() {
        assert_eq!(domain_name("MTLS.Example.COM.").ok(), Some("mtls.example.com".into()));
        for bad in [
            "*.example.com",
            "10.0.0.1",
            "[::1]",
            "::1",
            "a.example:443",
            "ä.example",
            "a..b",
            "-a.b",
            "https://a",
        ] {
            assert!(domain_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn reserved_and_invalid_header_names_are_rejected() {
        for bad in ["Connection", "X_Forwarded_For", "x.forwarded.proto", "HOST", "content-length", "a b", ""]
        {
            assert!(header_name(bad).is_err(), "{bad}");
        }
        assert!(header_name("SSL_CLIENT_CERT").is_ok());
    }
}
