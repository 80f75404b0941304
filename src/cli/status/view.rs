//! The status as blocks of text: health and problems first, then what is configured; parts without content are left out.

use std::fmt::Write;

use super::{
    Options,
    fetch::Endpoint,
    layout::{Block, Cell, Table},
};
use crate::{
    admin::{Application, Credential, FetchedSource, Level, Registered, Status},
    clock::Timestamp,
    config::Fault,
};

/// What expires within this many days is a warning.
const SOON_DAYS: i64 = 30;
/// The digits of a thumbprint that are shown.
const DIGITS: usize = 12;

/// The blocks that the options select.
pub(super) fn blocks(status: &Status, endpoint: &Endpoint, options: &Options) -> Result<Vec<Block>, Fault> {
    let view = View { status, is_wide: options.wide };
    let mut blocks = view.health(endpoint);
    match (&options.client_id, options.expiring) {
        (Some(client_id), _) => {
            let found = status.applications.list.iter().find(|found| found.client_id == *client_id);
            let application = found.ok_or_else(|| {
                Fault::new(format!("no application is registered with the client_id {client_id:?}"))
                    .help("`mtls-edge status` lists the registered ones")
            })?;
            blocks.push(view.refused());
            blocks.extend(view.application(application));
        }
        (None, Some(_)) if status.expiring.list.is_empty() => {
            let days = status.expiring.within_days;
            blocks.push(Block::Line(Vec::new()));
            blocks.push(Block::Line(vec![format!("nothing expires within {days} days").into()]));
        }
        (None, Some(_)) => blocks.push(view.expiring()),
        (None, None) => {
            let (page, pages) = (status.applications.page, status.applications.pages);
            if page > pages {
                let what = format!("there is no page {page} of applications, expected 1 to {pages}");
                return Err(Fault::new(what).help(format!("for the last page write: --page {pages}")));
            }
            blocks.extend(view.everything());
        }
    }
    Ok(blocks)
}

struct View<'a> {
    status: &'a Status,
    is_wide: bool,
}

