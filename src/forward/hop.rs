//! The headers that describe the client and the hops before the edge to the upstream.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use ipnet::IpNet;

use super::{ForwardedFor, Target};
use crate::header::forwarded::{X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO};

/// Makes one `Cookie` line of several: HTTP/2 clients split it, HTTP/1.1 has no such thing (RFC 9113 section 8.2.3).
pub fn join_cookies(headers: &mut HeaderMap) {
    let lines: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if lines.len() < 2 {
        return;
    }
    if let Ok(joined) = HeaderValue::from_bytes(&lines.join(&b"; "[..])) {
        headers.insert(header::COOKIE, joined);
    }
}

/// Where a request came from, for the upstream.
#[derive(Clone, Debug)]
pub struct CameFrom {
    /// All hops, for `X-Forwarded-For`.
    list: HeaderValue,
    client: IpAddr,
    /// The same as text.
    pub shown: HeaderValue,
}

impl CameFrom {
    /// By the addresses `hops`, the connection's own peer last; those before it were named by a trusted proxy. The application's
    /// address is the last one that is no trusted proxy: any entry further left is what the application said of itself.
    #[must_use]
    pub fn by(mut hops: Vec<IpAddr>, peer: IpAddr, trusted_proxies: &[IpNet]) -> Self {
        hops.push(peer);
        let is_trusted = |hop: &IpAddr| trusted_proxies.iter().any(|network| network.contains(hop));
        let client = hops.iter().rfind(|hop| !is_trusted(hop)).or(hops.first()).copied().unwrap_or(peer);
        let list: Vec<String> = hops.iter().map(IpAddr::to_string).collect();
        let value =
            |text: &str| HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("unknown"));
        Self { list: value(&list.join(", ")), client, shown: value(&client.to_string()) }
    }

    /// From the connection's own peer.
    #[must_use]
    pub fn peer(peer: IpAddr) -> Self {
        Self::by(Vec::new(), peer, &[])
    }
}

/// Sets the forwarding headers: `X-Forwarded-For`, `-Proto`, `-Host`, and what the upstream asks for besides.
///
/// `host` is the name by which the application called, with the port if that is not 443.
pub fn forwarding_headers(
    headers: &mut HeaderMap,
    (target, forwarded_for): (&Target, ForwardedFor),
    from: &CameFrom,
    host: &HeaderValue,
) {
    let forwarded_for = match forwarded_for {
        ForwardedFor::Client => &from.shown,
        ForwardedFor::List => &from.list,
    };
    headers.insert(X_FORWARDED_FOR, forwarded_for.clone());
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("https"));
    headers.insert(X_FORWARDED_HOST, host.clone());
    if target.forwarded {
        let node = match from.client {
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => format!("\"[{v6}]\""),
        };
        let host = host.to_str().unwrap_or_default();
        // RFC 7239 section 4: a host with a port is no token, so it is quoted.
        set(headers, header::FORWARDED, &format!("for={node};host=\"{host}\";proto=https"));
    }
    if let Some(name) = &target.client_ip_header {
        headers.insert(name, from.shown.clone());
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    match HeaderValue::from_str(value) {
        Ok(value) => {
            headers.insert(name, value);
        }
        Err(_) => {
            headers.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_cookies_are_joined() {
        let mut headers = HeaderMap::new();
        for line in ["a=1", "b=2; c=3", "d=4"] {
            headers.append(header::COOKIE, HeaderValue::from_static(line));
        }
        join_cookies(&mut headers);
        assert_eq!(headers.get_all(header::COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2; c=3; d=4"]);
    }
}
