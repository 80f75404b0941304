//! The status as tables of text, for the page.

use super::status::{Application, Credential, FetchedSource, Status, Trust};

/// A table under a title.
#[derive(Debug)]
pub(super) struct Table {
    /// The title.
    pub(super) title: String,
    /// Column headings; empty if every row is a name and a value.
    pub(super) columns: &'static [&'static str],
    /// The cells of each row, one per column.
    pub(super) rows: Vec<Vec<String>>,
}

/// All tables of a status.
pub(super) fn tables(status: &Status) -> Vec<Table> {
    vec![
        summary(status),
        expiring(status),
        table("domains", &["domain", "days left", "certificate", "thumbprint"], &status.domains, |domain| {
            let certificate = domain.certificate.as_ref();
            [
                domain.name.clone(),
                shown(certificate.map(|certificate| certificate.days_left)),
                shown(certificate.map(|certificate| &certificate.subject)),
                shown(certificate.map(|certificate| &certificate.thumbprint)),
            ]
        }),
        table("client CAs", &["subject", "days left", "thumbprint"], &status.client_cas, |ca| {
            [ca.subject.clone(), ca.days_left.to_string(), ca.thumbprint.clone()]
        }),
        table("CRLs", &["issuer", "this update", "next update", "days left"], &status.crls, |crl| {
            [
                crl.issuer.clone(),
                crl.this_update.to_string(),
                crl.next_update.to_string(),
                crl.days_left.to_string(),
            ]
        }),
        fetched("CRL sources", &status.crl_sources),
        fetched("key sets", &status.key_set_sources),
        table("sources of applications", &["source", "failing since", "error"], &status.sources, |source| {
            [
                source.name.clone(),
                shown(source.failure.as_ref().map(|failure| failure.since)),
                shown(source.failure.as_ref().map(|failure| &failure.error)),
            ]
        }),
        applications(status),
    ]
}

fn table<T, const COLUMNS: usize>(
    title: impl Into<String>,
    columns: &'static [&'static str; COLUMNS],
    items: &[T],
    row: impl Fn(&T) -> [String; COLUMNS],
) -> Table {
    Table { title: title.into(), columns, rows: items.iter().map(|item| row(item).to_vec()).collect() }
}

fn summary(status: &Status) -> Table {
    let Trust { in_force_since, why, reloads, failed_reloads, failure, .. } = &status.trust;
    let failing = failure.as_ref().map(|failure| format!("{}: {}", failure.at, failure.problems));
    let rows = [
        ("generation", status.generation.to_string()),
        ("in force since", in_force_since.to_string()),
        ("why", why.clone()),
        ("ready", if status.ready { "yes" } else { "no" }.to_owned()),
        ("reloads", format!("{reloads}, {failed_reloads} rejected")),
        ("failing now", failing.unwrap_or_else(|| "none".to_owned())),
        ("log lines lost", status.log.lines_dropped.to_string()),
    ];
    let rows = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    Table { title: "trust in force".to_owned(), columns: &[], rows }
}

fn fetched(title: &str, sources: &[FetchedSource]) -> Table {
    table(title, &["url", "file", "last fetched", "failure"], sources, |source| {
        [
            source.url.clone(),
            source.file.clone(),
            shown(source.last_fetched),
            shown(source.failure.as_ref().map(|failure| &failure.why)),
        ]
    })
}

fn expiring(status: &Status) -> Table {
    let all = &status.expiring;
    let title = format!("expired or about to, within {} days ({} in all)", all.within_days, all.total);
    table(title, &["days left", "ends", "what", "name"], &all.list, |expiry| {
        [expiry.days_left.to_string(), expiry.not_after.to_string(), expiry.what.clone(), expiry.name.clone()]
    })
}

fn applications(status: &Status) -> Table {
    let all = &status.applications;
    let title = format!("applications ({} in all, page {} of {})", all.total, all.page, all.pages);
    let credentials: Vec<(&Application, &str, &Credential)> = (all.list.iter())
        .flat_map(|application| {
            application.registrations().map(move |(used_for, credential)| (application, used_for, credential))
        })
        .collect();
    let columns = &["client_id", "credential", "method", "registered", "expires", "days left", "last used"];
    table(title, columns, &credentials, |(application, used_for, credential)| {
        [
            application.client_id.clone(),
            credential.name.clone(),
            (*used_for).to_owned(),
            registered(credential),
            shown(credential.ends()),
            credential.days_left.map_or_else(|| "not known".to_owned(), |days| days.to_string()),
            credential.last_used.map_or_else(|| "not since the start".to_owned(), |last| last.to_string()),
        ]
    })
}

/// The matcher, and the subject of the registered certificate.
fn registered(credential: &Credential) -> String {
    let registered = credential.registered.as_ref().map(|registered| {
        let (key, value) = registered.parts();
        format!("{key} {value}")
    });
    [registered, credential.subject.clone()].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// The text of a value; empty if there is none.
fn shown(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}
