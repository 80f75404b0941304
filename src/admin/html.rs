//! The status as an HTML page without external resources. It is complete without its script, which only renews it.

use std::fmt::Write;

use http::HeaderMap;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    status::{Health, Level, Status},
    tables::{Cell, Table, tables},
};
use crate::clock::Timestamp;

/// The style sheet of the page.
pub(in crate::admin) const STYLE: &str = include_str!("page/style.css");
/// The script of the page.
pub(in crate::admin) const SCRIPT: &str = include_str!("page/script.js");

const HEAD: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>mtls-edge</title>\
<link rel=\"icon\" href=\"data:,\"><link rel=\"stylesheet\" href=\"/status.css\">\
<script src=\"/status.js\" defer></script></head><body>\n";

/// Whether the client prefers a page to JSON (RFC 9110 section 12.5.1). JSON wins a tie.
pub(in crate::admin) fn is_preferred(headers: &HeaderMap) -> bool {
    let accepted: Vec<&str> = headers
        .get_all(http::header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    quality(&accepted, "text/html") > quality(&accepted, "application/json")
}

/// The weight of a type, by the most specific range that fits, in thousandths.
fn quality(accepted: &[&str], kind: &str) -> u16 {
    let whole_type = format!("{}/*", kind.split('/').next().unwrap_or_default());
    for range in [kind, whole_type.as_str(), "*/*"] {
        for item in accepted {
            let mut parts = item.split(';').map(str::trim);
            if !parts.next().is_some_and(|name| name.eq_ignore_ascii_case(range)) {
                continue;
            }
            let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
            let weight = weight.map_or(1.0, |q| q.parse::<f32>().unwrap_or(0.0)).clamp(0.0, 1.0);
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // From 0 to 1000.
            return (weight * 1000.0) as u16;
        }
    }
    0
}

/// Renders the status, with the applications that were searched for.
pub(in crate::admin) fn page(status: &Status, search: &str) -> String {
    let mut html = HEAD.to_owned();
    let _ = writeln!(
        html,
        "<header><h1>mtls-edge {}</h1> <a href=\"/metrics\">metrics</a> \
         <span class=\"quiet\" id=\"connection\" role=\"status\"></span></header>\n<main>",
        env!("CARGO_PKG_VERSION")
    );
    if let Some(health) = &status.health {
        self::health(&mut html, health, status.now);
    }
    for (number, table) in tables(status).iter().enumerate() {
        // Empty parts stay in the document, hidden: the script renews each part by its id.
        let _ = write!(html, "<div id=\"part-{number}\">");
        section(&mut html, table, status.now);
        html.push_str("</div>\n");
    }
    let _ = writeln!(
        html,
        "<form action=\"/status\" role=\"search\"><label>Applications with client_id or method: \
         <input name=\"q\" type=\"search\" value=\"{}\"></label> <button>Search</button></form>",
        escaped(search)
    );
    let (page, pages) = (status.applications.page, status.applications.pages);
    html.push_str("<nav id=\"pages\" aria-label=\"pages of applications\">");
    for (there, to, name) in
        [(page > 1, page.saturating_sub(1), "previous"), (page < pages, page + 1, "next")]
    {
        if there {
            let search = utf8_percent_encode(search, NON_ALPHANUMERIC);
            let _ = writeln!(
                html,
                "<p><a href=\"/status?page={to}&amp;q={search}\">{name} page of applications</a></p>"
            );
        }
    }
    html + "</nav></main></body></html>\n"
}

/// The state in one line, with the worst problem, and then the other problems.
fn health(html: &mut String, health: &Health, now: Timestamp) {
    let (class, word) = described(health.state);
    let _ = write!(html, "<div id=\"state\" aria-live=\"polite\"><p class=\"state {class}\">{word}: ");
    let worst = health.problems.first();
    html.push_str(&escaped(worst.map_or("everything is served", |problem| problem.what.as_str())));
    // Outside of the live region: a screen reader would read it at each refresh.
    html.push_str("</p></div>\n<div id=\"since\">");
    since(html, worst.and_then(|problem| problem.at), now);
    html.push_str("</div>\n<div id=\"problems\"><ul class=\"problems\" aria-label=\"other problems\">");
    for other in health.problems.iter().skip(1) {
        let (class, word) = described(other.level);
        let _ = write!(html, "<li class=\"{class}\">{word}: {}", escaped(&other.what));
        since(html, other.at, now);
        html.push_str("</li>\n");
    }
    html.push_str("</ul></div>\n");
}

/// When a problem began or will begin, if known.
fn since(html: &mut String, at: Option<Timestamp>, now: Timestamp) {
    if let Some(at) = at {
        html.push_str(" <span class=\"quiet\">");
        time(html, at, now);
        html.push_str("</span>");
    }
}

/// The class of the style sheet, and the word.
const fn described(level: Level) -> (&'static str, &'static str) {
    match level {
        Level::Healthy => ("healthy", "Healthy"),
        Level::Warning => ("warning", "Warning"),
        Level::Degraded => ("degraded", "Degraded"),
    }
}

fn section(html: &mut String, table: &Table, now: Timestamp) {
    if table.rows.is_empty() {
        return;
    }
    let _ = write!(html, "<section><h2>{}</h2>\n<table>", escaped(&table.title));
    if !table.columns.is_empty() {
        html.push_str("<thead><tr>");
        for column in table.columns {
            let _ = write!(html, "<th scope=\"col\">{}</th>", escaped(column));
        }
        html.push_str("</tr></thead>\n");
    }
    html.push_str("<tbody>");
    for cells in &table.rows {
        html.push_str("<tr>");
        for cell in cells {
            html.push_str("<td>");
            match cell {
                Cell::Text(text) => html.push_str(&escaped(text)),
                Cell::Time(at) => time(html, *at, now),
            }
            html.push_str("</td>");
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></section>");
}

/// A time as seen from now, with the exact one in its attributes.
fn time(html: &mut String, at: Timestamp, now: Timestamp) {
    let _ = write!(html, "<time datetime=\"{at}\" title=\"{at}\">{}</time>", at.relative_to(now));
}

/// Escapes text for an element or an attribute.
fn escaped(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::quality;

    #[test]
    fn the_most_specific_range_gives_the_weight() {
        let browser = ["text/html", "application/xhtml+xml", " application/xml;q=0.9", " */*;q=0.8"];
        assert_eq!((quality(&browser, "text/html"), quality(&browser, "application/json")), (1000, 800));
        let json = ["*/*", "text/html;q=0", "text/*; q=0.5"];
        assert_eq!((quality(&json, "text/html"), quality(&json, "application/json")), (0, 1000));
        assert_eq!(quality(&[], "text/html"), 0);
    }
}
