//! ASP.NET Core and Framework: case-insensitive names, `%uXXXX`, System.Text.Json and Newtonsoft.

use super::{basic, escapes, json};
use crate::one_reading::raw_request::{Clients, RawRequest};

/// OrdinalIgnoreCase, and the invariant culture's comparison, which ignores invisible characters.
fn is_client_id(name: &str) -> bool {
    let visible: String =
        name.chars().filter(|c| !matches!(c, '\u{200b}'..='\u{200f}' | '\u{feff}' | '\0')).collect();
    visible.to_uppercase() == "CLIENT_ID" || visible.to_lowercase() == "client_id"
}

fn form(text: &[u8]) -> Clients {
    let text = text.strip_prefix(b"?").unwrap_or(text);
    let mut found = Clients::new();
    for (name, value) in text.split(|byte| *byte == b'&').map(escapes::halves) {
        for decode in [escapes::lenient, escapes::with_unicode] {
            let name = escapes::lossy(&decode(name));
            // Model binding accepts a parameter's member with any parameter name as prefix.
            let member = name.trim_end_matches(']').rsplit(['.', '[']).next().unwrap_or_default();
            if is_client_id(&name) || is_client_id(member) {
                found.insert(escapes::lossy(&decode(value)));
            }
        }
    }
    found.remove("");
    found
}

pub fn read(request: &RawRequest) -> Clients {
    let mut found = form(request.query_bytes());
    if request.is_form() {
        found.extend(form(request.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&request.body)));
    }
    if request.is_json() {
        // PropertyNameCaseInsensitive, and the naming policies for snake case and camel case.
        found.extend(json::members(&request.body, |name| {
            is_client_id(name) || ["clientid", "client-id"].contains(&name.to_lowercase().as_str())
        }));
    }
    request.header("authorization").into_iter().for_each(|value| found.extend(basic::by_white_space(value)));
    found
}
