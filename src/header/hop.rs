//! Hop-by-hop headers and their removal (RFC 9110 section 7.6.1).

use http::{HeaderMap, HeaderName, header};

/// Removes hop-by-hop fields (RFC 9110 section 7.6.1): every name that any `Connection` line lists, and the well-known
/// ones. `Expect` is removed too, since the edge answers it.
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    // Most messages have none. One pass over the names costs less than a lookup of each hop-by-hop name.
    if !headers.keys().any(|name| HOP_BY_HOP.contains(name)) {
        return;
    }
    let listed: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|line| line.as_bytes().split(|b| *b == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    for name in listed {
        // A client must not remove these: they change the meaning of the request.
        if !matches!(
            name,
            header::HOST | header::CONTENT_LENGTH | header::CONTENT_TYPE | header::AUTHORIZATION
        ) && !PROOFS.contains(&name.as_str())
        {
            headers.remove(name);
        }
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Fields that prove something about the client, and are end-to-end (RFC 9449 section 4.1,
/// draft-ietf-oauth-attestation-based-client-auth).
const PROOFS: [&str; 3] = ["dpop", "oauth-client-attestation", "oauth-client-attestation-pop"];

/// Fields that are hop-by-hop even if no `Connection` line lists them.
pub const HOP_BY_HOP: [HeaderName; 11] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
];

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn every_connection_line_is_read() {
        let mut headers = HeaderMap::new();
        for line in ["keep-alive, x-one", "X-Two ,, close", "authorization, content-length, DPoP"] {
            headers.append(header::CONNECTION, HeaderValue::from_static(line));
        }
        for name in
            ["x-one", "x-two", "x-three", "keep-alive", "te", "authorization", "content-length", "dpop"]
        {
            headers.insert(name, HeaderValue::from_static("1"));
        }
        remove_hop_by_hop(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["authorization", "content-length", "dpop", "x-three"]);
    }
}
