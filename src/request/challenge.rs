//! `WWW-Authenticate`: a 401 to a request with `Authorization` has a challenge in the same scheme (RFC 6749 section 5.2).
//!
//! Without `Authorization` there is no challenge: no HTTP authentication scheme means a client certificate, and clients fail
//! on challenges of schemes that they did not use (docs/configuration.md, "What applications see").

use base64::{Engine, engine::general_purpose::STANDARD};
use http::HeaderValue;

/// The maximum length of a scheme in bytes; all registered ones are shorter.
const LONGEST: usize = 32;

/// A challenge in the scheme of this `Authorization` (RFC 9110 section 11.6.1); `None` if it has no valid scheme.
pub(super) fn challenge(
    authorization: &HeaderValue,
    realm: &str,
    code: &str,
    description: &str,
) -> Option<HeaderValue> {
    let (scheme, _) = parts(authorization)?;
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if scheme.is_empty() || scheme.len() > LONGEST || !scheme.bytes().all(is_token) {
        return None;
    }
    let known = ["Basic", "Bearer", "DPoP"].into_iter().find(|known| known.eq_ignore_ascii_case(scheme));
    // RFC 7617 section 2.1.
    let charset = if known == Some("Basic") { ", charset=\"UTF-8\"" } else { "" };
    let (realm, description) = (quoted(realm), quoted(description));
    let scheme = known.unwrap_or(scheme);
    let value = format!("{scheme} realm={realm}{charset}, error=\"{code}\", error_description={description}");
    HeaderValue::try_from(value).ok()
}

/// Whether HTTP Basic carries a `client_id` or a secret that form-decoding changes. Many clients (curl, Python's requests) do not encode
/// them.
pub(super) fn is_decoded_basic(authorization: &HeaderValue) -> bool {
    basic(authorization).is_some_and(|credentials| credentials.iter().any(|b| b"+%".contains(b)))
}

/// Whether HTTP Basic carries a `client_id` that form-decoding changes: a server that does not decode reads another client.
pub(super) fn is_decoded_client_id(authorization: &HeaderValue) -> bool {
    let is_changed = |id: &[u8]| id.iter().any(|b| b"+%".contains(b));
    basic(authorization)
        .is_some_and(|credentials| credentials.split(|b| *b == b':').next().is_some_and(is_changed))
}

/// The credentials of HTTP Basic, not form-decoded.
fn basic(authorization: &HeaderValue) -> Option<Vec<u8>> {
    let (_, credentials) = parts(authorization).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))?;
    STANDARD.decode(credentials.trim()).ok()
}

fn parts(authorization: &HeaderValue) -> Option<(&str, &str)> {
    let text = authorization.to_str().ok()?;
    Some(text.split_once(' ').unwrap_or((text, "")))
}

/// A quoted-string (RFC 9110 section 5.6.4); characters other than visible ASCII are dropped.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars().filter(|c| matches!(c, ' '..='~')) {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenged(authorization: &[u8]) -> Option<String> {
        let authorization = HeaderValue::from_bytes(authorization).unwrap();
        let challenge = challenge(&authorization, "a.example", "invalid_client", "say \"x\" \\ \u{e9}\n")?;
        Some(challenge.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_challenge_has_the_requests_scheme_and_quoted_texts() {
        let words = "error=\"invalid_client\", error_description=\"say \\\"x\\\" \\\\ \"";
        for (authorization, begins) in [
            (&b"bAsIc YTpi"[..], "Basic realm=\"a.example\", charset=\"UTF-8\", "),
            (b"bearer x", "Bearer realm=\"a.example\", "),
            (b"DPOP x", "DPoP realm=\"a.example\", "),
            (b"Signature keyId=\"k\"", "Signature realm=\"a.example\", "),
            (b"Basic", "Basic realm=\"a.example\", charset=\"UTF-8\", "),
        ] {
            assert_eq!(challenged(authorization).unwrap(), format!("{begins}{words}"));
        }
        for none in [&b""[..], b" x", b"a,b c", b"\xe9 x", &[b'a'; 33], b"\"Basic\" x"] {
            assert_eq!(challenged(none), None, "{none:?}");
        }
    }

    #[test]
    fn only_basic_that_decoding_changes_is_explained() {
        let is = |scheme: &str, text: &str| {
            let value = format!("{scheme} {}", STANDARD.encode(text));
            is_decoded_basic(&HeaderValue::try_from(value).unwrap())
        };
        assert!(is("Basic", "a+b:s") && is("basic", "a%2Bb:s") && is("Basic", "a:s+s"));
        assert!(!is("Basic", "ab:s") && !is("Bearer", "a+b:s"));
        assert!(!is_decoded_basic(&HeaderValue::from_static("Basic !!")));
    }
}
