//! Rack 2: pairs at `&` and `;`, nested names, `HTTP_*` variables.

use super::{basic, escapes, json};
use crate::one_reading::raw_request::{Clients, RawRequest};

/// `normalize_params`: brackets before a name are dropped, those after it nest.
fn key(name: &str) -> &str {
    name.trim_start_matches(['[', ']']).split(['[', ']']).next().unwrap_or_default()
}

fn nested_query(text: &[u8]) -> Clients {
    let pairs = text.split(|byte| matches!(byte, b'&' | b';'));
    // Whitespace after a separator is part of it.
    let pairs = pairs.map(|pair| &pair[pair.iter().take_while(|byte| **byte == b' ').count()..]);
    // A malformed escape rejects the whole request. The model ignores that pair only, so that the others are read.
    let decoded = pairs
        .map(escapes::halves)
        .filter_map(|(name, value)| Some((escapes::strict(name)?, escapes::strict(value)?)));
    let named = decoded.filter(|(name, _)| key(&escapes::lossy(name)) == "client_id");
    named.map(|(_, value)| escapes::lossy(&value)).filter(|id| !id.is_empty()).collect()
}

pub fn read(request: &RawRequest) -> Clients {
    let mut found = nested_query(request.query_bytes());
    // Without a Content-Type a POST is a form.
    if request.is_form() || (request.method == "POST" && request.media_types().iter().all(String::is_empty)) {
        found.extend(nested_query(&request.body));
    }
    if request.is_json() {
        // `deep_transform_keys(&:underscore)`, which many APIs apply to their parameters.
        found.extend(json::members(&request.body, |name| {
            let folded = name.replace('-', "_");
            folded == "client_id" || folded == "clientId" || folded == "ClientId"
        }));
    }
    request.cgi("authorization").into_iter().for_each(|value| found.extend(basic::by_white_space(value)));
    found
}
