//! The URI of a request as its client sees it, compared with `htu` of a DPoP proof (RFC 9449 section 4.3).

use std::fmt::Write as _;

use http::Uri;
use percent_encoding::percent_decode_str;

/// A normalized https URI without query and fragment (RFC 3986 sections 6.2.2 and 6.2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetUri {
    /// Lower case, without the default port.
    authority: String,
    /// With only those characters escaped that have to be.
    path: String,
}

impl TargetUri {
    /// The URI of a request: the authority is that of `Host` or `:authority`.
    #[must_use]
    pub fn of_request(authority: &str, path: &str) -> Self {
        Self { authority: normal_authority(authority), path: normal_path(path) }
    }

    /// Parses `htu`; `None` if it is not an absolute https URI, or names a user. Query and fragment are ignored.
    #[must_use]
    pub fn parse(htu: &str) -> Option<Self> {
        let uri: Uri = htu.parse().ok()?;
        let authority = uri.authority()?.as_str();
        let is_https = uri.scheme() == Some(&http::uri::Scheme::HTTPS);
        (is_https && !authority.contains('@')).then(|| Self::of_request(authority, uri.path()))
    }
}

fn normal_authority(authority: &str) -> String {
    let lower = authority.to_ascii_lowercase();
    let bare = lower.strip_suffix(":443").or_else(|| lower.strip_suffix(':')).unwrap_or(&lower);
    bare.to_owned()
}

/// Decodes escaped unreserved characters, and writes the other escapes in upper case.
fn normal_path(path: &str) -> String {
    if path.is_empty() {
        return "/".to_owned();
    }
    let mut normal = String::with_capacity(path.len());
    let mut parts = path.split('%');
    normal.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let escape = part.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let Some(digits) = escape else {
            normal.push('%');
            normal.push_str(part);
            continue;
        };
        let byte = percent_decode_str(&format!("%{digits}")).next().unwrap_or_default();
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            normal.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(normal, "%{byte:02X}");
        }
        normal.push_str(part.get(2..).unwrap_or_default());
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equivalent_uris_are_equal() {
        let request = TargetUri::of_request("api.example", "/a%20b/c~d");
        for htu in [
            "https://api.example/a%20b/c~d",
            "HTTPS://API.example:443/a%20b/c%7Ed",
            "https://api.example/%61%20b/c~d?x=1#y",
        ] {
            assert_eq!(TargetUri::parse(htu), Some(request.clone()), "{htu}");
        }
        assert_eq!(TargetUri::parse("https://a.example"), TargetUri::parse("https://a.example/"));
        let lower = TargetUri::of_request("a.example", "/%2f%c3");
        assert_eq!(TargetUri::parse("https://a.example/%2F%C3"), Some(lower));
        let port = TargetUri::of_request("a.example:8443", "/");
        assert_eq!(TargetUri::parse("https://a.example:8443/"), Some(port));
    }

    #[test]
    fn other_uris_differ() {
        let request = TargetUri::of_request("api.example", "/a/b");
        for htu in [
            "https://api.example/a/b/",
            "https://api.example/a%2Fb",
            "https://api.example/A/b",
            "https://api.example:8443/a/b",
            "https://api.example.org/a/b",
            "https://api.example/a",
        ] {
            assert_ne!(TargetUri::parse(htu), Some(request.clone()), "{htu}");
        }
        for htu in
            ["http://api.example/a/b", "/a/b", "api.example/a/b", "https://u@api.example/a/b", "", "https://"]
        {
            assert_eq!(TargetUri::parse(htu), None, "{htu}");
        }
    }
}
