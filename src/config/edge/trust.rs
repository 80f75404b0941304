//! `[trust]`: the client CAs, their CRLs, and the path of the registry.

use std::path::PathBuf;

use crate::config::{
    diagnostic::Problem,
    file,
    key_set::schedule,
    node::{Table, Value},
    schema::{CLIENT_CA, CRL_SOURCE},
    settings::{ClientCa, CrlSource, DEFAULT_APPLICATIONS, Trust},
    span::Spanned,
    url::{CRL, url},
};

use crate::{
    identity::{CrlDepth, Purpose, StaleCrl},
    trust::UnknownApplications,
};

/// Reads the table.
pub(super) fn read(table: &Table<'_>) -> Trust {
    let stale = [("refuse", StaleCrl::Refuse), ("report", StaleCrl::Report)];
    let depths = [("chain", CrlDepth::Chain), ("leaf", CrlDepth::Leaf)];
    let unknown = [("refuse", UnknownApplications::Refuse), ("forward", UnknownApplications::Forward)];
    let client_ca = table.get("client_ca").and_then(|value| value.list(client_ca)).unwrap_or_default();
    let crls = table.get("crls").and_then(|value| value.list(crl)).unwrap_or_default();
    let trust = Trust {
        client_ca,
        crls: crls.iter().map(|crl| crl.file().clone()).collect(),
        crl_sources: fetched(table, crls),
        stale_crl: table
            .get("stale_crl")
            .and_then(|value| value.choice(&stale))
            .map(|stale| stale.value)
            .unwrap_or_default(),
        crl_depth: table
            .get("crl_depth")
            .and_then(|value| value.choice(&depths))
            .map(|depth| depth.value)
            .unwrap_or_default(),
        applications: table
            .get("applications")
            .and_then(|value| value.path())
            .unwrap_or_else(|| default_applications(table)),
        unknown_applications: table
            .get("unknown_applications")
            .and_then(|value| value.choice(&unknown))
            .unwrap_or_else(|| Spanned { value: UnknownApplications::default(), span: table.span.clone() }),
    };
    table.finish();
    trust
}

fn default_applications(table: &Table<'_>) -> Spanned<PathBuf> {
    Spanned { value: table.reader.folder.join(DEFAULT_APPLICATIONS), span: table.span.clone() }
}

/// An item of `client_ca`: a file, or a table with the file and its purpose.
fn client_ca(value: &Value<'_>) -> Option<ClientCa> {
    if !value.toml.is_table() {
        return value.path().map(|file| ClientCa { file, eku: Purpose::default() });
    }
    let table = value.table(CLIENT_CA)?;
    let ekus = [Purpose::Client, Purpose::ClientOrServer, Purpose::Any].map(|eku| (eku.as_str(), eku));
    let file = table.require("file").and_then(|value| value.path());
    let eku = table.get("eku").map(|value| value.choice(&ekus));
    table.finish();
    let eku = match eku {
        None => Purpose::default(),
        Some(eku) => eku?.value,
    };
    Some(ClientCa { file: file?, eku })
}

/// An item of `crls`.
enum Crl {
    File(Spanned<PathBuf>),
    Fetched(Box<CrlSource>),
}

impl Crl {
    fn file(&self) -> &Spanned<PathBuf> {
        match self {
            Self::File(file) => file,
            Self::Fetched(source) => &source.file,
        }
    }
}

fn crl(value: &Value<'_>) -> Option<Crl> {
    if !value.toml.is_table() {
        return value.path().map(Crl::File);
    }
    let table = value.table(CRL_SOURCE)?;
    let from = table.require("url").and_then(|value| value.parse("a URL", |text| url(text, &CRL)));
    let file = table.require("file").and_then(|value| value.path());
    let schedule = schedule(&table);
    let ca = table.get("ca").and_then(|value| value.path());
    let issuer = table.get("issuer").and_then(|value| value.path());
    table.finish();
    Some(Crl::Fetched(Box::new(CrlSource { url: from?, file: file?, schedule, ca, issuer })))
}

/// The CRLs that are fetched. Two that share a file are reported.
fn fetched(table: &Table<'_>, crls: Vec<Crl>) -> Vec<CrlSource> {
    let files: Vec<Spanned<PathBuf>> = crls.iter().map(|crl| crl.file().clone()).collect();
    let mut sources = Vec::new();
    for (index, crl) in crls.into_iter().enumerate() {
        let Crl::Fetched(source) = crl else { continue };
        let mut others = files.iter().enumerate().filter(|(other, _)| *other != index);
        let own = file::resolved(&source.file.value);
        if let Some((_, other)) = others.find(|(_, other)| file::resolved(&other.value) == own) {
            let what = format!(
                "{} is also named on line {}: a fetched CRL would overwrite the other one",
                source.file.value.display(),
                other.span.line()
            );
            let problem = Problem::error(&source.file.span, "trust.crls.file", what);
            table.reader.report(problem.help("give each CRL its own file"));
        }
        sources.push(*source);
    }
    sources
}
