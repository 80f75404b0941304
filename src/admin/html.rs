//! The status as an HTML page without scripts or external resources.

use std::fmt::Write;

use http::HeaderMap;

use super::{status::Status, tables::tables};

const HEAD: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>mtls-edge</title><style>\
body{font:15px/1.4 sans-serif;margin:2em}table{border-collapse:collapse}\
td,th{border:1px solid #bbb;padding:.2em .6em;text-align:left;overflow-wrap:anywhere}\
</style></head><body><h1>mtls-edge</h1>\n";

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

/// Renders the status.
pub(in crate::admin) fn page(status: &Status) -> String {
    let mut html = HEAD.to_owned();
    for table in tables(status) {
        let _ = write!(html, "<h2>{}</h2>\n<table>", escaped(&table.title));
        row(&mut html, "th", table.columns.iter().copied());
        for cells in &table.rows {
            row(&mut html, "td", cells.iter().map(String::as_str));
        }
        html.push_str("</table>\n");
    }
    let (page, pages) = (status.applications.page, status.applications.pages);
    for (there, to, name) in
        [(page > 1, page.saturating_sub(1), "previous"), (page < pages, page + 1, "next")]
    {
        if there {
            let _ = writeln!(html, "<p><a href=\"/status?page={to}\">{name} page of applications</a></p>");
        }
    }
    html + "</body></html>\n"
}

fn row<'a>(html: &mut String, tag: &str, cells: impl Iterator<Item = &'a str>) {
    html.push_str("<tr>");
    for cell in cells {
        let _ = write!(html, "<{tag}>{}</{tag}>", escaped(cell));
    }
    html.push_str("</tr>\n");
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
