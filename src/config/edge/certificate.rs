//! Where the certificates of a `[[domain]]` come from: files of the operator's, or ACME.

use std::path::PathBuf;

use toml::de::DeValue;

use super::{acme::Authority, key_pair, token_key::private_key};
use crate::config::{
    diagnostic::Fault,
    node::{Table, Value},
    schema::ACME,
    settings::{Acme, KeyPair, PrivateKey, SecretSource},
    span::Spanned,
};

/// The files of a domain's certificates and keys.
pub(super) struct ServerFiles {
    pub(super) key_pairs: Vec<KeyPair>,
    /// Whether there is one file, which is written by ACME.
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
        let (certificates, private_keys) = (table.require("certificate"), table.require("private_key"));
        let certificate_files = certificates.as_ref().and_then(|value| files(value, Value::path));
        let key_files = private_keys.as_ref().and_then(|value| files(value, private_key));
        let password = key_pair::password(table);
        let key_pairs = key_pairs(certificate_files?, &private_keys?, key_files?, password.as_ref())?;
        return Some(ServerFiles { key_pairs, acme: false });
    };
    // Both are asked for: otherwise they would be unknown keys.
    let others = ["certificate", "private_key", "private_key_password"].map(|key| table.get(key));
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
                        "write in edge.toml:\n[acme]\n{directory} = {}\n{agreed} = {}",
                        ACME.example(directory),
                        ACME.example(agreed)
                    ),
                ),
            );
        }
    };
    let file = acme.locate(file);
    let key_pairs =
        vec![KeyPair { certificate: file.clone(), private_key: PrivateKey::File(file), password: None }];
    Some(ServerFiles { key_pairs, acme: true })
}

/// Reads one file, or a list of files. `None` if one of them is invalid.
fn files<'a, T>(value: &Value<'a>, read: impl Fn(&Value<'a>) -> Option<T>) -> Option<Vec<T>> {
    let DeValue::Array(items) = value.toml else { return Some(vec![read(value)?]) };
    value.filled_list(read).filter(|files| files.len() == items.len())
}

/// Each certificate with its key.
fn key_pairs(
    certificates: Vec<Spanned<PathBuf>>,
    value: &Value<'_>,
    private_keys: Vec<PrivateKey>,
    password: Option<&Spanned<SecretSource>>,
) -> Option<Vec<KeyPair>> {
    let (certificate_count, key_count) = (certificates.len(), private_keys.len());
    if certificate_count != key_count {
        let plural = |count, noun| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
        let (found, expected) = (plural(key_count, "private key"), plural(certificate_count, "certificate"));
        let fault = Fault::new(format!("found {found} for {expected}, expected one for each"));
        return value.refuse(fault.help("list the key of each certificate, in the order of certificate"));
    }
    let pairs = certificates.into_iter().zip(private_keys);
    let pair = |(certificate, private_key)| KeyPair { certificate, private_key, password: password.cloned() };
    Some(pairs.map(pair).collect())
}

fn contradicts<T>(other: &Value<'_>) -> Option<T> {
    let what = format!("found {} beside acme = true, expected one of them", other.key);
    other.refuse(Fault::new(what).help(
        "remove certificate, private_key and private_key_password: the edge obtains both from the CA of [acme]; or remove acme",
    ))
}
