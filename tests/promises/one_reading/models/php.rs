//! PHP's `$_GET` and `$_POST`, Laravel's `isJson()`, Symfony's headers.

use super::{basic, escapes, json};
use crate::one_reading::raw_request::{Clients, RawRequest};

/// `php_register_variable_ex`: spaces before a name are removed, a NUL ends it, `.`, space and a lone `[` become `_`, brackets nest.
fn variable(name: &[u8]) -> Vec<u8> {
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    let start = name.iter().take_while(|byte| **byte == b' ').count();
    let name = &name[start..];
    let bracket = name.iter().position(|byte| *byte == b'[').filter(|at| *at > 0);
    let (head, is_array) = match bracket {
        Some(at) if name[at..].contains(&b']') => (&name[..at], true),
        _ => (name, false),
    };
    let mangled = head.iter().map(|byte| match byte {
        b' ' | b'.' => b'_',
        b'[' if !is_array => b'_',
        other => *other,
    });
    mangled.collect()
}

/// `max_input_vars` is 1000: further pairs are ignored.
fn parse_str(text: &[u8]) -> Clients {
    let pairs = text.split(|byte| *byte == b'&').take(1000).map(escapes::halves);
    let named = pairs.filter(|(name, _)| variable(&escapes::lenient(name)) == b"client_id");
    let values = named.map(|(_, value)| escapes::lossy(&escapes::lenient(value)));
    // Laravel's TrimStrings.
    values.flat_map(|id| [id.trim().to_owned(), id]).filter(|id| !id.is_empty()).collect()
}

pub fn read(request: &RawRequest) -> Clients {
    let mut found = parse_str(request.query_bytes());
    if request.is_form() {
        found.extend(parse_str(&request.body));
    }
    if request.is_json() {
        found.extend(json::members(&request.body, |name| name == "client_id"));
    }
    for value in request.cgi("authorization") {
        found.extend(basic::by_white_space(value));
        found.extend(basic::by_search(value));
    }
    // Symfony's `Request::getUser()` reads it from the headers.
    found.extend(request.cgi("php-auth-user").into_iter().map(escapes::lossy));
    found
}
