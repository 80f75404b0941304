//! Loads a registered certificate, and warns about one that will not be accepted.

use std::path::PathBuf;

use rustls_pki_types::CertificateDer;

use crate::load::{authorities::shown, pem::read_certificates};
use crate::{
    clock::Timestamp,
    config::{Problem, Spanned, file},
    identity::{ClientCertificate, unusable_key},
    trust::RegisteredCertificate,
};

/// The number, from 1, of the first certificate that is not on the path from the leaf to its root. The issuers may be in any order.
fn unrelated_certificate(chain: &[CertificateDer<'static>]) -> Option<usize> {
    let facts = |der: &CertificateDer<'static>| ClientCertificate::from_chain(std::slice::from_ref(der)).ok();
    let (leaf, rest) = chain.split_first()?;
    let mut issuers = vec![facts(leaf)?.issuer().clone()];
    let mut rest: Vec<_> = (2..).zip(rest.iter().map(facts)).collect();
    while let Some(next) = rest
        .iter()
        .position(|(_, facts)| facts.as_ref().is_some_and(|facts| issuers.contains(facts.subject())))
    {
        issuers.extend(rest.remove(next).1.map(|facts| facts.issuer().clone()));
    }
    rest.first().map(|(number, _)| *number)
}

/// Loads the first certificate of a file. Warns if it is not valid now, or expires soon. `key` names the file in the configuration.
pub(super) fn load_certificate(
    file: &Spanned<PathBuf>,
    key: &str,
    now: Timestamp,
    problems: &mut Vec<Problem>,
) -> Option<RegisteredCertificate> {
    let read = read_certificates(&file.value).and_then(|chain| {
        let leaf = chain.get(..1).unwrap_or_default();
        if let Some(number) = unrelated_certificate(&chain) {
            let what = format_args!(
                " contains {} certificates, and certificate {number} is not an issuer of the first: it would not be registered",
                chain.len()
            );
            let help = "give each certificate its own file and [[application.credential]]";
            return Err(file::fault(&file.value, what).or_help(help));
        }
        ClientCertificate::from_chain(leaf)
            .map_err(|error| file::fault(&file.value, format_args!(" cannot be registered: {error}")))
    });
    match read {
        Ok(certificate) => {
            let validity = certificate.validity();
            if now < validity.not_before {
                let from = validity.not_before;
                let what =
                    format!("{} is not valid yet (before {from}): until then it is refused", shown(file));
                let help =
                    format!("check the clock: it is {now} here; until then, keep the previous credential");
                problems.push(Problem::warning(&file.span, key, what).help(help));
            }
            if validity.not_after.days_since(now) < 30 {
                let what = if now > validity.not_after {
                    let end = validity.not_after;
                    format!("{} has expired (on {end}): it is refused", shown(file))
                } else {
                    format!("{} expires {}", shown(file), validity.not_after.relative_to(now))
                };
                problems.push(
                    Problem::warning(&file.span, key, what)
                        .help("add the next certificate as a second credential, then remove this one"),
                );
            }
            if let Some(reason) = unusable_key(certificate.spki_der()) {
                problems.push(
                    Problem::warning(
                        &file.span,
                        key,
                        format!("{}: {reason}: no handshake succeeds", shown(file)),
                    )
                    .help("issue a certificate for another key, and register it"),
                );
            }
            Some(RegisteredCertificate::from(&certificate))
        }
        Err(fault) => {
            let help = "provide the application's certificate (not its key) as PEM or DER";
            problems.push(fault.or_help(help).at(&file.span, key));
            None
        }
    }
}
