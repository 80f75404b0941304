//! Loads the client CAs and CRLs that the configuration references, and builds the trust snapshot.

use std::{path::PathBuf, sync::Arc};

use super::{
    crl_cache::{CachedCrl, pending},
    pem::{read_certificates, read_crls},
};
use crate::{
    clock::Timestamp,
    config::{Problem, Spanned, settings},
    identity::{Authorities, AuthorityError, ClientCa, RevocationPolicy, StaleCrl, UnusableCa},
    trust::{Registry, Trust},
};

/// Loads the client CAs and CRLs and builds the snapshot with this registry. Reports every problem, and returns the snapshot only if
/// none of them is an error.
#[must_use]
pub(super) fn load(
    trust: &settings::Trust,
    registry: Registry,
    now: Timestamp,
) -> (Option<Trust>, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut missing_crls = Vec::new();
    let loaded = authorities(trust, now, &mut missing_crls, &mut problems);
    let ok = !problems.iter().any(|problem| problem.severity == crate::config::Severity::Error);
    let trust = loaded.filter(|_| ok).map(|(authorities, files)| Trust {
        authorities: Arc::new(authorities),
        crl_files: files.iter().map(|file| file.value.clone()).collect(),
        missing_crls: missing_crls.into(),
        registry,
        unknown_applications: trust.unknown_applications.value,
    });
    (trust, problems)
}

/// The resolved path of a file, for messages.
pub(super) fn shown(path: &Spanned<PathBuf>) -> String {
    path.value.display().to_string()
}

/// The authorities, and the file of each CRL, by its index. Adds the URLs of those that are not fetched yet to `missing_crls`.
fn authorities<'a>(
    trust: &'a settings::Trust,
    now: Timestamp,
    missing_crls: &mut Vec<Box<str>>,
    problems: &mut Vec<Problem>,
) -> Option<(Authorities, Vec<&'a Spanned<PathBuf>>)> {
    let mut cas: Vec<ClientCa> = Vec::new();
    let mut ca_files = Vec::new();
    for settings::ClientCa { file, eku } in &trust.client_ca {
        let purpose = *eku;
        match read_certificates(&file.value) {
            Ok(found) => {
                ca_files.extend(found.iter().map(|_| file));
                cas.extend(found.into_iter().map(|der| ClientCa { der, purpose }));
            }
            Err(fault) => {
                let fault = fault.or_help("provide a PEM file with the certificates of your client CAs");
                problems.push(fault.at(&file.span, "trust.client_ca"));
            }
        }
    }
    let mut crls = Vec::new();
    let mut crl_files = Vec::new();
    for file in &trust.crls {
        if let Some((source, cached)) = pending(trust, &file.value, now) {
            let url = &source.url.value;
            missing_crls.push(url.to_string().into());
            let what = match cached {
                CachedCrl::Invalid(why) => {
                    format!("{} contains no valid CRL: {why}; `run` fetches one from {url}", shown(file))
                }
                _ => format!("{} does not exist yet: `run` fetches it from {url}", shown(file)),
            };
            problems.push(
                Problem::warning(&file.span, "trust.crls", what)
                    .help("until then the revocations of its CA are unknown"),
            );
            continue;
        }
        match read_crls(&file.value) {
            Ok(found) => {
                crl_files.extend(found.iter().map(|_| file));
                crls.extend(found);
            }
            Err(fault) => {
                let fault = fault.or_help("provide a CRL as PEM (\"-----BEGIN X509 CRL-----\") or DER");
                problems.push(fault.at(&file.span, "trust.crls"));
            }
        }
    }
    let policy = RevocationPolicy { stale: trust.stale_crl, depth: trust.crl_depth };
    match Authorities::new(cas, crls, policy) {
        Ok(authorities) => {
            for warning in authorities.warnings(now) {
                if let Some(file) = ca_files.get(warning.index) {
                    problems.push(
                        Problem::warning(
                            &file.span,
                            "trust.client_ca",
                            format!("{}: {warning}", shown(file)),
                        )
                        .help(match warning.reason {
                            UnusableCa::NotYetValid { .. } => format!("check the clock: it is {now} here; until then no certificate that it issued is accepted"),
                            _ => "no certificate that it issued will be accepted; replace or remove it".to_owned(),
                        }),
                    );
                }
            }
            report_stale_crls(&authorities, trust.stale_crl, &crl_files, now, problems);
            report_ineffective_crls(&authorities, trust, &crl_files, now, problems);
            Some((authorities, crl_files))
        }
        Err(error) => {
            let (file, key) = match &error {
                AuthorityError::Ca { index, .. } => (ca_files.get(*index), "trust.client_ca"),
                AuthorityError::Crl { index, .. } => (crl_files.get(*index), "trust.crls"),
            };
            if let Some(file) = file {
                let problem = Problem::error(&file.span, key, format!("{}: {error}", shown(file)));
                problems.push(match &error {
                    AuthorityError::Crl { .. } => {
                        problem.help("provide the complete CRL that the CA has signed")
                    }
                    AuthorityError::Ca { .. } => problem,
                });
            }
            None
        }
    }
}

fn report_stale_crls(
    authorities: &Authorities,
    stale: StaleCrl,
    files: &[&Spanned<PathBuf>],
    now: Timestamp,
    problems: &mut Vec<Problem>,
) {
    let help = match stale {
        StaleCrl::Refuse => "certificates of its CA are refused until the CRL is renewed",
        StaleCrl::Report => {
            "certificates of its CA are checked against this stale CRL (stale_crl = \"report\"): renew it"
        }
    };
    for crl in authorities.crls().filter(|crl| crl.next_update < now) {
        let Some(file) = files.get(crl.index) else { continue };
        let (shown, since) = (shown(file), crl.next_update);
        let what = format!("{shown}: the CRL of {:?} has been stale since {since}", crl.issuer);
        problems.push(Problem::warning(&file.span, "trust.crls", what).help(help));
    }
}

/// Warns about CRLs that apply to no client certificate, or not yet.
fn report_ineffective_crls(
    authorities: &Authorities,
    trust: &settings::Trust,
    files: &[&Spanned<PathBuf>],
    now: Timestamp,
    problems: &mut Vec<Problem>,
) {
    // A CRL of an intermediate CA is intended if the certificate of that CA is its source's `issuer`.
    let has_issuer = |file: &PathBuf| {
        trust.crl_sources.iter().any(|source| source.file.value == *file && source.issuer.is_some())
    };
    for crl in authorities.crls() {
        let Some(file) = files.get(crl.index) else { continue };
        let (shown, issuer) = (shown(file), &crl.issuer);
        let mut warn = |what: String, help: &str| {
            problems.push(Problem::warning(&file.span, "trust.crls", what).help(help));
        };
        if crl.is_future_dated(now) {
            let from = crl.this_update;
            warn(
                format!("{shown}: the CRL of {issuer:?} is dated in the future: its thisUpdate is {from}"),
                "until then an older CRL of its CA applies, if there is one; check the clocks of the CA and of this machine",
            );
        }
        if let Some(algorithm) = &crl.unaccepted_algorithm {
            warn(
                format!("{shown}: the CRL of {issuer:?} is signed with {algorithm}, which is not accepted"),
                "it cannot be used, so certificates of a CA of that name are refused; have the CA sign it with SHA-256 or stronger",
            );
        } else if crl.signer.is_none() && !has_issuer(&file.value) {
            warn(
                format!("{shown}: the CRL of {issuer:?} is not from a client CA"),
                "it applies only to an intermediate CA of that name that a client presents; check that it is the intended CRL",
            );
        }
    }
}
