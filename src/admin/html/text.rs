//! Text and times in HTML.

use std::fmt::Write;

use crate::clock::{Relative, Timestamp};

/// A time as seen from now, with the exact one in its attributes.
pub(super) fn time(html: &mut String, at: Timestamp, seen: Relative) {
    let _ = write!(html, "<time datetime=\"{at}\" title=\"{at}\">{seen}</time>");
}

/// Escapes text for an element or an attribute.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
