//! A signed token: its header and its claims.

use std::fmt::Write;

use crate::{cli::presented::Token, clock::Timestamp, text::visible};

/// The claims that are times (RFC 7519 section 4.1).
const TIMES: [&str; 3] = ["exp", "nbf", "iat"];

/// Header and claims. Neither its signature nor the token is printed.
pub(super) fn describe(token: &Token, now: Timestamp) -> String {
    let mut text = String::new();
    let kind =
        if token.is_request_object { "request object (RFC 9101)" } else { "client assertion (RFC 7523)" };
    let _ = writeln!(text, "{:<24}{kind}", "judged as");
    for (title, members) in [("header", &token.header), ("claims", &token.claims)] {
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
    text
}

/// A NumericDate as a time.
#[allow(clippy::cast_possible_truncation, reason = "the cast saturates")]
fn humane(seconds: f64, now: Timestamp) -> String {
    let time = Timestamp::from_unix(seconds as i64);
    format!("{time}, {}", time.relative_to(now).in_two_units())
}
