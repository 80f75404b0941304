//! Java: Tomcat's parameters (query and body together), Spring's and RESTEasy's HTTP Basic, Jackson.

use super::{basic, escapes, json};
use crate::one_reading::raw_request::{Clients, RawRequest};

/// Pairs at `&`; a parameter with a malformed escape is ignored; names are compared as they are.
fn parameters(text: &[u8]) -> Clients {
    let pairs = text.split(|byte| *byte == b'&').map(escapes::halves);
    let decoded = pairs.filter_map(|(name, value)| Some((escapes::strict(name)?, escapes::strict(value)?)));
    // Old decoders accept overlong UTF-8.
    let named = decoded.filter(|(name, _)| escapes::overlong(name) == "client_id");
    named.map(|(_, value)| escapes::overlong(&value)).filter(|id| !id.is_empty()).collect()
}

fn places(request: &RawRequest) -> Clients {
    let mut found = parameters(request.query_bytes());
    if request.is_form() {
        found.extend(parameters(&request.body));
    }
    if request.is_json() {
        // Jackson with SNAKE_CASE or ACCEPT_CASE_INSENSITIVE_PROPERTIES, Gson, and bean properties.
        found.extend(json::members(&request.body, |name| {
            name.eq_ignore_ascii_case("client_id") || name.eq_ignore_ascii_case("clientId")
        }));
    }
    found
}

/// Spring Authorization Server splits at whitespace; Spring Security reads the text after the sixth character.
pub fn spring(request: &RawRequest) -> Clients {
    let mut found = places(request);
    for value in request.header("authorization") {
        found.extend(basic::by_white_space(value));
        found.extend(basic::by_length(value));
    }
    found
}

/// RESTEasy's `BasicAuthHelper`.
pub fn resteasy(request: &RawRequest) -> Clients {
    let mut found = places(request);
    for value in request.header("authorization") {
        found.extend(basic::by_length(value));
        found.extend(basic::by_search(value));
    }
    found
}
