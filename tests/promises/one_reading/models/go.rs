//! Go: `url.ParseQuery`, `Request.BasicAuth`, encoding/json.

use super::{basic, escapes, json};
use crate::one_reading::raw_request::{Clients, RawRequest};

/// Since Go 1.17, a pair with a semicolon or a malformed escape is ignored; before, a semicolon ended a pair.
fn parse_query(text: &[u8]) -> Clients {
    let since = text.split(|byte| *byte == b'&').filter(|pair| !pair.contains(&b';'));
    let before = text.split(|byte| matches!(byte, b'&' | b';'));
    let pairs = since.chain(before).map(escapes::halves);
    let decoded = pairs.filter_map(|(name, value)| Some((escapes::strict(name)?, escapes::strict(value)?)));
    let named = decoded.filter(|(name, _)| name == b"client_id");
    named.map(|(_, value)| escapes::lossy(&value)).filter(|id| !id.is_empty()).collect()
}

/// encoding/json compares names by simple Unicode folding.
fn folds(name: &str) -> bool {
    name.to_lowercase() == "client_id" || name.to_uppercase() == "CLIENT_ID"
}

pub fn read(request: &RawRequest) -> Clients {
    let mut found = parse_query(request.query_bytes());
    if request.is_form() {
        found.extend(parse_query(&request.body));
    }
    // A handler that decodes JSON ignores the Content-Type, and reads one value only.
    found.extend(json::members(&request.body, folds));
    for value in request.header("authorization") {
        if let Some((scheme, credentials)) = value.split_at_checked(6)
            && scheme.eq_ignore_ascii_case(b"basic ")
        {
            found.extend(basic::named(credentials));
        }
    }
    found
}