impl View<'_> {
    /// The state of the edge, its trust, and the problems.
    fn health(&self, endpoint: &Endpoint) -> Vec<Block> {
        let Status { health, trust, generation, now, .. } = self.status;
        let mut first = vec![endpoint.into(), now.into()];
        let mut problems = Vec::new();
        if let Some(health) = health {
            first.insert(0, Cell::of(health.state, word(health.state)));
            problems.extend(health.problems.iter().map(|problem| {
                let at = problem.seen_from(*now).map(|at| format!(" ({at})")).unwrap_or_default();
                (Cell::of(problem.level, word(problem.level)), Cell::new(&format!("{}{at}", problem.what)))
            }));
        }
        let since = trust.in_force_since.past_from(*now);
        let active = format!("generation {generation}, active since {since}: {}", trust.why);
        let reloads = format!("{} reloads, {} rejected", trust.reloads, trust.failed_reloads);
        let mut blocks =
            vec![Block::Line(first), Block::Line(vec![active.into()]), Block::Line(vec![reloads.into()])];
        if self.status.log.lines_dropped > 0 {
            let lost = format!("{} log lines lost since the start", self.status.log.lines_dropped);
            blocks.push(Block::Line(vec![Cell::of(Level::Warning, &lost)]));
        }
        blocks.push(Block::Sentences("problems", problems));
        blocks
    }

    fn everything(&self) -> Vec<Block> {
        let status = self.status;
        let served = status.server_certificates();
        vec![
            self.expiring(),
            table(
                "domains",
                &["domain", "expires", "certificate", "thumbprint"],
                &served,
                |(name, certificate)| {
                    [
                        Cell::new(name),
                        certificate.map_or_else(|| "not known".into(), |found| self.end(found.not_after)),
                        shown(certificate.map(|found| &found.subject)),
                        shown(certificate.map(|found| self.thumbprint(&found.thumbprint))),
                    ]
                },
            ),
            table("certificates by ACME", &["domain", "renewed", "failure"], &status.acme, |ordered| {
                let is_valid = ordered.not_after.is_some_and(|end| end >= status.now);
                let level = if is_valid { Level::Warning } else { Level::Degraded };
                [
                    Cell::new(&ordered.domain),
                    ordered
                        .renewed_at
                        .map_or_else(|| "at once".into(), |at| at.relative_to(status.now).into()),
                    ordered
                        .failure
                        .as_ref()
                        .map_or_else(|| "".into(), |failure| Cell::of(level, &failure.why)),
                ]
            }),
            self.upstreams(),
            self.refused(),
            table("client CAs", &["subject", "expires", "thumbprint"], &status.client_cas, |ca| {
                [Cell::new(&ca.subject), self.end(ca.not_after), self.thumbprint(&ca.thumbprint).into()]
            }),
            table("CRLs", &["issuer", "issued", "next update"], &status.crls, |crl| {
                let next = crl.next_update.relative_to(status.now);
                let next = if crl.stale { Cell::of(Level::Degraded, &next) } else { next.into() };
                [Cell::new(&crl.issuer), self.past(crl.this_update), next]
            }),
            self.fetched("CRL sources", &status.crl_sources),
            self.fetched("key sets", &status.key_set_sources),
            self.sources(),
            self.applications(),
        ]
    }

    fn expiring(&self) -> Block {
        let all = &self.status.expiring;
        let mut title = format!("expired, or expires within {} days", all.within_days);
        if all.total > all.list.len() {
            let _ = write!(title, " (the first {} of {})", all.list.len(), all.total);
        }
        table(title, &["expires", "what", "name", "at"], &all.list, |expiry| {
            [
                self.end(expiry.not_after),
                Cell::new(&expiry.what),
                Cell::new(&expiry.name),
                expiry.not_after.into(),
            ]
        })
    }

    fn upstreams(&self) -> Block {
        let upstreams = &self.status.upstreams;
        let rows = upstreams.iter().flat_map(|upstream| {
            upstream.origins.iter().map(|origin| {
                let state = match &*origin.state {
                    "ok" => Cell::of(Level::Healthy, "ok"),
                    "untried" => "untried".into(),
                    failing => Cell::of(Level::Degraded, origin.reason.as_deref().unwrap_or(failing)),
                };
                let since = origin.failing_since.map_or_else(|| "".into(), |since| self.past(since));
                let last = origin.last_failure.as_ref().or(origin.lookup_failure.as_ref());
                let why = last.map(|last| format!("{}: {}", last.at.past_from(self.status.now), last.why));
                vec![Cell::new(&upstream.name), Cell::new(&origin.url), state, since, shown(why)]
            })
        });
        let columns = &["upstream", "origin", "state", "failing since", "last failure"];
        Block::Table(Table { title: "upstreams".to_owned(), columns, rows: rows.collect() })
    }

    /// The applications that were refused after they were last served.
    fn refused(&self) -> Block {
        let all = &self.status.refused;
        let mut title = "refused since they were last served".to_owned();
        if all.total > all.list.len() {
            let _ = write!(title, " (the last {} of {})", all.list.len(), all.total);
        }
        table(title, &["client_id", "last", "code", "requests", "since", "last used"], &all.list, |refused| {
            [
                Cell::new(&refused.client_id),
                self.past(refused.last),
                Cell::of(Level::Warning, &refused.code),
                Cell::new(&refused.count),
                self.past(refused.since),
                refused.last_used.map_or_else(|| "not yet".into(), |last| self.past(last)),
            ]
        })
    }

    fn fetched(&self, title: &str, sources: &[FetchedSource]) -> Block {
        table(title, &["url", "file", "fetched", "failure"], sources, |source| {
            let failure = source.failure.as_ref();
            [
                Cell::new(&source.url),
                Cell::new(&source.file),
                source.last_fetched.map_or_else(|| "never".into(), |last| self.past(last)),
                failure.map_or_else(|| "".into(), |failure| Cell::of(Level::Warning, &failure.why)),
            ]
        })
    }

    /// The sources of applications, if there are others than the configuration files.
    fn sources(&self) -> Block {
        let sources = &self.status.sources;
        let sources = if sources.len() > 1 { sources.as_slice() } else { &[] };
        table("sources of applications", &["source", "state", "since"], sources, |source| {
            let failure = source.failure.as_ref();
            let state = failure.map_or_else(
                || Cell::of(Level::Healthy, "ok"),
                |failure| Cell::of(Level::Degraded, &failure.error),
            );
            [Cell::new(&source.name), state, shown(failure.map(|failure| self.past(failure.since)))]
        })
    }

    fn applications(&self) -> Block {
        let all = &self.status.applications;
        let mut title = format!("applications ({})", all.total);
        if all.pages > 1 {
            title = format!("applications ({}, page {} of {}: --page)", all.total, all.page, all.pages);
        }
        let of = |application| move |(used_for, credential)| (application, used_for, Some(credential));
        let mut credentials: Vec<(&Application, &str, Option<&Credential>)> = Vec::new();
        for application in &all.list {
            let before = credentials.len();
            credentials.extend(application.registrations().map(of(application)));
            if credentials.len() == before {
                // Such as one that publishes its keys.
                credentials.push((application, &application.method, None));
            }
        }
        let columns = &["client_id", "credential", "method", "registered", "expires", "last used"];
        table(title, columns, &credentials, |(application, used_for, credential)| {
            [
                Cell::new(&application.client_id),
                shown(credential.map(|credential| Cell::new(&credential.name))),
                (*used_for).into(),
                shown(credential.map(|credential| self.registered(credential))),
                shown(
                    credential
                        .map(|found| found.ends().map_or_else(|| "not known".into(), |end| self.end(end))),
                ),
                shown(
                    credential.map(|found| {
                        found.last_used.map_or_else(|| "not yet".into(), |last| self.past(last))
                    }),
                ),
            ]
        })
    }

    /// One application, each credential with all that is known.
    fn application(&self, application: &Application) -> Vec<Block> {
        let blocks = application.registrations().map(|(used_for, credential)| {
            let title = format!("{} / {} ({used_for})", application.client_id, credential.name);
            let mut facts = Vec::new();
            if let Some((key, value)) = credential.registered.as_ref().map(Registered::parts) {
                facts.push((key, Cell::new(value)));
            }
            if let Some(subject) = &credential.subject {
                facts.push(("subject", Cell::new(subject)));
            }
            let known_from = credential.known_from.as_ref().map(|from| format!(" (by {from})"));
            if let Some(end) = credential.not_after {
                facts.push(("not after", self.both(end, known_from.as_deref().unwrap_or_default())));
            }
            if let Some(end) = credential.expires_at {
                facts.push(("expires_at", self.both(end, "")));
            }
            let last = credential.last_used.map_or_else(
                || "not since the start of the edge".into(),
                |last| Cell::new(&format!("{}, {last}", last.past_from(self.status.now))),
            );
            facts.push(("last used", last));
            Block::Facts(title, facts)
        });
        let blocks: Vec<Block> = blocks.collect();
        if blocks.is_empty() {
            let title = format!("{} ({})", application.client_id, application.method);
            return vec![Block::Facts(title, Vec::new())];
        }
        blocks
    }

    /// The end of a validity period, in the colour of its urgency.
    fn end(&self, end: Timestamp) -> Cell {
        self.urgent(end, end.relative_to(self.status.now).to_string())
    }

    /// The same with the time itself.
    fn both(&self, end: Timestamp, note: &str) -> Cell {
        self.urgent(end, format!("{}, {end}{note}", end.relative_to(self.status.now)))
    }

    fn urgent(&self, end: Timestamp, text: String) -> Cell {
        if end < self.status.now {
            Cell::of(Level::Degraded, &text)
        } else if end.days_since(self.status.now) < SOON_DAYS {
            Cell::of(Level::Warning, &text)
        } else {
            text.into()
        }
    }

    /// The time of something that has happened.
    fn past(&self, time: Timestamp) -> Cell {
        time.past_from(self.status.now).into()
    }

    fn thumbprint<'t>(&self, thumbprint: &'t str) -> &'t str {
        if self.is_wide { thumbprint } else { thumbprint.get(..DIGITS).unwrap_or(thumbprint) }
    }

    /// The matcher, with the subject of a registered certificate. The method says what a thumbprint is of.
    fn registered(&self, credential: &Credential) -> String {
        let registered = credential.registered.as_ref().map(|registered| match registered.parts() {
            ("thumbprint" | "public_key", value) => self.thumbprint(value).to_owned(),
            (key, value) => format!("{key} {value}"),
        });
        [registered, credential.subject.clone()].into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Healthy => "healthy",
        Level::Warning => "warning",
        Level::Degraded => "degraded",
    }
}

fn table<T, const COLUMNS: usize>(
    title: impl Into<String>,
    columns: &'static [&'static str; COLUMNS],
    items: &[T],
    row: impl Fn(&T) -> [Cell; COLUMNS],
) -> Block {
    let rows = items.iter().map(|item| row(item).into_iter().collect()).collect();
    Block::Table(Table { title: title.into(), columns, rows })
}

fn shown(value: Option<impl Into<Cell>>) -> Cell {
    value.map_or_else(|| "".into(), Into::into)
}
