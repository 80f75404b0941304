//! The one client that a request names, by every reading of its octets.
//!
//! An authorization server behind the edge may be written in anything, and each parser has its own tolerance. What the edge and
//! some common server would read as two different clients is refused here, by the grammar of each part: what is left has one reading.

mod authorization;
mod content_type;
mod error;
mod escapes;
mod form;
mod json;
mod name;

pub use error::ClientIdError;
pub use form::overrides_method;

use http::{HeaderMap, Method, request::Parts};

use content_type::{BodyKind, BodyType, Octets, body_type};

use crate::trust::ClientId;

/// Finds the one client that a request names: in its body (form or JSON), by HTTP Basic (form-decoded,
/// RFC 6749 section 2.3.1), and on GET and HEAD in the query. Two names that differ are an error; on
/// other methods a query may not name another client either, since servers may read it.
pub fn client_id(head: &Parts, body: &[u8]) -> Result<ClientId, ClientIdError> {
    let in_query = match head.uri.query() {
        Some(query) => form::client_id(query.as_bytes())?,
        None => None,
    };
    let in_header = authorization::client_id(&head.headers)?;
    let in_body = if body.is_empty() { None } else { in_body(&head.headers, body)? };

    let query_counts = matches!(head.method, Method::GET | Method::HEAD);
    let named =
        [&in_body, &in_header].into_iter().flatten().chain(in_query.iter().filter(|_| query_counts)).next();
    let named = named.ok_or(ClientIdError::Missing)?;
    if [&in_body, &in_header, &in_query].into_iter().flatten().any(|other| other != named) {
        return Err(ClientIdError::Differ);
    }
    if named.is_empty() {
        return Err(ClientIdError::Missing);
    }
    Ok(ClientId::new(named.as_str()))
}

fn in_body(headers: &HeaderMap, body: &[u8]) -> Result<Option<String>, ClientIdError> {
    let BodyType { kind, octets } = body_type(headers)?;
    if octets == Octets::Ascii && !is_ascii(kind, body) {
        return Err(ClientIdError::BodyCharset);
    }
    match kind {
        BodyKind::Json => json::client_id(body),
        // Some servers look at the body, not at its type.
        BodyKind::Form if looks_like_json(body) => Err(ClientIdError::NotForm),
        BodyKind::Form => form::client_id(body),
    }
}

