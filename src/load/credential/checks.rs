//! Checks whether peers will accept a certificate: its validity, its names, its purpose.

use std::path::PathBuf;

use rustls_pki_types::CertificateDer;
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate, X509Version},
};

use super::{CredentialFiles, Role};
use crate::{
    clock::Timestamp,
    config::{Problem, Severity, Spanned},
    identity::{ClientCertificate, Validity},
};

/// A certificate that expires in fewer days is reported as a warning, unless it renews itself.
const WARN_DAYS: i64 = 14;

/// What to do about a certificate that is ordered by ACME and cannot be used.
pub(in crate::load) const ACME_HELP: &str =
    "`mtls-edge status` shows why no other certificate has been issued yet";

/// Reports what peers will refuse in this chain. `own` is the index, from 0, of the certificate that belongs to the key. Names and purpose are
/// checked only if there is one.
///
/// A certificate that is not valid now is an error, or a warning if it is used all the same.
pub(super) fn check_chain(
    chain: &[CertificateDer<'static>],
    own: usize,
    is_own: bool,
    files: &CredentialFiles<'_>,
    problems: &mut Vec<Problem>,
) {
    let (file, now, role) = (files.certificate, files.now, files.role);
    let key = role.certificate_key();
    let shown = file.value.display();
    for (index, der) in chain.iter().enumerate() {
        let Ok(facts) = ClientCertificate::from_chain(std::slice::from_ref(der)) else { continue };
        let validity = facts.validity();
        if index != own {
            if !has_issued_another(&facts, index, chain) {
                let subject = facts.subject().to_rfc4514();
                let what = format!(
                    "{shown}: certificate {}, {subject:?}, has issued no other certificate of the file: {} cannot use it",
                    index + 1,
                    role.peers()
                );
                problems.push(
                    Problem::warning(&file.span, key, what).help(
                        "remove it, or replace it with the CA certificate that has issued the one before",
                    ),
                );
            }
            // Clients may have a newer certificate with the same key.
            if let Some(invalid) = not_valid(validity, now) {
                let subject = facts.subject().to_rfc4514();
                let what = format!("{shown}: certificate {}, {subject:?}, {invalid}", index + 1);
                problems.push(
                    Problem::warning(&file.span, key, what)
                        .help("replace it with the CA's current certificate"),
                );
            }
            continue;
        }
        if let Some(invalid) = not_valid(validity, now) {
            let has_expired = now > validity.not_after;
            let is_used = files.in_use.tolerates(der, has_expired);
            let severity = if is_used { Severity::Warning } else { Severity::Error };
            let help = if !has_expired {
                format!("use a certificate that is valid now, or check the clock: it is {now} here")
            } else if matches!(role, Role::Acme(_)) {
                ACME_HELP.to_owned()
            } else {
                format!("renew it, and write the new chain to {shown}")
            };
            let what = format!("{shown} {invalid}: {} will refuse it", role.peers());
            let ends = (!has_expired).then_some(validity.not_before);
            // A start goes without a certificate by ACME that it cannot use.
            let prevents_start = is_used && !has_expired && !matches!(role, Role::Acme(_));
            let problem = Problem::error(&file.span, key, what).help(help);
            problems.push(Problem { severity, ends, prevents_start, ..problem });
        } else if validity.not_after.days_since(now) < WARN_DAYS && !matches!(role, Role::Acme(_)) {
            let what = format!("{shown} expires {}", validity.not_after.relative_to(now));
            problems.push(Problem::warning(&file.span, key, what).help("renew it"));
        }
        if is_own {
            if let Role::Server(domain) | Role::Acme(domain) = role {
                check_names(der, domain, role, file, problems);
            }
            check_purpose(der, role, file, problems);
        }
    }
}

/// Whether the certificate at `index` bears the name of another one's issuer.
fn has_issued_another(facts: &ClientCertificate, index: usize, chain: &[CertificateDer<'static>]) -> bool {
    let others = chain.iter().filter(|der| chain.get(index) != Some(*der));
    let mut parsed = others.filter_map(|der| ClientCertificate::from_chain(std::slice::from_ref(der)).ok());
    parsed.any(|other| facts.subject().matches(other.issuer()))
}

/// Why the certificate is not valid now, such as `has expired (on ...)`. None if it is valid.
fn not_valid(validity: Validity, now: Timestamp) -> Option<String> {
    if now > validity.not_after {
        Some(format!("has expired (on {})", validity.not_after))
    } else if now < validity.not_before {
        Some(format!("is not valid yet (before {})", validity.not_before))
    } else {
        None
    }
}

/// Whether the certificate names the domain, as clients compare it.
pub(in crate::load) fn is_named(der: &CertificateDer<'static>, domain: &str) -> bool {
    webpki::EndEntityCert::try_from(der)
        .ok()
        .zip(rustls_pki_types::ServerName::try_from(domain).ok())
        .is_some_and(|(certificate, name)| certificate.verify_is_valid_for_subject_name(&name).is_ok())
}

/// Reports a certificate that does not name the domain. Clients only compare DNS names in the subject alternative name extension
/// (RFC 9110 section 4.3.4).
fn check_names(
    der: &CertificateDer<'static>,
    domain: &str,
    role: Role<'_>,
    file: &Spanned<PathBuf>,
    problems: &mut Vec<Problem>,
) {
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
    if is_named(der, domain) {
        return;
    }
    // `openssl x509 -req` ignores the extensions that the CSR requests.
    let is_without_extensions = certificate.version() != X509Version::V3;
    let why = match names.as_slice() {
        [] if is_without_extensions => {
            ": it has no extensions, as issued by `openssl x509 -req` without -extfile"
        }
        [] => ": it has no DNS name (the common name does not count)",
        _ => "",
    };
    let what = format!("{} does not name {domain}{why}: clients will refuse it", file.value.display());
    let help = format!("issue a certificate with the subject alternative name DNS:{domain}");
    // A CA issues by ACME what the edge has ordered: anything else is another domain's file.
    let is_error = is_without_extensions || matches!(role, Role::Acme(_));
    let severity = if is_error { Severity::Error } else { Severity::Warning };
    let problem = Problem::error(&file.span, role.certificate_key(), what);
    problems.push(Problem { severity, ..problem.help(help) });
}

/// Reports an extendedKeyUsage that does not include the role's own (RFC 5280 section 4.2.1.12).
fn check_purpose(
    der: &CertificateDer<'static>,
    role: Role<'_>,
    file: &Spanned<PathBuf>,
    problems: &mut Vec<Problem>,
) {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return };
    let Ok(Some(usage)) = certificate.extended_key_usage() else { return };
    let (kind, purpose, is_included) = match role {
        Role::Server(_) | Role::Acme(_) | Role::Admin => ("server", "serverAuth", usage.value.server_auth),
        Role::Client => ("client", "clientAuth", usage.value.client_auth),
    };
    if !(is_included || usage.value.any) {
        let what = format!(
            "{} is not a {kind} certificate: its extendedKeyUsage does not include {purpose}: {} will refuse it",
            file.value.display(),
            role.peers()
        );
        problems.push(
            Problem::warning(&file.span, role.certificate_key(), what)
                .help(format!("issue a certificate with extendedKeyUsage = {purpose}")),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::sign::CertifiedKey;
    use rustls_pki_types::PrivatePkcs8KeyDer;
    use time::OffsetDateTime;

    use super::*;
    use crate::{
        config::{Source, Span, settings::PrivateKey},
        load::credential::InUse,
        pkcs11::Patience,
        tls::{CipherSuites, provider},
    };

    #[test]
    fn a_start_is_prevented_by_files_it_would_refuse() {
        let mut params = rcgen::CertificateParams::new(["m.example".to_owned()]).unwrap();
        params.not_before = OffsetDateTime::from_unix_timestamp(1_790_000_000).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let leaf = params.self_signed(&key).unwrap();
        let file = Spanned {
            value: PathBuf::from("m.pem"),
            span: Span { source: Arc::new(Source::empty()), range: 0..0 },
        };
        let chain = [leaf.der().clone()];
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let provider = provider(CipherSuites::Default);
        let key = provider.key_provider.load_private_key(key).unwrap();
        let running = [(Arc::new(CertifiedKey::new(chain.to_vec(), key)), [0; 32])];
        for (role, expected) in [(Role::Server("m.example"), true), (Role::Acme("m.example"), false)] {
            let mut problems = Vec::new();
            let files = CredentialFiles {
                provider: &provider,
                role,
                certificate: &file,
                private_key: &PrivateKey::File(file.clone()),
                password: None,
                in_use: InUse::Running(&running),
                tokens: &Patience::default(),
                now: Timestamp::from_unix(1_789_000_000),
            };
            check_chain(&chain, 0, true, &files, &mut problems);
            let [problem] = &problems[..] else { panic!("{problems:?}") };
            assert_eq!((problem.severity, problem.prevents_start), (Severity::Warning, expected));
        }
    }
}
