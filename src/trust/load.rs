//! Builds a snapshot of trust from the configuration: opens what it names, judges what it says.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};

use super::{
    Application, ClientId, Credential, CredentialMatcher, Generation, Registry, Subject, Trust,
    certificates::{read_certificates, read_der_or_pem},
};
use crate::{
    config::{
        Located, Problem,
        settings::{self, Applications, Matcher},
    },
    identity::{
        Authorities, AuthorityError, ClientCertificate, DistinguishedName, StaleCrl, SubjectAltName,
        Thumbprint, Validity, rfc3339, spki_hash,
    },
};

/// Opens every file that trust rests on and builds the snapshot. Reports every problem; the
/// snapshot is there only if none of them is an error. The last use of credentials that were `before` is carried over.
#[must_use]
pub fn load(
    trust: &settings::Trust,
    applications: &Applications,
    generation: Generation,
    before: Option<&Registry>,
) -> (Option<Trust>, Vec<Problem>) {
    let mut problems = Vec::new();
    let authorities = authorities(trust, &mut problems);
    let registry = registry(applications, before, &mut problems);
    let ok = !problems.iter().any(|problem| problem.severity == crate::config::Severity::Error);
    let trust = authorities.filter(|_| ok).map(|authorities| Trust { generation, authorities, registry });
    (trust, problems)
}

/// A file's text for a message: the path as resolved.
fn shown(path: &Located<PathBuf>) -> String {
    path.value.display().to_string()
}

fn authorities(trust: &settings::Trust, problems: &mut Vec<Problem>) -> Option<Authorities> {
    let mut cas: Vec<CertificateDer<'static>> = Vec::new();
    let mut ca_files = Vec::new();
    for file in &trust.client_ca {
        match read_certificates(&file.value) {
            Ok(found) => {
                ca_files.extend(found.iter().map(|_| file));
                cas.extend(found);
            }
            Err(error) => problems.push(
                Problem::error(&file.place, "trust.client_ca", format!("{} {error}", shown(file)))
                    .help("give a PEM file with the certificates of your client CAs"),
            ),
        }
    }
    let mut crls = Vec::new();
    let mut crl_files = Vec::new();
    for file in &trust.crls {
        match read_der_or_pem::<CertificateRevocationListDer<'static>>(&file.value, "CRL") {
            Ok(found) => {
                crl_files.extend(found.iter().map(|_| file));
                crls.extend(found);
            }
            Err(error) => problems.push(
                Problem::error(&file.place, "trust.crls", format!("{} {error}", shown(file)))
                    .help("give a CRL as PEM (\"-----BEGIN X509 CRL-----\") or DER"),
            ),
        }
    }
    let stale = match trust.stale_crl {
        settings::StaleCrl::Refuse => StaleCrl::Refuse,
        settings::StaleCrl::Report => StaleCrl::Report,
    };
    match Authorities::new(cas, crls, stale) {
        Ok(authorities) => {
            for warning in authorities.warnings(now()) {
                if let Some(file) = ca_files.get(warning.index) {
                    problems.push(
                        Problem::warning(
                            &file.place,
                            "trust.client_ca",
                            format!("{}: {warning}", shown(file)),
                        )
                        .help("no certificate that it issued will be accepted; replace it or take it out"),
                    );
                }
            }
            stale_crls(&authorities, trust.stale_crl, &crl_files, problems);
            Some(authorities)
        }
        Err(error) => {
            let (file, key) = match &error {
                AuthorityError::Ca { index, .. } | AuthorityError::Anchor { index, .. } => {
                    (ca_files.get(*index), "trust.client_ca")
                }
                AuthorityError::Crl { index, .. } => (crl_files.get(*index), "trust.crls"),
            };
            if let Some(file) = file {
                problems.push(Problem::error(&file.place, key, format!("{}: {error}", shown(file))));
            }
            None
        }
    }
}

fn stale_crls(
    authorities: &Authorities,
    stale: settings::StaleCrl,
    files: &[&Located<PathBuf>],
    problems: &mut Vec<Problem>,
) {
    let help = match stale {
        settings::StaleCrl::Refuse => "certificates of its CA are refused until the list is renewed",
        settings::StaleCrl::Report => {
            "certificates of its CA are judged by this old list (stale_crl = \"report\"): renew it"
        }
    };
    for crl in authorities.crls().filter(|crl| crl.next_update < now()) {
        let Some(file) = files.get(crl.index) else { continue };
        let (shown, since) = (shown(file), rfc3339(crl.next_update));
        let what = format!("{shown}: the CRL of {:?} is stale since {since}", crl.issuer);
        problems.push(Problem::warning(&file.place, "trust.crls", what).help(help));
    }
}