/// Whether a body has ASCII alone, once a form's escapes are decoded: another octet is another character in each charset.
fn is_ascii(kind: BodyKind, body: &[u8]) -> bool {
    let is_escape = |three: &[u8]| matches!(three, [b'%', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F', _]);
    body.is_ascii() && (kind == BodyKind::Json || !body.windows(3).any(is_escape))
}

/// Whether a body begins as JSON does, which some servers read whatever its type: with a bracket or a quotation mark, or a comment
/// before one, in UTF-8 or UTF-16 (Python detects it), behind byte order marks and blanks. No form's first name begins so.
fn looks_like_json(body: &[u8]) -> bool {
    let first =
        body.iter().find(|octet| !matches!(octet, 0..=b' ' | 0x7f | 0xef | 0xbb | 0xbf | 0xfe | 0xff));
    first.is_some_and(|first| b"{[(\"'/#<)".contains(first))
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use http::Request;
    use proptest::prelude::*;

    use super::*;

    fn parts(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

    fn basic_of(text: &str) -> String {
        format!("bAsIc {}", STANDARD.encode(text))
    }

    #[test]
    fn each_place_is_read() {
        let id = |parts: Parts, body: &[u8]| client_id(&parts, body).map(|id| id.to_string());
        assert_eq!(id(parts("POST", "/t", &[FORM]), b"client_id=a").unwrap(), "a");
        let form_utf8 = [("content-type", "Application/X-WWW-Form-Urlencoded; charset=\"UTF-8\"")];
        assert_eq!(id(parts("POST", "/t", &form_utf8), b"client_id=a").unwrap(), "a");
        let json = [("content-type", "application/json")];
        assert_eq!(id(parts("POST", "/t", &json), br#"{"client_id":"a"}"#).unwrap(), "a");
        let basic = basic_of("a%3Ab+c:secret");
        assert_eq!(id(parts("POST", "/t", &[("authorization", &basic)]), b"").unwrap(), "a:b c");
        assert_eq!(id(parts("GET", "/t?x=1&client_id=a", &[]), b"").unwrap(), "a");
    }

    #[test]
    fn a_request_that_names_two_clients_is_refused() {
        let basic = basic_of("b:x");
        let differ = [
            (parts("POST", "/t", &[FORM, ("authorization", &basic)]), &b"client_id=a"[..]),
            (parts("POST", "/t?client_id=b", &[FORM]), b"client_id=a"),
            (parts("GET", "/t?client_id=a", &[("authorization", &basic)]), b""),
        ];
        for (parts, body) in differ {
            assert_eq!(client_id(&parts, body), Err(ClientIdError::Differ));
        }
        let same = parts("POST", "/t?client_id=b", &[FORM, ("authorization", &basic)]);
        assert_eq!(client_id(&same, b"client_id=b"), Ok(ClientId::new("b")));
    }

    #[test]
    fn a_query_names_nobody_on_post() {
        assert_eq!(client_id(&parts("POST", "/t?client_id=a", &[]), b""), Err(ClientIdError::Missing));
    }

    #[test]
    fn a_body_that_can_not_be_read_is_refused_though_basic_names_a_client() {
        let basic = basic_of("a:x");
        let auth = ("authorization", basic.as_str());
        for content_type in [
            "multipart/form-data; boundary=x",
            "text/plain",
            "application/x-www-form-urlencoded;charset=utf-16",
            "application/x-www-form-urlencoded;charset=cp037",
        ] {
            let parts = parts("POST", "/t", &[auth, ("content-type", content_type)]);
            assert_eq!(client_id(&parts, b"client_id=b"), Err(ClientIdError::ContentType));
        }
        assert_eq!(client_id(&parts("POST", "/t", &[auth]), b"client_id=b"), Err(ClientIdError::ContentType));
        let gzip = parts("POST", "/t", &[auth, FORM, ("content-encoding", "gzip")]);
        assert_eq!(client_id(&gzip, b"x"), Err(ClientIdError::ContentEncoding));
        let twice = parts("POST", "/t", &[FORM, ("content-type", "application/json")]);
        assert_eq!(client_id(&twice, b"client_id=b"), Err(ClientIdError::ContentType));
    }

    #[test]
    fn under_another_charset_only_ascii_is_read() {
        for charset in ["ISO-8859-1", "us-ascii", "windows-1252"] {
            let form = format!("application/x-www-form-urlencoded; charset={charset}");
            let form = parts("POST", "/t", &[("content-type", &form)]);
            assert_eq!(client_id(&form, b"client_id=a%3Ab&x=%7f"), Ok(ClientId::new("a:b")));
            for body in [
                &b"client_id=a&x=\xe9"[..],
                b"client_id=a&x=%E9",
                b"client_id=a&x=%c3%a9",
                b"x%80=&client_id=a",
            ] {
                assert_eq!(client_id(&form, body), Err(ClientIdError::BodyCharset));
            }
            let json = format!("application/json; charset={charset}");
            let json = parts("POST", "/t", &[("content-type", &json)]);
            assert_eq!(client_id(&json, br#"{"client_id":"a","x":"%E9 \u00e9"}"#), Ok(ClientId::new("a")));
            assert_eq!(
                client_id(&json, "{\"client_id\":\"a\",\"x\":\"\u{e9}\"}".as_bytes()),
                Err(ClientIdError::BodyCharset)
            );
        }
    }

    #[test]
    fn authorization_is_read_strictly() {
        let basic = basic_of("a:x");
        let twice = parts("POST", "/t", &[("authorization", &basic), ("authorization", &basic)]);
        assert_eq!(client_id(&twice, b""), Err(ClientIdError::Basic));
        for broken in ["Basic !!", "Basic", "Basic YQ=="] {
            let broken = parts("POST", "/t", &[("authorization", broken)]);
            assert_eq!(client_id(&broken, b""), Err(ClientIdError::Basic));
        }
        let bearer = parts("POST", "/t", &[FORM, ("authorization", "Bearer x")]);
        assert_eq!(client_id(&bearer, b"client_id=a"), Ok(ClientId::new("a")));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(body: Vec<u8>, json: bool) {
            let kind = if json { "application/json" } else { "application/x-www-form-urlencoded" };
            let _ = client_id(&parts("POST", "/t", &[("content-type", kind)]), &body);
        }

        #[test]
        fn a_form_made_by_an_encoder_is_read_back(id in "[ -~]{1,40}") {
            let encoded = id.bytes().fold(String::new(), |text, b| format!("{text}%{b:02X}"));
            let body = format!("a=b&client_id={encoded}&c");
            let found = client_id(&parts("POST", "/t", &[FORM]), body.as_bytes()).unwrap();
            prop_assert_eq!(found.as_str(), id);
        }
    }
}
