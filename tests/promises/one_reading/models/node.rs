//! Node: `URLSearchParams` of the request's text, qs as Express and koa-body use it, `JSON.parse`, basic-auth.

use super::{basic, escapes, json};
use crate::one_reading::octets::{Clients, Octets};

fn authorization(octets: &Octets) -> Clients {
    octets.header("authorization").into_iter().flat_map(basic::by_white_space).collect()
}

/// `new URLSearchParams(text)`: a `?` before the first name is dropped.
fn search_params(text: &[u8]) -> Clients {
    let text = text.strip_prefix(b"?").unwrap_or(text);
    let pairs = text.split(|octet| *octet == b'&').map(escapes::halves);
    let named = pairs.filter(|(name, _)| escapes::lossy(&escapes::lenient(name)) == "client_id");
    named.map(|(_, value)| escapes::lossy(&escapes::lenient(value))).filter(|id| !id.is_empty()).collect()
}

/// `await request.text()` drops a byte order mark; nobody looks at the Content-Type.
pub fn url_search_params(octets: &Octets) -> Clients {
    let body = octets.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&octets.body);
    let mut found = authorization(octets);
    found.extend(search_params(octets.query_octets()));
    found.extend(search_params(body));
    found.extend(json::members(body, |name| name == "client_id"));
    found
}

/// decodeURIComponent, and the text as it was where that throws.
fn decode(component: &[u8]) -> String {
    let spaced: Vec<u8> = component.iter().map(|octet| if *octet == b'+' { b' ' } else { *octet }).collect();
    let decoded = escapes::strict(&spaced).and_then(|octets| String::from_utf8(octets).ok());
    decoded.unwrap_or_else(|| escapes::lossy(&spaced))
}

/// The key at the root of `a[b]`, `[a]`, `a.b`.
fn root(name: &str) -> &str {
    let name = name.strip_prefix('[').unwrap_or(name);
    name.split(['[', ']', '.']).next().unwrap_or_default()
}

fn qs_of(text: &[u8]) -> Clients {
    let text = text.strip_prefix(b"?").unwrap_or(text);
    let pairs = text.split(|octet| *octet == b'&').take(1000).map(escapes::halves);
    let named = pairs.filter(|(name, _)| {
        let name = decode(name);
        root(&name) == "client_id" || name.starts_with("__proto__[client_id]")
    });
    named.map(|(_, value)| decode(value)).filter(|id| !id.is_empty()).collect()
}

pub fn qs(octets: &Octets) -> Clients {
    let mut found = authorization(octets);
    found.extend(qs_of(octets.query_octets()));
    if octets.is_form() {
        found.extend(qs_of(&octets.body));
    }
    if octets.is_json() {
        found.extend(json::members(&octets.body, |name| name == "client_id"));
    }
    found
}
