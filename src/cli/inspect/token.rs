//! A signed token: its header, its claims, and how it is judged.

use std::fmt::Write;

use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::{Map, Value};

use super::verdict;
use crate::{
    clock::{Clock, Timestamp},
    site::Site,
    text::is_hidden,
};

/// Decodes for display also what the edge refuses.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// The claims that are times (RFC 7519 section 4.1).
const TIMES: [&str; 3] = ["exp", "nbf", "iat"];

/// Whether a text looks like a compact JWS or JWE: parts with dots between them, and nothing else.
pub(super) fn is_token(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '=' | '.');
    matches!(text.matches('.').count(), 2 | 4) && text.chars().all(is_part)
}

/// Header and claims, and the verdict. Neither its signature nor the token is printed.
pub(super) fn describe(token: &str, site: Option<&Site>, client_id: Option<&str>) -> String {
    let now = Clock::System.now();
    let mut parts = token.split('.');
    let (header, claims) = (parts.next().and_then(decoded), parts.next().and_then(decoded));
    let is_request_object = header.as_ref().is_some_and(|header| has_type(header, "oauth-authz-req+jwt"))
        || claims.as_ref().is_some_and(|claims| claims.contains_key("response_type"));
    let mut text = String::new();
    let kind = if is_request_object { "request object (RFC 9101)" } else { "client assertion (RFC 7523)" };
    let _ = writeln!(text, "{:<24}{kind}", "judged as");
    for (title, members) in [("header", &header), ("claims", &claims)] {
        let Some(members) = members else {
            let _ = writeln!(text, "{title:<24}not base64url of a JSON object");
            continue;
        };
        let _ = writeln!(text, "{title}");
        for (name, value) in members {
            let time = Some(name.as_str()).filter(|name| TIMES.contains(name)).and_then(|_| value.as_f64());
            let time = time.map_or_else(String::new, |seconds| format!("   {}", humane(seconds, now)));
            let _ = writeln!(text, "  {:<22}{}{time}", visible(name), visible(&value.to_string()));
        }
    }
    let judged = verdict::Judged { token, claims: claims.as_ref(), client_id, now };
    text.push('\n');
    text.push_str(&match (site, is_request_object) {
        (Some(site), false) => verdict::assertion(site, &judged),
        (Some(site), true) => verdict::request_object(site, &judged),
        (None, false) => verdict::assertion_alone(&judged),
        (None, true) => verdict::request_object_alone(&judged),
    });
    text
}

fn decoded(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&LENIENT.decode(part).ok()?).ok()
}

fn has_type(header: &Map<String, Value>, media_type: &str) -> bool {
    let typ = header.get("typ").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    typ.strip_prefix("application/").unwrap_or(&typ) == media_type
}

/// A NumericDate as a time.
#[allow(clippy::cast_possible_truncation, reason = "the cast saturates")]
fn humane(seconds: f64, now: Timestamp) -> String {
    let time = Timestamp::from_unix(seconds as i64);
    format!("{time}, {}", verdict::distance(time, now))
}

/// JSON with its invisible characters escaped (RFC 8259 section 7).
fn visible(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if is_hidden(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(c);
        }
    }
    text
}
