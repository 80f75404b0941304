//! A certificate of the edge with its key.

use super::{secret::secret, token_key::private_key};
use crate::config::{
    diagnostic::Problem,
    node::Table,
    schema::Key,
    settings::{KeyPair, SecretSource},
    span::Spanned,
};

/// Reads `private_key_password`. An invalid one is reported.
pub(super) fn password(table: &Table<'_>) -> Option<Spanned<SecretSource>> {
    let value = table.get("private_key_password")?;
    let kind = table.kind.key(value.key).and_then(Key::table)?;
    let file = match table.kind.path {
        "admin" => "admin.pass",
        "upstream" => "edge.pass",
        _ => "server.pass",
    };
    secret(&value, kind, value.key, file)
}

/// Reads the key with this name and `private_key`: both, or neither. A password without them is an error.
pub(super) fn read(table: &Table<'_>, certificate_key: &'static str) -> Option<KeyPair> {
    let certificate = table.get(certificate_key).map(|value| value.path());
    let private_key = table.get("private_key").map(|value| private_key(&value));
    let password = password(table);
    let (found, missing) = match (certificate, private_key) {
        (Some(certificate), Some(private_key)) => {
            return Some(KeyPair { certificate: certificate?, private_key: private_key?, password });
        }
        (Some(_), None) => (certificate_key, "private_key"),
        (None, Some(_)) => ("private_key", certificate_key),
        (None, None) => {
            report_without_key(table, password.as_ref()?, certificate_key);
            return None;
        }
    };
    if !table.is_misspelt(&[missing]) {
        let span = table.key_span(found).unwrap_or_else(|| table.span.clone());
        let what = format!("found {found} without {missing}: the edge needs both, or neither");
        let help = format!("write {missing} = {}", table.kind.example(missing));
        table.reader.report(Problem::error(&span, table.path(found), what).help(help));
    }
    None
}

/// Reports a password of nothing.
fn report_without_key(table: &Table<'_>, password: &Spanned<SecretSource>, certificate_key: &str) {
    if !table.is_misspelt(&[certificate_key, "private_key"]) {
        let what = format!("found private_key_password without {certificate_key} and private_key");
        let help = "write both, or remove private_key_password";
        table
            .reader
            .report(Problem::error(&password.span, table.path("private_key_password"), what).help(help));
    }
}
