//! Python: `urllib.parse.parse_qsl` as Django and Flask use it, before and after 3.9.2, WSGI's variables, the json module.

use super::{basic, escapes, json};
use crate::one_reading::raw_request::{Clients, RawRequest};

/// The values of `client_id` by `parse_qs(text, keep_blank_values=True)`, which replaces bytes that are not UTF-8.
pub fn parse_qs(text: &[u8], separators: &[u8]) -> Clients {
    let pairs = text.split(|byte| separators.contains(byte)).map(escapes::halves);
    let named = pairs.filter(|(name, _)| escapes::lossy(&escapes::lenient(name)) == "client_id");
    named.map(|(_, value)| escapes::lossy(&escapes::lenient(value))).filter(|id| !id.is_empty()).collect()
}

fn read(request: &RawRequest, separators: &[u8]) -> Clients {
    let mut found = parse_qs(request.query_bytes(), separators);
    if request.is_form() {
        found.extend(parse_qs(&request.body, separators));
    }
    // `json.loads(request.body)`, which detects a byte order mark; the Content-Type is ignored.
    for text in utf_16_or_8(&request.body) {
        found.extend(json::members(text.as_bytes(), |name| name == "client_id"));
    }
    request.cgi("authorization").into_iter().for_each(|value| found.extend(basic::by_white_space(value)));
    found
}

/// `json.loads` of bytes detects UTF-16 by a byte order mark, or by the position of NULs.
fn utf_16_or_8(body: &[u8]) -> [String; 3] {
    let units = |read: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = body.chunks_exact(2).map(|unit| read([unit[0], unit[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    [escapes::lossy(body), units(u16::from_be_bytes), units(u16::from_le_bytes)]
}

pub fn django(request: &RawRequest) -> Clients {
    read(request, b"&")
}

pub fn semicolons(request: &RawRequest) -> Clients {
    read(request, b"&;")
}
