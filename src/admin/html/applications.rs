//! The applications: a form to select them, links to order them, and one page of them.

use std::fmt::Write;

use super::text::{escaped, time};
use crate::{
    admin::{
        query::{CredentialState, Query, SOON_DAYS, SortKey},
        status::{Credential, Status},
    },
    clock::Timestamp,
    trust::AuthMethod,
};

/// The columns, each with what it can be ordered by.
const COLUMNS: [(&str, Option<SortKey>); 7] = [
    ("client_id", Some(SortKey::ClientId)),
    ("credential", None),
    ("method", Some(SortKey::Method)),
    ("registered", None),
    ("state", None),
    ("expires", Some(SortKey::Expires)),
    ("last used", Some(SortKey::LastUsed)),
];

/// Renders the applications that this query selects.
pub(super) fn applications(html: &mut String, status: &Status, query: &Query) {
    html.push_str("<section>");
    form(html, query);
    let all = &status.applications;
    let _ = writeln!(
        html,
        "<div id=\"applications\" data-live><h2>applications ({} in all, page {} of {})</h2>",
        all.total, all.page, all.pages
    );
    html.push_str("<table><thead><tr>");
    for (title, by) in COLUMNS {
        heading(html, title, by, query);
    }
    html.push_str("</tr></thead>\n<tbody>");
    for application in &all.list {
        if application.registrations().next().is_none() {
            // Such as one that publishes its keys.
            let (client_id, method) = (escaped(&application.client_id), escaped(&application.method));
            let _ = writeln!(
                html,
                "<tr><td>{client_id}</td><td></td><td>{method}</td><td colspan=\"4\"></td></tr>"
            );
        }
        for (used_for, credential) in application.registrations() {
            let _ = write!(
                html,
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td>",
                escaped(&application.client_id),
                escaped(&credential.name),
                escaped(used_for),
                escaped(&registered(credential)),
            );
            times(html, credential, status.now);
            html.push_str("</tr>\n");
        }
    }
    html.push_str("</tbody></table>");
    pages(html, all.page, all.pages, query);
    html.push_str("</div></section>");
}

/// State, expiry and last use.
fn times(html: &mut String, credential: &Credential, now: Timestamp) {
    let (class, state) = match credential.days_left {
        Some(_) if credential.ends().is_some_and(|end| end < now) => ("degraded", "expired"),
        Some(days) if days < i64::from(SOON_DAYS) => ("warning", "expiring"),
        _ => ("", ""),
    };
    let _ = write!(html, "<td class=\"{class}\">{state}</td>");
    let end = credential.ends().map(|end| (end, end.relative_to(now)));
    let last = credential.last_used.map(|last| (last, last.past_from(now)));
    for (at, otherwise) in [(end, "not known"), (last, "not since the start")] {
        match at {
            Some((at, seen)) => {
                html.push_str("<td>");
                time(html, at, seen);
                html.push_str("</td>");
            }
            None => {
                let _ = write!(html, "<td class=\"quiet\">{otherwise}</td>");
            }
        }
    }
}

fn form(html: &mut String, query: &Query) {
    let _ = write!(
        html,
        "<form action=\"/status\" role=\"search\" class=\"filter\"><label>client_id or method (/)<input name=\"q\" type=\"search\" value=\"{}\"></label>",
        escaped(&query.search)
    );
    let states = CredentialState::ALL.map(CredentialState::as_str);
    select(html, ("state", "any state"), &states, query.state.map(CredentialState::as_str));
    let methods = AuthMethod::ALL.map(AuthMethod::as_str);
    select(html, ("method", "any method"), &methods, query.method.map(AuthMethod::as_str));
    let _ = writeln!(
        html,
        "<input name=\"sort\" type=\"hidden\" value=\"{}\"><button>Show</button></form>",
        escaped(&query.sort_value())
    );
}

fn select(html: &mut String, (name, any): (&str, &str), values: &[&str], selected: Option<&str>) {
    let _ = write!(html, "<label>{name}<select name=\"{name}\"><option value=\"\">{any}</option>");
    for value in values {
        let mark = if selected == Some(value) { " selected" } else { "" };
        let _ = write!(html, "<option{mark}>{value}</option>");
    }
    html.push_str("</select></label>");
}

fn heading(html: &mut String, title: &str, by: Option<SortKey>, query: &Query) {
    let Some(by) = by else {
        let _ = write!(html, "<th scope=\"col\">{title}</th>");
        return;
    };
    let (order, arrow) = match (query.sort.by == by, query.sort.descending) {
        (false, _) => ("none", ""),
        (true, false) => ("ascending", " \u{2191}"),
        (true, true) => ("descending", " \u{2193}"),
    };
    let target = escaped(&query.sorted_by(by).target());
    let _ = write!(
        html,
        "<th scope=\"col\" aria-sort=\"{order}\"><a href=\"{target}\" data-list>{title}</a>{arrow}</th>"
    );
}

fn pages(html: &mut String, page: usize, pages: usize, query: &Query) {
    html.push_str("<nav aria-label=\"pages of applications\">");
    for (there, to, name) in
        [(page > 1, page.saturating_sub(1), "previous"), (page < pages, page.saturating_add(1), "next")]
    {
        if there {
            let target = escaped(&query.of_page(to).target());
            let _ = write!(html, "<p><a href=\"{target}\" data-list>{name} page of applications</a></p>");
        }
    }
    html.push_str("</nav>");
}

/// The matcher, and the subject of the registered certificate.
fn registered(credential: &Credential) -> String {
    let registered = credential.registered.as_ref().map(|registered| {
        let (key, value) = registered.parts();
        format!("{key} {value}")
    });
    [registered, credential.subject.clone()].into_iter().flatten().collect::<Vec<_>>().join(" ")
}
