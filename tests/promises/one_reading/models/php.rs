//! PHP's `$_GET` and `$_POST`, Laravel's `isJson()`, Symfony's headers.

use super::{basic, escapes, json};
use crate::one_reading::octets::{Clients, Octets};

/// `php_register_variable_ex`: blanks before a name go, a NUL ends it, `.`, blank and a lone `[` become `_`, brackets nest.
fn variable(name: &[u8]) -> Vec<u8> {
    let name = name.split(|octet| *octet == 0).next().unwrap_or_default();
    let start = name.iter().take_while(|octet| **octet == b' ').count();
    let name = &name[start..];
    let bracket = name.iter().position(|octet| *octet == b'[').filter(|at| *at > 0);
    let (head, is_array) = match bracket {
        Some(at) if name[at..].contains(&b']') => (&name[..at], true),
        _ => (name, false),
    };
    let mangled = head.iter().map(|octet| match octet {
        b' ' | b'.' => b'_',
        b'[' if !is_array => b'_',
        other => *other,
    });
    mangled.collect()
}

/// `max_input_vars` is 1000: what is behind is not there.
fn parse_str(text: &[u8]) -> Clients {
    let pairs = text.split(|octet| *octet == b'&').take(1000).map(escapes::halves);
    let named = pairs.filter(|(name, _)| variable(&escapes::lenient(name)) == b"client_id");
    let values = named.map(|(_, value)| escapes::lossy(&escapes::lenient(value)));
    // Laravel's TrimStrings.
    values.flat_map(|id| [id.trim().to_owned(), id]).filter(|id| !id.is_empty()).collect()
}

pub fn read(octets: &Octets) -> Clients {
    let mut found = parse_str(octets.query_octets());
    if octets.is_form() {
        found.extend(parse_str(&octets.body));
    }
    if octets.is_json() {
        found.extend(json::members(&octets.body, |name| name == "client_id"));
    }
    for value in octets.cgi("authorization") {
        found.extend(basic::by_white_space(value));
        found.extend(basic::by_search(value));
    }
    // Symfony's `Request::getUser()` finds it among the headers.
    found.extend(octets.cgi("php-auth-user").into_iter().map(escapes::lossy));
    found
}
