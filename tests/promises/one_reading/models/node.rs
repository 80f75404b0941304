//! Node: `URLSearchParams` of the body, qs as Express and koa-body use it, `JSON.parse`, basic-auth.

use super::{basic, escapes, json};
use crate::one_reading::raw_request::{Clients, RawRequest};

fn authorization(request: &RawRequest) -> Clients {
    request.header("authorization").into_iter().flat_map(basic::by_white_space).collect()
}

/// `new URLSearchParams(text)`: a `?` before the first name is dropped.
fn search_params(text: &[u8]) -> Clients {
    let text = text.strip_prefix(b"?").unwrap_or(text);
    let pairs = text.split(|byte| *byte == b'&').map(escapes::halves);
    let named = pairs.filter(|(name, _)| escapes::lossy(&escapes::lenient(name)) == "client_id");
    named.map(|(_, value)| escapes::lossy(&escapes::lenient(value))).filter(|id| !id.is_empty()).collect()
}

/// `await request.text()` drops a byte order mark, and the Content-Type is ignored.
pub fn url_search_params(request: &RawRequest) -> Clients {
    let body = request.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&request.body);
    let mut found = authorization(request);
    found.extend(search_params(request.query_bytes()));
    found.extend(search_params(body));
    found.extend(json::members(body, |name| name == "client_id"));
    found
}

/// decodeURIComponent, or the original text if that throws.
fn decode(component: &[u8]) -> String {
    let spaced: Vec<u8> = component.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    let decoded = escapes::strict(&spaced).and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.unwrap_or_else(|| escapes::lossy(&spaced))
}

/// The key at the root of `a[b]`, `[a]`, `a.b`.
fn root(name: &str) -> &str {
    let name = name.strip_prefix('[').unwrap_or(name);
    name.split(['[', ']', '.']).next().unwrap_or_default()
}

fn qs_of(text: &[u8]) -> Clients {
    let text = text.strip_prefix(b"?").unwrap_or(text);
    let pairs = text.split(|byte| *byte == b'&').take(1000).map(escapes::halves);
    let named = pairs.filter(|(name, _)| {
        let name = decode(name);
        root(&name) == "client_id" || name.starts_with("__proto__[client_id]")
    });
    named.map(|(_, value)| decode(value)).filter(|id| !id.is_empty()).collect()
}

pub fn qs(request: &RawRequest) -> Clients {
    let mut found = authorization(request);
    found.extend(qs_of(request.query_bytes()));
    if request.is_form() {
        found.extend(qs_of(&request.body));
    }
    if request.is_json() {
        found.extend(json::members(&request.body, |name| name == "client_id"));
    }
    found
}
