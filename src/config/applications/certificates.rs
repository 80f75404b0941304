//! `certificate_bound` and `[[application.certificate]]`: the certificate that is required besides a credential of another kind.

use super::{
    credential::{Reading, read_all},
    method::mtls_method,
};
use crate::config::{
    diagnostic::{Fault, Problem},
    node::Table,
    schema::CERTIFICATE,
    settings::{CertificateBound, Credential},
    span::Spanned,
};
use crate::trust::{AuthMethod, Credentials};

/// Reads both. The outer `None` means that one is invalid.
#[expect(clippy::option_option, reason = "an invalid value is not an absent one")]
pub(super) fn certificate_bound(
    table: &Table<'_>,
    method: Option<&Spanned<AuthMethod>>,
) -> Option<Option<CertificateBound>> {
    let value = table.get("certificate_bound");
    let bound = value.as_ref().map(|value| value.boolean().map(|bound| value.locate(bound)));
    let certificates = certificates(table);
    let bound = match bound {
        None => None,
        Some(bound) => Some(bound?).filter(|bound| bound.value),
    };
    let certificates = certificates?;
    let Some(bound) = bound else {
        let Some(first) = certificates.first() else { return Some(None) };
        let what = "found [[application.certificate]] without certificate_bound = true: no certificate would be required";
        let problem = Problem::error(&first.name.span, "application.certificate", what);
        table.reader.report(problem.help("write certificate_bound = true in [[application]]"));
        return None;
    };
    let is_mtls = |method: &&Spanned<AuthMethod>| {
        matches!(method.value, AuthMethod::SelfSignedTls | AuthMethod::PkiTls)
    };
    if let Some(method) = method.filter(is_mtls) {
        let name = method.value.as_str();
        if let Some(first) = certificates.first() {
            let what = format!(
                "found [[application.certificate]], but the application uses {name} (line {}): its credentials are its certificates",
                method.span.line()
            );
            let problem = Problem::error(&first.name.span, "application.certificate", what);
            table.reader.report(problem.help("register it as [[application.credential]]"));
            return None;
        }
        let what = format!("superfluous: {name} always requires a certificate, and the edge vouches for it");
        let problem = Problem::warning(&bound.span, "application.certificate_bound", what);
        table.reader.report(problem.help("remove certificate_bound"));
    }
    Some(Some(CertificateBound { span: bound.span, certificates }))
}

fn certificates(table: &Table<'_>) -> Option<Vec<Credential>> {
    let Some(value) = table.get("certificate") else { return Some(Vec::new()) };
    if value.toml.is_str() {
        let what = "found a string, expected tables [[application.certificate]]; the key certificate belongs to [[application.credential]]";
        return value.refuse(Fault::new(what).help("move it below [[application.credential]]"));
    }
    let tables = value.tables(CERTIFICATE)?;
    let read = read_all(&tables, false);
    if let Some(third) = tables.get(Credentials::<()>::MAX) {
        let what = format!(
            "found {} certificates, expected at most two: one in use and its successor",
            tables.len()
        );
        let problem = Problem::error(&third.span, "application.certificate", what);
        table.reader.report(problem.help("remove the certificate that is no longer in use"));
        return None;
    }
    let read = read.into_iter().collect::<Option<Vec<_>>>()?;
    let certificates: Vec<Credential> = read
        .into_iter()
        .filter_map(|reading| match reading {
            Reading::Registered(credential) => Some(*credential),
            Reading::NameOnly(_) => None,
        })
        .collect();
    if let [first, second] = &certificates[..]
        && mtls_method(&first.matcher) != mtls_method(&second.matcher)
    {
        let what = "found a certificate that is registered itself, and one that is registered by its subject: both must be of one kind";
        let problem = Problem::error(second.matcher.span(), "application.certificate", what);
        table.reader.report(
            problem.help("register both by thumbprint, certificate or public_key, or both by a subject"),
        );
        return None;
    }
    Some(certificates)
}
