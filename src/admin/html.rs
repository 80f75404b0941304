//! The status as an HTML page without external resources. It is complete without its script, which renews it and draws charts.

mod applications;
mod text;
mod traffic;

use std::fmt::Write;

use self::text::{escaped, time};
use super::{
    history::Sample,
    query::Query,
    status::{Health, Level, Problem, Status},
    tables::{Cell, Table, tables},
};
use crate::clock::Timestamp;

/// The style sheet of the page.
pub(in crate::admin) const STYLE: &str = include_str!("page/style.css");
/// The script of the page.
pub(in crate::admin) const SCRIPT: &str = include_str!("page/script.js");

/// The most applications on the page, and the most rows of each other list. The page is loaded every two seconds: it stays small however
/// large the registry is.
pub(in crate::admin) const PER_PAGE: usize = 25;

// The script is not deferred: it sets the theme before anything is painted.
const HEAD: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>mtls-edge</title>\
<link rel=\"icon\" href=\"data:,\"><link rel=\"stylesheet\" href=\"/status.css\">\
<script src=\"/status.js\"></script></head><body>\n<a class=\"skip\" href=\"#applications\">Skip to the applications</a>\n";

/// Renders the status, with the traffic of the last minutes and the applications that the query selects.
pub(in crate::admin) fn page(status: &Status, samples: &[Sample], query: &Query) -> String {
    let mut html = HEAD.to_owned();
    header(&mut html, status, samples);
    html.push_str("<main>");
    if let Some(health) = &status.health {
        self::health(&mut html, health, status.now);
    }
    traffic::traffic(&mut html, samples);
    for (number, table) in tables(status).iter().enumerate() {
        // Empty parts stay in the document, hidden: the script renews each part by its id.
        let _ = write!(html, "<div id=\"part-{number}\" data-live>");
        section(&mut html, table, status.now);
        html.push_str("</div>\n");
    }
    applications::applications(&mut html, status, query);
    html + "</main></body></html>\n"
}

/// Which edge this is, and links.
fn header(html: &mut String, status: &Status, samples: &[Sample]) {
    html.push_str("<header><div class=\"top\"><h1>mtls-edge</h1><span id=\"edge\" data-live>");
    if let Some(edge) = &status.edge {
        let _ = write!(html, "{} on {}, started ", escaped(&edge.version), escaped(&edge.host));
        time(html, edge.started, edge.started.past_from(status.now));
    }
    if let Some(last) = samples.last() {
        let _ = write!(html, ", {} connections", last.connections);
    }
    html.push_str(
        "</span></div>\n<div class=\"top\"><span class=\"quiet\" id=\"connection\" role=\"status\"></span>\
         <a href=\"/metrics\">metrics</a><button id=\"theme\" type=\"button\" hidden></button></div></header>\n",
    );
}

/// The state in one line, with the worst problem, and then the other problems.
fn health(html: &mut String, health: &Health, now: Timestamp) {
    let (class, word) = described(health.state);
    let _ =
        write!(html, "<div id=\"state\" aria-live=\"polite\" data-live><p class=\"state {class}\">{word}: ");
    let worst = health.problems.first();
    html.push_str(&escaped(worst.map_or("everything is served", |problem| problem.what.as_str())));
    // Outside of the live region: a screen reader would read it at each refresh.
    html.push_str("</p></div>\n<div id=\"since\" data-live>");
    since(html, worst, now);
    html.push_str(
        "</div>\n<div id=\"problems\" data-live><ul class=\"problems\" aria-label=\"other problems\">",
    );
    for other in health.problems.iter().skip(1).take(PER_PAGE) {
        let (class, word) = described(other.level);
        let _ = write!(html, "<li class=\"{class}\">{word}: {}", escaped(&other.what));
        since(html, Some(other), now);
        html.push_str("</li>\n");
    }
    if let Some(more) = more(health.problems.len().saturating_sub(1)) {
        let _ = writeln!(html, "<li class=\"quiet\">{more}</li>");
    }
    html.push_str("</ul></div>\n");
}

/// When a problem began or will begin, if known.
fn since(html: &mut String, problem: Option<&Problem>, now: Timestamp) {
    if let Some((at, seen)) = problem.and_then(|problem| problem.at.zip(problem.seen_from(now))) {
        html.push_str(" <span class=\"quiet\">");
        time(html, at, seen);
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
    for cells in table.rows.iter().take(PER_PAGE) {
        html.push_str("<tr>");
        for cell in cells {
            html.push_str("<td>");
            match cell {
                Cell::Text(text) => html.push_str(&escaped(text)),
                Cell::Time(at) => time(html, *at, at.relative_to(now)),
                Cell::Past(at) => time(html, *at, at.past_from(now)),
            }
            html.push_str("</td>");
        }
        html.push_str("</tr>\n");
    }
    if let Some(more) = more(table.rows.len()) {
        let columns = table.columns.len().max(2);
        let _ = writeln!(html, "<tr><td class=\"quiet\" colspan=\"{columns}\">{more}</td></tr>");
    }
    html.push_str("</tbody></table></section>");
}

/// How many of these are not on the page, if it lacks some.
fn more(all: usize) -> Option<String> {
    all.checked_sub(PER_PAGE)
        .filter(|more| *more > 0)
        .map(|more| format!("{more} more, which <code>mtls-edge status</code> lists"))
}
