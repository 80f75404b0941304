//! A request as a server receives it: the input of all models of servers.

use std::collections::BTreeSet;

use http::{HeaderMap, HeaderName, HeaderValue, Request, request::Parts};
use mtls_edge::{
    authenticate::{self, Mechanism},
    oauth::{PARAMETERS, ParameterError, Parameters},
    trust::ClientId,
};

/// The clients that a server could read from a request.
pub type Clients = BTreeSet<String>;

/// The edge's reading of a request.
pub fn client_id(head: &Parts, body: &[u8]) -> Result<ClientId, ParameterError> {
    Parameters::parse(head, body, &PARAMETERS).and_then(|parameters| authenticate::client_id(&parameters))
}

/// A request: method, target, header lines and body.
#[derive(Clone, Debug, Default)]
pub struct RawRequest {
    pub method: &'static str,
    /// Without the `?`.
    pub query: Option<String>,
    /// As sent by the client, or as forwarded: in lower case and without whitespace around values.
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl RawRequest {
    /// The values of a header; names are compared as in HTTP.
    pub fn header(&self, name: &str) -> Vec<&[u8]> {
        let same = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        same.map(|(_, value)| value.as_slice()).collect()
    }

    /// Whether it authenticates with nothing but the connection's certificate.
    pub fn has_no_secret(&self, http2: bool) -> bool {
        let Some(head) = self.head(http2) else { return false };
        Parameters::parse(&head, &self.body, &PARAMETERS)
            .is_ok_and(|parameters| Mechanism::of(&head.headers, &parameters) == Ok(Mechanism::Certificate))
    }

    /// The values of CGI's `HTTP_NAME`: other characters are treated as underscores (RFC 3875 section 4.1.18, and common practice).
    pub fn cgi(&self, name: &str) -> Vec<&[u8]> {
        let fold = |name: &str| name.to_ascii_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        let same = self.headers.iter().filter(|(other, _)| fold(other) == fold(name));
        same.map(|(_, value)| value.as_slice()).collect()
    }

    /// The media types of all lines, as most servers read them: the text before the first `;`, `,` or whitespace, in lower case.
    pub fn media_types(&self) -> Vec<String> {
        let lines = self.cgi("content-type").into_iter();
        let ends = |byte: &u8| matches!(byte, b';' | b',' | b' ' | b'\t');
        lines
            .map(|line| {
                let end = line.iter().position(ends).unwrap_or(line.len());
                String::from_utf8_lossy(&line[..end]).to_ascii_lowercase()
            })
            .collect()
    }

    pub fn is_form(&self) -> bool {
        self.media_types().iter().any(|kind| kind == "application/x-www-form-urlencoded")
    }

    /// Whether a server could read the body as JSON, by any part of any line.
    pub fn is_json(&self) -> bool {
        self.cgi("content-type").iter().any(|line| {
            let line = String::from_utf8_lossy(line).to_ascii_lowercase();
            line.contains("/json") || line.contains("+json")
        })
    }

    pub fn query_bytes(&self) -> &[u8] {
        self.query.as_deref().unwrap_or_default().as_bytes()
    }

    /// The head for the edge's own reading; none if it is not valid HTTP, or malformed in HTTP/2.
    pub fn head(&self, http2: bool) -> Option<Parts> {
        let target = match &self.query {
            Some(query) => format!("/oauth/token?{query}"),
            None => "/oauth/token".to_owned(),
        };
        let (mut head, ()) = Request::builder().method(self.method).uri(target).body(()).ok()?.into_parts();
        head.headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let trimmed = trim(value);
            if http2 && trimmed.len() != value.len() {
                return None;
            }
            head.headers.append(HeaderName::try_from(name).ok()?, HeaderValue::from_bytes(trimmed).ok()?);
        }
        Some(head)
    }

    /// The request that a server receives with this head.
    pub fn forwarded(head: &Parts, body: &[u8]) -> Self {
        let method = if head.method == http::Method::GET { "GET" } else { "POST" };
        let headers =
            head.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
        Self { method, query: head.uri.query().map(str::to_owned), headers, body: body.to_vec() }
    }
}

/// Removes optional whitespace around a field value (RFC 9110 section 5.5).
pub fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
