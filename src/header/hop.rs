//! Hop-by-hop headers and their removal (RFC 9110 section 7.6.1).

use http::{HeaderMap, HeaderName, header};

/// Removes hop-by-hop fields (RFC 9110 section 7.6.1): every name that any `Connection` line lists, and the well-known
/// ones. `Expect` is removed too, since the edge answers it.
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    // Most messages have none. One pass over the names costs less than a lookup of each hop-by-hop name.
    let found: Vec<HeaderName> = headers.keys().filter(|name| is_hop_by_hop(name)).cloned().collect();
    if found.is_empty() {
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
    for name in found {
        headers.remove(name);
    }
}

/// Fields that prove something about the client, and are end-to-end (RFC 9449 section 4.1,
/// draft-ietf-oauth-attestation-based-client-auth).
const PROOFS: [&str; 3] = ["dpop", "oauth-client-attestation", "oauth-client-attestation-pop"];

/// Declares the fields that are hop-by-hop even if no `Connection` line lists them.
macro_rules! hop_by_hop {
    ($($name:literal,)*) => {
        /// Fields that are hop-by-hop even if no `Connection` line lists them.
        pub const HOP_BY_HOP: [&str; [$($name),*].len()] = [$($name),*];

        /// Whether a field is one of [`HOP_BY_HOP`]. As a match, which compares a name with few of them.
        fn is_hop_by_hop(name: &HeaderName) -> bool {
            matches!(name.as_str(), $($name)|*)
        }
    };
}

hop_by_hop! {
    "connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
    "keep-alive",
    "proxy-connection",
    "http2-settings",
}

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

    #[test]
    fn each_hop_by_hop_field_is_removed() {
        for name in HOP_BY_HOP {
            let mut headers = HeaderMap::new();
            headers.append(name, HeaderValue::from_static("x"));
            headers.append(name, HeaderValue::from_static("y"));
            remove_hop_by_hop(&mut headers);
            assert!(headers.is_empty(), "{name}");
        }
    }
}
