//! The headers that describe the client, and the hops between it and the edge, to the upstream.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use ipnet::IpNet;

use super::{ForwardedFor, Target};
use crate::header::forwarded::{X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO};

/// Joins the `Cookie` lines of a request that has several. An HTTP/2 client may split them; HTTP/1.1 allows only one (RFC 9113 section 8.2.3).
pub fn join_cookies(headers: &mut HeaderMap) {
    let lines: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&lines.join(&b"; "[..])) {
        headers.insert(header::COOKIE, joined);
    }
}

/// The address of the client, and of the hops between it and the edge.
#[derive(Clone, Debug)]
pub struct ForwardedClient {
    /// The client and all hops, for `X-Forwarded-For`.
    chain: HeaderValue,
    client: IpAddr,
    /// The client's address as text.
    pub text: HeaderValue,
}

impl ForwardedClient {
    /// The client of a connection from a trusted proxy, which reported `hops`; `peer` is the proxy. The client is the last address that
    /// is not a trusted proxy, since the client itself can have written any address before it.
    #[must_use]
    pub fn from_chain(mut hops: Vec<IpAddr>, peer: IpAddr, trusted_proxies: &[IpNet]) -> Self {
        hops.push(peer);
        let is_trusted = |hop: &IpAddr| trusted_proxies.iter().any(|network| network.contains(hop));
        let client = hops.iter().rfind(|hop| !is_trusted(hop)).or(hops.first()).copied().unwrap_or(peer);
        let chain: Vec<String> = hops.iter().map(IpAddr::to_string).collect();
        let value =
            |text: &str| HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("unknown"));
        Self { chain: value(&chain.join(", ")), client, text: value(&client.to_string()) }
    }

    /// The client that is the connection's own peer.
    #[must_use]
    pub fn direct(peer: IpAddr) -> Self {
        Self::from_chain(Vec::new(), peer, &[])
    }
}

/// Sets `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`, and those further ones that the upstream is configured to get:
/// `Forwarded` (RFC 7239) and a header with the client's address.
///
/// `host` is the host of the request, with the port if that is not 443.
pub fn forwarding_headers(
    headers: &mut HeaderMap,
    (target, forwarded_for): (&Target, ForwardedFor),
    from: &ForwardedClient,
    host: &HeaderValue,
) {
    let forwarded_for = match forwarded_for {
        ForwardedFor::Client => &from.text,
        ForwardedFor::List => &from.chain,
    };
    headers.insert(X_FORWARDED_FOR, forwarded_for.clone());
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("https"));
    headers.insert(X_FORWARDED_HOST, host.clone());
    if target.spec.forwarded {
        let node = match from.client {
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => format!("\"[{v6}]\""),
        };
        let host = host.to_str().unwrap_or_default();
        // A host with a port is not a token, so it is quoted (RFC 7239 section 4).
        set(headers, header::FORWARDED, &format!("for={node};host=\"{host}\";proto=https"));
    }
    if let Some(name) = &target.spec.client_ip_header {
        headers.insert(name, from.text.clone());
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
