//! Python: `urllib.parse.parse_qsl` as Django and Flask use it, before and after 3.9.2, WSGI's variables, the json module.

use super::{basic, escapes, json};
use crate::one_reading::octets::{Clients, Octets};

/// The values of `client_id` by `parse_qs(text, keep_blank_values=True)`, which replaces what is not UTF-8.
pub fn parse_qs(text: &[u8], separators: &[u8]) -> Clients {
    let pairs = text.split(|octet| separators.contains(octet)).map(escapes::halves);
    let named = pairs.filter(|(name, _)| escapes::lossy(&escapes::lenient(name)) == "client_id");
    named.map(|(_, value)| escapes::lossy(&escapes::lenient(value))).filter(|id| !id.is_empty()).collect()
}

fn read(octets: &Octets, separators: &[u8]) -> Clients {
    let mut found = parse_qs(octets.query_octets(), separators);
    if octets.is_form() {
        found.extend(parse_qs(&octets.body, separators));
    }
    // `json.loads(request.body)`, which detects a byte order mark and asks for no Content-Type.
    for text in utf_16_or_8(&octets.body) {
        found.extend(json::members(text.as_bytes(), |name| name == "client_id"));
    }
    octets.cgi("authorization").into_iter().for_each(|value| found.extend(basic::by_white_space(value)));
    found
}

/// `json.loads` of octets detects UTF-16 by a byte order mark, or by where the NULs are.
fn utf_16_or_8(body: &[u8]) -> [String; 3] {
    let units = |read: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = body.chunks_exact(2).map(|unit| read([unit[0], unit[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    [escapes::lossy(body), units(u16::from_be_bytes), units(u16::from_le_bytes)]
}

pub fn django(octets: &Octets) -> Clients {
    read(octets, b"&")
}

pub fn semicolons(octets: &Octets) -> Clients {
    read(octets, b"&;")
}
