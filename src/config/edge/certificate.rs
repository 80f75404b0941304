//! Where the certificate of a `[[domain]]` comes from: two files of the operator's, or ACME.

use std::path::PathBuf;

use super::acme::Authority;
use crate::config::{
    diagnostic::Fault,
    node::{Table, Value},
    schema::ACME,
    settings::Acme,
    span::Spanned,
};

/// The files of a domain's certificate and key.
pub(super) struct ServerFiles {
    pub(super) certificate: Spanned<PathBuf>,
    pub(super) private_key: Spanned<PathBuf>,
    /// Whether they are one file, which is written by ACME.
    pub(super) acme: bool,
}

/// Reads `certificate` and `private_key`, or `acme = true`. `None` if something is missing, invalid, or contradicts.
pub(super) fn server_files(
    table: &Table<'_>,
    name: Option<&Spanned<String>>,
    authority: &Authority,
) -> Option<ServerFiles> {
    let acme = match table.get("acme") {
        None => None,
        Some(value) => value.boolean()?.then_some(value),
    };
    let Some(acme) = acme else {
        let certificate = table.require("certificate").and_then(|value| value.path());
        let private_key = table.require("private_key").and_then(|value| value.path());
        return Some(ServerFiles { certificate: certificate?, private_key: private_key?, acme: false });
    };
    // Both are asked for: otherwise they would be unknown keys.
    let others = [table.get("certificate"), table.get("private_key")];
    if let Some(other) = others.iter().flatten().next() {
        return contradicts(other);
    }
    let file = match authority {
        Authority::Valid(settings) => Acme::file_of(&settings.state, &name?.value),
        Authority::Invalid => return None,
        Authority::Absent => {
            let (directory, agreed) = ("directory", "terms_of_service_agreed");
            return acme.refuse(
                Fault::new("found acme = true without [acme]: which CA issues the certificate?").help(
                    format!(
                        "write:\n[acme]\n{directory} = {}\n{agreed} = {}",
                        ACME.example(directory),
                        ACME.example(agreed)
                    ),
                ),
            );
        }
    };
    let file = acme.locate(file);
    Some(ServerFiles { certificate: file.clone(), private_key: file, acme: true })
}

fn contradicts<T>(other: &Value<'_>) -> Option<T> {
    let what = format!("found {} beside acme = true, expected one of them", other.key);
    other.refuse(Fault::new(what).help(
        "remove certificate and private_key: the edge obtains both from the CA of [acme]; or remove acme",
    ))
}
