//! Java: Tomcat's parameters (query and body together), Spring's and RESTEasy's HTTP Basic, Jackson.

use super::{basic, escapes, json};
use crate::one_reading::octets::{Clients, Octets};

/// Pairs at `&`; a parameter with a broken escape is left out; names are compared as they are.
fn parameters(text: &[u8]) -> Clients {
    let pairs = text.split(|octet| *octet == b'&').map(escapes::halves);
    let decoded = pairs.filter_map(|(name, value)| Some((escapes::strict(name)?, escapes::strict(value)?)));
    // Old decoders take overlong UTF-8.
    let named = decoded.filter(|(name, _)| escapes::overlong(name) == "client_id");
    named.map(|(_, value)| escapes::overlong(&value)).filter(|id| !id.is_empty()).collect()
}

fn places(octets: &Octets) -> Clients {
    let mut found = parameters(octets.query_octets());
    if octets.is_form() {
        found.extend(parameters(&octets.body));
    }
    if octets.is_json() {
        // Jackson with SNAKE_CASE or ACCEPT_CASE_INSENSITIVE_PROPERTIES, Gson, and bean properties.
        found.extend(json::members(&octets.body, |name| {
            name.eq_ignore_ascii_case("client_id") || name.eq_ignore_ascii_case("clientId")
        }));
    }
    found
}

/// Spring Authorization Server splits at white space; Spring Security takes what is behind the sixth octet.
pub fn spring(octets: &Octets) -> Clients {
    let mut found = places(octets);
    for value in octets.header("authorization") {
        found.extend(basic::by_white_space(value));
        found.extend(basic::by_length(value));
    }
    found
}

/// RESTEasy's `BasicAuthHelper`.
pub fn resteasy(octets: &Octets) -> Clients {
    let mut found = places(octets);
    for value in octets.header("authorization") {
        found.extend(basic::by_length(value));
        found.extend(basic::by_search(value));
    }
    found
}
