//! A certificate of the edge with its key.

use super::token_key::private_key;
use crate::config::{diagnostic::Problem, node::Table, settings::KeyPair};

/// Reads the key with this name and `private_key`: both, or neither.
pub(super) fn read(table: &Table<'_>, certificate_key: &'static str) -> Option<KeyPair> {
    let certificate = table.get(certificate_key).map(|value| value.path());
    let private_key = table.get("private_key").map(|value| private_key(&value));
    let (found, missing) = match (certificate, private_key) {
        (Some(certificate), Some(private_key)) => {
            return Some(KeyPair { certificate: certificate?, private_key: private_key? });
        }
        (Some(_), None) => (certificate_key, "private_key"),
        (None, Some(_)) => ("private_key", certificate_key),
        (None, None) => return None,
    };
    if !table.is_misspelt(&[missing]) {
        let span = table.key_span(found).unwrap_or_else(|| table.span.clone());
        let what = format!("found {found} without {missing}: the edge needs both, or neither");
        let help = format!("write {missing} = {}", table.kind.example(missing));
        table.reader.report(Problem::error(&span, table.path(found), what).help(help));
    }
    None
}
