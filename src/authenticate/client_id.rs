//! The `client_id` of a request.

use std::borrow::Cow;

use super::assertion;
use crate::{
    oauth::{ParameterError, Parameters},
    trust::ClientId,
};

/// Returns the `client_id` from the body, HTTP Basic or the query; without one, the client that a client assertion names (RFC 7521
/// section 4.2).
///
/// # Errors
///
/// If there is none, or if an upstream could read another one.
pub fn client_id(parameters: &Parameters) -> Result<ClientId, ParameterError> {
    let named_by_assertion = || parameters.get("client_assertion").and_then(assertion::subject);
    let id = match parameters.get("client_id") {
        Some(id) => Cow::Borrowed(id),
        // Some servers read the query of a POST.
        None if parameters.places("client_id").query => return Err(ParameterError::NoClient),
        None => Cow::Owned(named_by_assertion().ok_or(ParameterError::NoClient)?),
    };
    if id.trim() != id {
        return Err(ParameterError::OuterWhitespace("client_id"));
    }
    Ok(ClientId::new(&*id))
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use http::{Request, request::Parts};
    use proptest::prelude::*;

    use super::*;
    use crate::oauth::{PARAMETERS, Parameters};

    fn client_id(head: &Parts, body: &[u8]) -> Result<ClientId, ParameterError> {
        Parameters::parse(head, body, &PARAMETERS).and_then(|parameters| super::client_id(&parameters))
    }

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
    fn client_id_is_read_from_body_basic_and_query() {
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
    fn two_different_client_ids_are_refused() {
        let basic = basic_of("b:x");
        let differ = [
            (parts("POST", "/t", &[FORM, ("authorization", &basic)]), &b"client_id=a"[..]),
            (parts("POST", "/t?client_id=b", &[FORM]), b"client_id=a"),
            (parts("GET", "/t?client_id=a", &[("authorization", &basic)]), b""),
        ];
        for (parts, body) in differ {
            assert_eq!(client_id(&parts, body), Err(ParameterError::Differ("client_id")));
        }
        let same = parts("POST", "/t?client_id=b", &[FORM, ("authorization", &basic)]);
        assert_eq!(client_id(&same, b"client_id=b"), Ok(ClientId::new("b")));
    }

    #[test]
    fn whitespace_around_a_client_id_is_refused() {
        for encoded in ["+a", "a+", "a%20", "%E3%80%80a", "+"] {
            let body = format!("client_id={encoded}");
            let found = client_id(&parts("POST", "/t", &[FORM]), body.as_bytes());
            assert_eq!(found, Err(ParameterError::OuterWhitespace("client_id")), "{encoded}");
        }
        let json = parts("POST", "/t", &[("content-type", "application/json")]);
        assert!(client_id(&json, br#"{"client_id":" a"}"#).is_err());
        assert!(client_id(&parts("POST", "/t", &[("authorization", &basic_of("a+:x"))]), b"").is_err());
    }

    #[test]
    fn the_query_of_a_post_is_not_read() {
        assert_eq!(client_id(&parts("POST", "/t?client_id=a", &[]), b""), Err(ParameterError::NoClient));
    }

    #[test]
    fn an_unreadable_body_is_refused_even_with_basic() {
        let basic = basic_of("a:x");
        let auth = ("authorization", basic.as_str());
        for content_type in [
            "multipart/form-data; boundary=x",
            "text/plain",
            "application/x-www-form-urlencoded;charset=utf-16",
            "application/x-www-form-urlencoded;charset=cp037",
        ] {
            let parts = parts("POST", "/t", &[auth, ("content-type", content_type)]);
            assert_eq!(client_id(&parts, b"client_id=b"), Err(ParameterError::ContentType));
        }
        assert_eq!(
            client_id(&parts("POST", "/t", &[auth]), b"client_id=b"),
            Err(ParameterError::ContentType)
        );
        let gzip = parts("POST", "/t", &[auth, FORM, ("content-encoding", "gzip")]);
        assert_eq!(client_id(&gzip, b"x"), Err(ParameterError::ContentEncoding));
        let twice = parts("POST", "/t", &[FORM, ("content-type", "application/json")]);
        assert_eq!(client_id(&twice, b"client_id=b"), Err(ParameterError::ContentType));
    }

    #[test]
    fn other_charsets_allow_only_ascii() {
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
                assert_eq!(client_id(&form, body), Err(ParameterError::BodyCharset));
            }
            let json = format!("application/json; charset={charset}");
            let json = parts("POST", "/t", &[("content-type", &json)]);
            assert_eq!(client_id(&json, br#"{"client_id":"a","x":"%E9 \u00e9"}"#), Ok(ClientId::new("a")));
            assert_eq!(
                client_id(&json, "{\"client_id\":\"a\",\"x\":\"\u{e9}\"}".as_bytes()),
                Err(ParameterError::BodyCharset)
            );
        }
    }

    #[test]
    fn authorization_is_read_strictly() {
        let basic = basic_of("a:x");
        let twice = parts("POST", "/t", &[("authorization", &basic), ("authorization", &basic)]);
        assert_eq!(client_id(&twice, b""), Err(ParameterError::Basic));
        for broken in ["Basic !!", "Basic", "Basic YQ=="] {
            let broken = parts("POST", "/t", &[("authorization", broken)]);
            assert_eq!(client_id(&broken, b""), Err(ParameterError::Basic));
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
        fn a_form_made_by_an_encoder_is_read_back(id in "[!-~]([ -~]{0,38}[!-~])?") {
            let encoded = id.bytes().fold(String::new(), |text, b| format!("{text}%{b:02X}"));
            let body = format!("a=b&client_id={encoded}&c");
            let found = client_id(&parts("POST", "/t", &[FORM]), body.as_bytes()).unwrap();
            prop_assert_eq!(found.as_str(), id);
        }
    }
}
