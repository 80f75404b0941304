//! The status without applications as tables of text, for the page.

use super::status::{Domain, FetchedSource, ServerCertificate, Status, Trust, UpstreamOrigin};
use crate::clock::Timestamp;

/// One cell of a table.
#[derive(Debug)]
pub(super) enum Cell {
    /// Any text.
    Text(String),
    /// A time, which the page shows as seen from now.
    Time(Timestamp),
    /// The time of something that has happened.
    Past(Timestamp),
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Timestamp> for Cell {
    fn from(at: Timestamp) -> Self {
        Self::Time(at)
    }
}

/// A table under a title.
#[derive(Debug)]
pub(super) struct Table {
    /// The title.
    pub(super) title: String,
    /// Column headings; empty if every row is a name and a value.
    pub(super) columns: &'static [&'static str],
    /// The cells of each row, one per column.
    pub(super) rows: Vec<Vec<Cell>>,
}

impl Status {
    /// The certificates of domains, each with the domain's name, and the type of its key if there are several; the name alone if none can be read.
    #[must_use]
    pub fn server_certificates(&self) -> Vec<(String, Option<&ServerCertificate>)> {
        self.domains.iter().flat_map(of_domain).collect()
    }
}

fn of_domain(domain: &Domain) -> Vec<(String, Option<&ServerCertificate>)> {
    if domain.further_certificates.is_empty() {
        return vec![(domain.name.clone(), domain.certificate.as_ref())];
    }
    let name = |certificate: &ServerCertificate| format!("{} ({})", domain.name, certificate.key_type);
    let all = domain.certificate.iter().chain(&domain.further_certificates);
    all.map(|certificate| (name(certificate), Some(certificate))).collect()
}

/// All tables of a status but that of the applications.
pub(super) fn tables(status: &Status) -> Vec<Table> {
    let served = status.server_certificates();
    vec![
        summary(status),
        expiring(status),
        upstreams(status),
        refused(status),
        table(
            "domains",
            &["domain", "expires", "certificate", "thumbprint"],
            &served,
            |(name, certificate)| {
                [
                    name.clone().into(),
                    at(certificate.map(|certificate| certificate.not_after), ""),
                    shown(certificate.map(|certificate| &certificate.subject)),
                    shown(certificate.map(|certificate| &certificate.thumbprint)),
                ]
            },
        ),
        table(
            "certificates by ACME",
            &["domain", "renewed", "failing since", "failure"],
            &status.acme,
            |ordered| {
                let failure = ordered.failure.as_ref();
                [
                    ordered.domain.clone().into(),
                    at(failure.map(|failure| failure.next).or(ordered.renewed_at), "at once"),
                    past(failure.map(|failure| failure.since)),
                    shown(failure.map(|failure| &failure.why)),
                ]
            },
        ),
        table("client CAs", &["subject", "expires", "thumbprint"], &status.client_cas, |ca| {
            [ca.subject.clone().into(), ca.not_after.into(), ca.thumbprint.clone().into()]
        }),
        table("CRLs", &["issuer", "this update", "next update"], &status.crls, |crl| {
            [crl.issuer.clone().into(), Cell::Past(crl.this_update), crl.next_update.into()]
        }),
        fetched("CRL sources", &status.crl_sources),
        fetched("key sets", &status.key_set_sources),
        table("sources of applications", &["source", "failing since", "error"], &status.sources, |source| {
            [
                source.name.clone().into(),
                past(source.failure.as_ref().map(|failure| failure.since)),
                shown(source.failure.as_ref().map(|failure| &failure.error)),
            ]
        }),
    ]
}

fn table<T, const COLUMNS: usize>(
    title: impl Into<String>,
    columns: &'static [&'static str; COLUMNS],
    items: &[T],
    row: impl Fn(&T) -> [Cell; COLUMNS],
) -> Table {
    Table { title: title.into(), columns, rows: items.iter().map(|item| Vec::from(row(item))).collect() }
}

fn summary(status: &Status) -> Table {
    let Trust { in_force_since, why, reloads, failed_reloads, failure, .. } = &status.trust;
    let failing = failure.as_ref().map(|failure| format!("{}: {}", failure.at, failure.problems));
    let rows = [
        ("generation", status.generation.to_string().into()),
        ("in force since", Cell::Past(*in_force_since)),
        ("why", why.clone().into()),
        ("ready", if status.ready { "yes" } else { "no" }.to_owned().into()),
        ("reloads", format!("{reloads}, {failed_reloads} rejected").into()),
        ("failing now", failing.unwrap_or_else(|| "none".to_owned()).into()),
        ("log lines lost", status.log.lines_dropped.to_string().into()),
        ("connections allowed", status.limits.connections.to_string().into()),
    ];
    let rows = rows.into_iter().map(|(name, value)| vec![name.to_owned().into(), value]).collect();
    Table { title: "trust in force".to_owned(), columns: &[], rows }
}

fn fetched(title: &str, sources: &[FetchedSource]) -> Table {
    table(title, &["url", "file", "last fetched", "failure"], sources, |source| {
        [
            source.url.clone().into(),
            source.file.clone().into(),
            past(source.last_fetched),
            shown(source.failure.as_ref().map(|failure| &failure.why)),
        ]
    })
}

fn expiring(status: &Status) -> Table {
    let all = &status.expiring;
    let title = format!("expired or about to, within {} days ({} in all)", all.within_days, all.total);
    table(title, &["expires", "what", "name"], &all.list, |expiry| {
        [expiry.not_after.into(), expiry.what.clone().into(), expiry.name.clone().into()]
    })
}

/// The text of a value; empty if there is none.
fn shown(value: Option<impl ToString>) -> Cell {
    Cell::Text(value.map(|value| value.to_string()).unwrap_or_default())
}

/// A time, or what is shown without one.
fn at(time: Option<Timestamp>, otherwise: &str) -> Cell {
    time.map_or_else(|| Cell::Text(otherwise.to_owned()), Cell::Time)
}

/// The time of something that has happened; empty if it has not.
fn past(time: Option<Timestamp>) -> Cell {
    time.map_or_else(|| Cell::Text(String::new()), Cell::Past)
}

/// The applications that were refused after they were last served.
fn refused(status: &Status) -> Table {
    let all = &status.refused;
    let title = format!("refused since they were last served ({} in all)", all.total);
    table(title, &["application", "last", "code", "requests", "since", "last used"], &all.list, |refused| {
        [
            refused.client_id.clone().into(),
            Cell::Past(refused.last),
            refused.code.clone().into(),
            refused.count.to_string().into(),
            Cell::Past(refused.since),
            past(refused.last_used),
        ]
    })
}

/// The origins of all upstreams.
fn upstreams(status: &Status) -> Table {
    let origins: Vec<(&str, &UpstreamOrigin)> = (status.upstreams.iter())
        .flat_map(|upstream| upstream.origins.iter().map(|origin| (upstream.name.as_str(), origin)))
        .collect();
    let columns = &["upstream", "origin", "state", "reason", "failing since", "last failure", "at"];
    table("upstreams", columns, &origins, |(name, origin)| {
        let last = origin.last_failure.as_ref().or(origin.lookup_failure.as_ref());
        [
            (*name).to_owned().into(),
            origin.url.clone().into(),
            origin.state.clone().into(),
            shown(origin.reason.as_ref()),
            past(origin.failing_since),
            shown(last.map(|last| &last.why)),
            past(last.map(|last| last.at)),
        ]
    })
}
