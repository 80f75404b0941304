//! Checks the files that are needed to fetch CRLs and key sets.

use std::collections::HashSet;

use super::{pem::read_certificates, upstream::roots};
use crate::config::{
    Problem, Spanned,
    settings::{KeySetSource, Trust, Url},
};

const HELP: &str = "name a PEM file with the CA of the server, or install the package ca-certificates";

/// Reports the roots and the issuers of CRL sources that cannot be used.
pub(super) fn check_crl_sources(trust: &Trust) -> Vec<Problem> {
    let sources = &trust.crl_sources;
    let servers = sources.iter().map(|source| (&source.url, source.ca.as_ref()));
    let mut problems = check_roots(servers, "trust.crls.ca");
    for file in sources.iter().filter_map(|source| source.issuer.as_ref()) {
        if let Err(fault) = read_certificates(&file.value) {
            let fault = fault.or_help("name a PEM file with the certificate of the CA that signs the CRL");
            problems.push(fault.at(&file.span, "trust.crls.issuer"));
        }
    }
    problems
}

/// Reports the roots of key sets that cannot be used.
pub(super) fn check_key_set_roots(sources: &[KeySetSource], key: &str) -> Vec<Problem> {
    check_roots(sources.iter().map(|source| (&source.url, source.ca.as_ref())), key)
}

/// Reports the roots that verify https servers, if they cannot be used. Each file is read once.
fn check_roots<'a>(
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
