//! Whether clients will accept a server's certificate: its dates, its names, its purpose.

use std::path::PathBuf;

use rustls_pki_types::CertificateDer;
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate, X509Version},
};

use crate::{
    clock::Timestamp,
    config::{Problem, Severity, Spanned},
    identity::{ClientCertificate, Validity},
};

const KEY: &str = "domain.certificate";

/// Days before its end from which on a certificate is worth a warning.
const SOON_DAYS: i64 = 14;

/// Reports what clients will refuse in this chain, of which certificate `own` (from 0) is the server's. Without a `domain` only the
/// dates are looked at.
///
/// Outside its validity it is an error, unless the running edge has it in force already: then a change of anything else, such as a
/// credential that is withdrawn, must not wait for its renewal.
pub(super) fn judge(
    chain: &[CertificateDer<'static>],
    own: usize,
    domain: Option<&str>,
    file: &Spanned<PathBuf>,
    in_force: &[&CertificateDer<'static>],
    now: Timestamp,
    problems: &mut Vec<Problem>,
) {
    let shown = file.value.display();
    for (index, der) in chain.iter().enumerate() {
        let Ok(facts) = ClientCertificate::from_chain(std::slice::from_ref(der)) else { continue };
        let validity = facts.validity();
        if index != own {
            // Clients may know a newer one of the same key.
            if let Some(outside) = outside(validity, now) {
                let subject = facts.subject().to_rfc4514();
                let what = format!("{shown}: certificate {}, {subject:?}, {outside}", index + 1);
                problems.push(
                    Problem::warning(&file.span, KEY, what)
                        .help("replace it by the one that its CA gives out today"),
                );
            }
            continue;
        }
        if let Some(outside) = outside(validity, now) {
            let severity = if in_force.contains(&der) { Severity::Warning } else { Severity::Error };
            let help = if now < validity.not_before {
                format!("give a certificate that is valid now, or check the clock: it is {now} here")
            } else {
                format!("renew it, and put the new chain into {shown}")
            };
            let what = format!("{shown} {outside}: clients will refuse it");
            problems.push(Problem { severity, ..Problem::error(&file.span, KEY, what).help(help) });
        } else if validity.not_after.days_since(now) < SOON_DAYS {
            let what = format!("{shown} expires in {} days", validity.not_after.days_since(now));
            problems.push(Problem::warning(&file.span, KEY, what).help("renew it"));
        }
        if let Some(domain) = domain {
            names(der, domain, file, problems);
            purpose(der, file, problems);
        }
    }
}

/// `has expired (on ...)`, if the certificate is not valid now.
fn outside(validity: Validity, now: Timestamp) -> Option<String> {
    if now > validity.not_after {
        Some(format!("has expired (on {})", validity.not_after))
    } else if now < validity.not_before {
        Some(format!("is not valid yet (before {})", validity.not_before))
    } else {
        None
    }
}

/// Clients compare the DNS names among the subject alternative names, and nothing else (RFC 9110 section 4.3.4).
fn names(der: &CertificateDer<'static>, domain: &str, file: &Spanned<PathBuf>, problems: &mut Vec<Problem>) {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return };
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let names: Vec<&str> = alternative
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(*name),
            _ => None,
        })
        .collect();
    let is_named = webpki::EndEntityCert::try_from(der)
        .ok()
        .zip(rustls_pki_types::ServerName::try_from(domain).ok())
        .is_some_and(|(certificate, name)| certificate.verify_is_valid_for_subject_name(&name).is_ok());
    if is_named {
        return;
    }
    // `openssl x509 -req` makes it so from a CSR, whatever the CSR asks for.
    let is_bare = certificate.version() != X509Version::V3;
    let why = match names.as_slice() {
        [] if is_bare => ": it has no extensions, as `openssl x509 -req` makes certificates without -extfile",
        [] => ": it has no DNS name (the common name does not count)",
        _ => "",
    };
    let what = format!("{} does not name {domain}{why}: clients will refuse it", file.value.display());
    let help = format!("issue a certificate with the subject alternative name DNS:{domain}");
    let severity = if is_bare { Severity::Error } else { Severity::Warning };
    problems.push(Problem { severity, ..Problem::error(&file.span, KEY, what).help(help) });
}

/// A certificate for clients only does not pass for a server's (RFC 5280 section 4.2.1.12).
fn purpose(der: &CertificateDer<'static>, file: &Spanned<PathBuf>, problems: &mut Vec<Problem>) {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return };
    let Ok(Some(usage)) = certificate.extended_key_usage() else { return };
    if !(usage.value.server_auth || usage.value.any) {
        let what = format!(
            "{} is not for servers: its extendedKeyUsage does not include serverAuth: clients will refuse it",
            file.value.display()
        );
        problems.push(
            Problem::warning(&file.span, KEY, what)
                .help("issue a certificate with extendedKeyUsage = serverAuth"),
        );
    }
}
