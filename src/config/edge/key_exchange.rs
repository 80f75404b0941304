//! `key_exchange_groups` of a `[[domain]]`.

use crate::config::{
    diagnostic::{Fault, Problem},
    node::{Table, Value},
    suggest::{did_you_mean, quote},
};

use crate::tls::{KeyExchangeGroup, MinVersion};

/// The names of NIST and OpenSSL, in lower case.
const SYNONYMS: [(&str, KeyExchangeGroup); 5] = [
    ("p-256", KeyExchangeGroup::Secp256r1),
    ("p256", KeyExchangeGroup::Secp256r1),
    ("prime256v1", KeyExchangeGroup::Secp256r1),
    ("p-384", KeyExchangeGroup::Secp384r1),
    ("p384", KeyExchangeGroup::Secp384r1),
];

/// Reads the groups in their order. Without the key, none: the default applies. Warns if no client of TLS
/// 1.2 can connect although the domain accepts them.
pub(super) fn key_exchange_groups(table: &Table<'_>, min_version: MinVersion) -> Box<[KeyExchangeGroup]> {
    let Some(value) = table.get("key_exchange_groups") else { return Box::default() };
    let Some(groups) = list(&value) else { return Box::default() };
    let is_tls13 = !groups.is_empty() && groups.iter().all(|group| group.is_tls13_only());
    if is_tls13 && min_version == MinVersion::Tls12 && !table.is_misspelt(&["min_tls_version"]) {
        let what =
            "found only groups of TLS 1.3, but the domain accepts TLS 1.2: no client of TLS 1.2 can connect";
        let problem = Problem::warning(&value.span, value.path_of_key(), what);
        table.reader.report(problem.help("add \"X25519\", or write min_tls_version = \"1.3\""));
    }
    groups
}

fn list(value: &Value<'_>) -> Option<Box<[KeyExchangeGroup]>> {
    let mut groups = Vec::new();
    for group in value.filled_list(|item| item.parse("a key exchange group", group))? {
        if groups.contains(&group.value) {
            let what = format!("found {} twice", group.value.as_str());
            value
                .reader
                .report(Problem::error(&group.span, value.path_of_key(), what).help("remove one of the two"));
        } else {
            groups.push(group.value);
        }
    }
    Some(groups.into())
}

fn group(text: &str) -> Result<KeyExchangeGroup, Fault> {
    // The registry of IANA has X25519 in lower case.
    let known = |group: &&KeyExchangeGroup| group.as_str() == if text == "x25519" { "X25519" } else { text };
    if let Some(group) = KeyExchangeGroup::ALL.iter().find(known) {
        return Ok(*group);
    }
    let names = KeyExchangeGroup::ALL.map(KeyExchangeGroup::as_str);
    let lower = text.to_ascii_lowercase();
    let synonym = SYNONYMS.iter().find(|(name, _)| *name == lower).map(|(_, group)| group.as_str());
    let help = synonym
        .map(|name| format!("write {name:?}"))
        .or_else(|| did_you_mean(text, names))
        .unwrap_or_else(|| format!("the groups are {}", names.join(", ")));
    Err(Fault::new(format!("found {}, expected a key exchange group", quote(text))).help(help))
}
