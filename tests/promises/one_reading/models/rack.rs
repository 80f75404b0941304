//! Rack 2: pairs at `&` and `;`, nested names, `HTTP_*` variables.

use super::{basic, escapes, json};
use crate::one_reading::octets::{Clients, Octets};

/// `normalize_params`: brackets before a name are dropped, those behind it nest.
fn key(name: &str) -> &str {
    name.trim_start_matches(['[', ']']).split(['[', ']']).next().unwrap_or_default()
}

fn nested_query(text: &[u8]) -> Clients {
    let pairs = text.split(|octet| matches!(octet, b'&' | b';'));
    // Blanks behind a separator belong to it.
    let pairs = pairs.map(|pair| &pair[pair.iter().take_while(|octet| **octet == b' ').count()..]);
    // A broken escape refuses the whole request; left out here, so that what is before and behind it counts.
    let decoded = pairs
        .map(escapes::halves)
        .filter_map(|(name, value)| Some((escapes::strict(name)?, escapes::strict(value)?)));
    let named = decoded.filter(|(name, _)| key(&escapes::lossy(name)) == "client_id");
    named.map(|(_, value)| escapes::lossy(&value)).filter(|id| !id.is_empty()).collect()
}

pub fn read(octets: &Octets) -> Clients {
    let mut found = nested_query(octets.query_octets());
    // Without a Content-Type a POST is a form.
    if octets.is_form() || (octets.method == "POST" && octets.media_types().iter().all(String::is_empty)) {
        found.extend(nested_query(&octets.body));
    }
    if octets.is_json() {
        // `deep_transform_keys(&:underscore)`, which many an API has in front of its parameters.
        found.extend(json::members(&octets.body, |name| {
            let folded = name.replace('-', "_");
            folded == "client_id" || folded == "clientId" || folded == "ClientId"
        }));
    }
    octets.cgi("authorization").into_iter().for_each(|value| found.extend(basic::by_white_space(value)));
    found
}