fn registry(applications: &Applications, before: Option<&Registry>, problems: &mut Vec<Problem>) -> Registry {
    let mut registry = Registry::default();
    let mut pins = HashMap::new();
    for application in &applications.applications {
        let mut places = Vec::new();
        let mut credentials = Vec::new();
        let before = before.and_then(|before| before.application(&application.client_id.value));
        for written in &application.credentials {
            if let Some(mut credential) = credential(written, &mut pins, problems) {
                if let Some(same) = before.and_then(|before| before.same(&credential)) {
                    credential.usage = Arc::clone(&same.usage);
                }
                places.push(written.matcher.place());
                credentials.push(credential);
            }
        }
        let built = Application {
            client_id: ClientId::new(application.client_id.value.as_str()),
            method: application.auth_method,
            credentials,
        };
        if let Err(error) = registry.insert(built) {
            let place = error.credential().and_then(|index| places.get(index).copied());
            problems.push(
                Problem::error(
                    place.unwrap_or(&application.client_id.place),
                    "application.credential",
                    error.to_string(),
                )
                .help("register each certificate once: an application's key must be its own"),
            );
        }
    }
    registry
}

type Pins = HashMap<PathBuf, Result<[u8; 32], String>>;

fn credential(
    credential: &settings::Credential,
    pins: &mut Pins,
    problems: &mut Vec<Problem>,
) -> Option<Credential> {
    let pin = match &credential.ca {
        None => None,
        Some(file) => {
            let pin = pins.entry(file.value.clone()).or_insert_with(|| pinned_key(&file.value));
            match pin {
                Ok(key) => Some(*key),
                Err(error) => {
                    problems.push(
                        Problem::error(
                            &file.place,
                            "application.credential.ca",
                            format!("{} {error}", shown(file)),
                        )
                        .help("give a PEM file with the one CA that must have issued the certificate"),
                    );
                    return None;
                }
            }
        }
    };
    let mut validity = None;
    let matcher = match &credential.matcher {
        Matcher::Thumbprint(text) => {
            parsed(text, "thumbprint", problems, str::parse::<Thumbprint>).map(CredentialMatcher::Thumbprint)
        }
        Matcher::Certificate(file) => certificate(file, problems).map(|(thumbprint, of)| {
            validity = Some(of);
            CredentialMatcher::Thumbprint(thumbprint)
        }),
        Matcher::SubjectDn(text) => parsed(text, "subject_dn", problems, DistinguishedName::from_written)
            .map(|(dn, warning)| {
                if let Some(warning) = warning {
                    problems.push(Problem::warning(
                        &text.place,
                        "application.credential.subject_dn",
                        warning.to_string(),
                    ));
                }
                CredentialMatcher::Subject { subject: Subject::Dn(dn), pin }
            }),
        Matcher::SanDns(text) => san(text, "san_dns", pin, problems, SubjectAltName::dns),
        Matcher::SanUri(text) => san(text, "san_uri", pin, problems, SubjectAltName::uri),
        Matcher::SanIp(text) => san(text, "san_ip", pin, problems, SubjectAltName::ip),
        Matcher::SanEmail(text) => san(text, "san_email", pin, problems, SubjectAltName::email),
    }?;
    Some(Credential { name: credential.name.value.clone(), matcher, validity, usage: Arc::default() })
}

fn parsed<T, E: std::fmt::Display>(
    text: &Located<String>,
    key: &str,
    problems: &mut Vec<Problem>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Option<T> {
    parse(&text.value)
        .map_err(|error| {
            problems.push(Problem::error(
                &text.place,
                format!("application.credential.{key}"),
                error.to_string(),
            ));
        })
        .ok()
}

fn san<E: std::fmt::Display>(
    text: &Located<String>,
    key: &str,
    pin: Option<[u8; 32]>,
    problems: &mut Vec<Problem>,
    parse: impl FnOnce(&str) -> Result<SubjectAltName, E>,
) -> Option<CredentialMatcher> {
    parsed(text, key, problems, parse)
        .map(|san| CredentialMatcher::Subject { subject: Subject::San(san), pin })
}

/// Thumbprint and validity of the first certificate of a file; one that has ended is worth a warning.
fn certificate(file: &Located<PathBuf>, problems: &mut Vec<Problem>) -> Option<(Thumbprint, Validity)> {
    const KEY: &str = "application.credential.certificate";
    let read = read_certificates(&file.value).and_then(|chain| {
        let leaf = chain.get(..1).unwrap_or_default();
        ClientCertificate::from_chain(leaf).map_err(|error| format!("holds no certificate: {error}"))
    });
    match read {
        Ok(certificate) => {
            let left = certificate.validity().not_after - now();
            if left < 30 * 86_400 {
                let what = if left < 0 {
                    format!("{} has expired: it is refused", shown(file))
                } else {
                    format!("{} expires in {} days", shown(file), left / 86_400)
                };
                problems.push(
                    Problem::warning(&file.place, KEY, what)
                        .help("add the next certificate as a second credential, then remove this one"),
                );
            }
            Some((certificate.thumbprint(), certificate.validity()))
        }
        Err(error) => {
            problems.push(
                Problem::error(&file.place, KEY, format!("{} {error}", shown(file)))
                    .help("give the application's certificate (not its key) as PEM or DER"),
            );
            None
        }
    }
}

fn pinned_key(file: &std::path::Path) -> Result<[u8; 32], String> {
    match read_certificates(file)?.as_slice() {
        [ca] => spki_hash(ca).map_err(|error| format!("holds no certificate: {error}")),
        several => Err(format!("holds {} certificates, expected the one CA", several.len())),
    }
}

fn now() -> i64 {
    i64::try_from(rustls_pki_types::UnixTime::now().as_secs()).unwrap_or(i64::MAX)
}
