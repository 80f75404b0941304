//! Checks the files that are needed to fetch CRLs and key sets, and those into which key sets are written.

use std::{collections::HashSet, path::PathBuf};

use super::{files::referenced, pem::read_certificates, upstream::roots};
use crate::config::{
    Problem, Span, Spanned, file,
    settings::{KeySetSource, Settings, TokenVerification, Url},
};

const HELP: &str = "name a PEM file with the CA of the server, or install the package ca-certificates";

/// Reports the roots and the issuers of CRL sources that cannot be used, and files that a CRL would overwrite.
pub(super) fn check_crl_sources(settings: &Settings) -> Vec<Problem> {
    let sources = &settings.trust.crl_sources;
    let servers = sources.iter().map(|source| (&source.url, source.ca.as_ref()));
    let mut problems = check_roots(servers, "trust.crls.ca");
    let files = sources.iter().map(|source| &source.file);
    problems.extend(check_files(settings, files, ("trust.crls.file", "CRL")));
    for file in sources.iter().filter_map(|source| source.issuer.as_ref()) {
        if let Err(fault) = read_certificates(&file.value) {
            let fault = fault.or_help("name a PEM file with the certificate of the CA that signs the CRL");
            problems.push(fault.at(&file.span, "trust.crls.issuer"));
        }
    }
    problems
}

/// Reports the roots of key sets that cannot be used, and files that a key set would overwrite. `key` is the table's path.
pub(super) fn check_key_sets(settings: &Settings, sources: &[KeySetSource], key: &str) -> Vec<Problem> {
    let servers = sources.iter().map(|source| (&source.url, source.ca.as_ref()));
    let mut problems = check_roots(servers, &format!("{key}.ca"));
    let files = sources.iter().map(|source| &source.file);
    problems.extend(check_files(settings, files, (&format!("{key}.file"), "key set")));
    problems
}

/// Reports documents whose cached file is also something else, which the fetched document would overwrite: one that `edge.toml` names, however
/// it is spelt, or a file of TOML. Of two documents with one file the second is reported.
fn check_files<'a>(
    settings: &Settings,
    files: impl Iterator<Item = &'a Spanned<PathBuf>>,
    (key, document): (&str, &str),
) -> Vec<Problem> {
    let mut files = files.peekable();
    if files.peek().is_none() {
        return Vec::new();
    }
    let referenced: Vec<(PathBuf, &Span)> =
        referenced(settings).into_iter().map(|(file, span)| (file::resolved(file), span)).collect();
    let documents: Vec<&Span> = documents(settings).collect();
    let is_document = |span: &Span| documents.contains(&span);
    let overwritten = |Spanned { value: named, span: own }: &Spanned<PathBuf>| {
        let error = |what| {
            Some(Problem::error(own, key, what).help(format!("give each {document} a file of its own")))
        };
        if file::is_operators(named, &[], None) {
            return error(format!(
                "{} is a file of TOML by its name, which a {document} is not",
                named.display()
            ));
        }
        let resolved = file::resolved(named);
        let mut others = referenced.iter().filter(|(file, span)| {
            let is_later = span.source == own.source && span.range.start >= own.range.start;
            *file == resolved && !(*span == own || is_later && is_document(span))
        });
        let (_, other) = others.next()?;
        error(format!(
            "{} is also named at {other}: the fetched {document} would overwrite it",
            named.display()
        ))
    };
    files.filter_map(overwritten).collect()
}

/// Where `edge.toml` names the cached files of documents.
fn documents(settings: &Settings) -> impl Iterator<Item = &Span> {
    let crls = settings.trust.crl_sources.iter().map(|source| &source.file.span);
    let key_sets = settings.token_issuers.iter().filter_map(|issuer| match &issuer.verification {
        TokenVerification::KeySet(source) => Some(&source.file.span),
        TokenVerification::Introspection(_) => None,
    });
    crls.chain(key_sets)
}

/// Reports the roots that verify https servers, if they cannot be used. Each file is read once.
pub(super) fn check_roots<'a>(
    servers: impl Iterator<Item = (&'a Spanned<Url>, Option<&'a Spanned<std::path::PathBuf>>)>,
    key: &str,
) -> Vec<Problem> {
    let mut seen = HashSet::new();
    let mut problems = Vec::new();
    for (url, ca) in servers.filter(|(url, _)| url.value.origin.tls) {
        let file = ca.map(|ca| ca.value.as_path());
        if !seen.insert(file) {
            continue;
        }
        if let Err(fault) = roots(file) {
            problems.push(fault.or_help(HELP).at(ca.map_or(&url.span, |ca| &ca.span), key));
        }
    }
    problems
}
