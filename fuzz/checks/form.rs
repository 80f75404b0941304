//! `client_id` in a form: what the WHATWG's parser finds, and no common server another one.

use http::{Method, Request};
use mtls_edge::oauth::ParameterError;

use crate::one_reading::{
    models,
    raw_request::{RawRequest, client_id},
};

/// Checks a form as a body, and as the query of a GET.
pub fn check(form: &[u8]) {
    let named: Vec<String> = form_urlencoded::parse(form)
        .filter(|(name, _)| name == "client_id")
        .map(|(_, value)| value.into_owned())
        .collect();
    let body = RawRequest {
        method: "POST",
        headers: vec![("content-type".to_owned(), b"application/x-www-form-urlencoded".to_vec())],
        body: form.to_vec(),
        ..RawRequest::default()
    };
    compare(&body, &named, is_plain(form));
    // What a URI may have in it.
    if let Ok(query) = std::str::from_utf8(form)
        && Request::builder().method(Method::GET).uri(format!("/oauth/token?{query}")).body(()).is_ok()
        && !query.contains('#')
    {
        let query = RawRequest { method: "GET", query: Some(query.to_owned()), ..RawRequest::default() };
        compare(&query, &named, is_plain(form));
    }
}

fn compare(request: &RawRequest, named: &[String], is_plain: bool) {
    let Some(head) = request.head(false) else { return };
    match client_id(&head, &request.body) {
        Ok(client) => {
            assert_eq!(named, [client.as_str()], "{request:?}");
            for (server, clients) in models::readings(request) {
                let others: Vec<_> = clients.iter().filter(|other| *other != client.as_str()).collect();
                assert!(
                    others.is_empty(),
                    "the edge reads {client}, {server} reads {others:?} of {request:?}"
                );
            }
        }
        Err(ParameterError::NoClient) => assert!(named.iter().all(String::is_empty), "{request:?}"),
        Err(error) => assert!(!is_plain || named.len() != 1, "{error} for an ordinary form: {request:?}"),
    }
}

/// Whether a form has ordinary names and values only.
fn is_plain(form: &[u8]) -> bool {
    let is_word = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_alphanumeric);
    let mut seen = Vec::new();
    form.split(|byte| *byte == b'&').all(|pair| {
        let mut parts = pair.splitn(2, |byte| *byte == b'=');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let is_repeated = seen.contains(&name);
        seen.push(name);
        matches!(name, b"client_id" | b"grant_type" | b"scope" | b"code" | b"client_secret")
            && is_word(value)
            && !is_repeated
    })
}
