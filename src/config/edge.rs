//! Reads `edge.toml` and the files that it includes: their tables, and the references between them.

mod acme;
mod admin;
mod certificate;
mod domain;
mod headers;
mod key_exchange;
mod key_pair;
mod limits;
mod listen;
mod origin_policy;
mod path;
mod profile;
mod proxies;
mod roots;
mod route;
mod secret;
mod token_issuer;
mod token_key;
mod traces;
mod trust;
mod unused;
mod upstream;

pub(super) use limits::per_second;
pub use listen::address as listen_address;
pub(super) use roots::Roots;

use super::{
    diagnostic::{Fault, Problem},
    node::Table,
    schema::{ADMIN, DOMAIN, HEADER_PROFILE, LIMITS, LISTEN, LOG, TOKEN_ISSUER, TRACES, TRUST, UPSTREAM},
    settings::Settings,
    span::{Span, Spanned},
    suggest::{quote, shell_word},
};

use crate::observe::log::{AccessFormat, LogFormat, LogSettings, LogTarget, log_filter};

/// Reads all tables. Returns `None` after an error in a part that has no default.
pub(super) fn read(roots: &Roots<'_>) -> Option<Settings> {
    let root = &roots.main;
    if is_registry(root) {
        return None;
    }
    let tables = [(LISTEN, "listen"), (ADMIN, "admin"), (LIMITS, "limits"), (LOG, "log"), (TRUST, "trust")]
        .map(|(kind, key)| root.table(kind, key));
    let spans = tables.iter().flat_map(spans).collect();
    let [listen, admin, limits, log, trust] = &tables;
    let (listen, limits, log) = (listen::read(listen), limits::read(limits), self::log(log));
    let admin = admin::read(admin, &listen);
    let trust = trust::read(trust);
    let traces = root.get("traces").map(|value| value.table(TRACES).and_then(|table| traces::read(&table)));
    let mut profiles = profile::read_all(roots.tables(HEADER_PROFILE, "header_profile"));
    let mut upstreams = upstream::read_all(&roots.require_tables(UPSTREAM, "upstream", MINIMAL_UPSTREAM));
    let mut issuers = token_issuer::read_all(&roots.tables(TOKEN_ISSUER, "token_issuer"));
    // The name of a table that was not read is unknown; a domain may refer to it.
    for (key, names) in [
        ("header_profile", &mut profiles.names),
        ("upstream", &mut upstreams.names),
        ("token_issuer", &mut issuers.names),
    ] {
        if roots.may_have_more(key) {
            names.push(None);
        }
    }
    let acme = acme::read(root);
    let domains = domain::read_all(
        &roots.require_tables(DOMAIN, "domain", MINIMAL_DOMAIN),
        &domain::Named {
            upstreams: &upstreams.names,
            profiles: &profiles.names,
            token_issuers: &issuers.names,
            acme: &acme,
        },
    );
    if let Some(domains) = &domains {
        acme.report_unused(root, domains);
        unused::report(roots, domains, &upstreams.names);
    }
    Some(Settings {
        listen,
        admin,
        limits,
        log,
        trust,
        traces: traces.flatten(),
        acme: acme.settings()?,
        upstreams: upstreams.upstreams?,
        domains: domains?,
        token_issuers: issuers.issuers?,
        header_profiles: profiles.profiles?,
        spans,
    })
}

/// Reports a file that has applications, and neither upstreams nor domains: only that it is the other file.
fn is_registry(root: &Table<'_>) -> bool {
    let is_written = |key| root.key_span(key).is_some();
    let Some(span) = root.key_span(REGISTERED).filter(|_| !is_written("upstream") && !is_written("domain"))
    else {
        return false;
    };
    // It needs no second report as an unknown key.
    let _ = root.get(REGISTERED);
    let edge = shell_word(&root.reader.folder.join("edge.toml").display().to_string());
    let what = "found [[application]], which belongs to applications.toml; expected an edge.toml";
    root.reader.report(
        Problem::error(&span, "", what)
            .help(format!("give the file that names this one as [trust] applications, such as {edge}")),
    );
    true
}

/// The table that only applications.toml has.
const REGISTERED: &str = "application";

/// The span of each key of a table's schema, by the key's path. An absent key has the span of the table.
fn spans(table: &Table<'_>) -> impl Iterator<Item = (String, Span)> {
    let span = |key| table.key_span(key).unwrap_or_else(|| table.span.clone());
    table.kind.names().map(move |key| (table.path(key), span(key)))
}

const MINIMAL_UPSTREAM: &str =
    "write at least:\n[[upstream]]\nname = \"auth-server\"\nurls = [\"http://127.0.0.1:3000\"]";
const MINIMAL_DOMAIN: &str = "write at least:\n[[domain]]\nname = \"mtls.auth.example.com\"\ncertificate = \"certs/server.pem\"\nprivate_key = \"certs/server.key\"";

/// The value of `to`.
#[derive(Clone, Copy)]
enum To {
    StandardError,
    File,
    Both,
}

fn log(table: &Table<'_>) -> LogSettings {
    let default = LogSettings::default();
    let filter = |text: &str| log_filter(text).map_err(|invalid| Fault::new(invalid.what).help(invalid.help));
    let format = table.get("format").and_then(|value| value.choice(&LogFormat::NAMES));
    let template =
        |text: &str| AccessFormat::parse(text).map_err(|invalid| Fault::new(invalid.what).help(invalid.help));
    let access_format =
        table.get("access_format").and_then(|value| value.parse("a format of access log lines", template));
    let level = table.get("level").and_then(|value| value.parse("a log filter such as \"info\"", filter));
    let file = table.get("file").and_then(|value| value.path()).map(|file| file.value);
    let targets = [("stderr", To::StandardError), ("file", To::File), ("both", To::Both)];
    let to = table.get("to").and_then(|value| value.choice(&targets));
    let successes = table.get("successes").and_then(|value| value.fraction());
    if let Some(Spanned { value: To::File | To::Both, span }) = &to
        && table.get("file").is_none()
        && !table.is_misspelt(&["file"])
    {
        let what = "missing: this value of to needs a file";
        table.reader.report(
            Problem::error(span, "log.file", what).help(format!("write file = {}", LOG.example("file"))),
        );
    }
    table.finish();
    // Without `to`, the file wins.
    let target = match (to.map_or(To::File, |to| to.value), file) {
        (To::StandardError, _) | (_, None) => LogTarget::StandardError,
        (To::File, Some(file)) => LogTarget::File(file),
        (To::Both, Some(file)) => LogTarget::Both(file),
    };
    LogSettings {
        format: format.map_or(default.format, |format| format.value),
        access_format: access_format.map(|format| format.value),
        level: level.map_or(default.level, |level| level.value),
        to: target,
        successes: successes.unwrap_or(default.successes),
    }
}

/// Reports a name that occurred before.
fn report_duplicate_name(table: &Table<'_>, names: &[Option<Spanned<String>>], name: &Spanned<String>) {
    let first = names.iter().flatten().find(|earlier| earlier.value == name.value);
    if let Some(first) = first {
        let span = &name.span;
        let file = if first.span.source == name.span.source {
            String::new()
        } else {
            format!(" of {}", first.span.source.path().display())
        };
        let (name, line) = (quote(&name.value), first.span.line());
        let what = format!("found {name} a second time; the first is on line {line}{file}");
        table.reader.report(Problem::error(span, table.path("name"), what).help("give each a unique name"));
    }
}
