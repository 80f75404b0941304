//! `[[application.credential]]` and `[[application.certificate]]`: a name, and what is registered.

use super::{
    fields::{alg_and_kid, expires_at, record_name},
    secret::secret_hash,
};
use crate::config::{
    diagnostic::{Fault, Problem},
    node::{Table, Value},
    public_key,
    settings::{Credential, KeyFile, Matcher},
    span::Spanned,
    suggest::{all_of, any_of},
    variable::template,
};

type ReadMatcher = fn(&Value<'_>) -> Option<Matcher>;

/// The keys that register something.
const MATCHERS: [(&str, ReadMatcher); 9] = [
    ("thumbprint", |value| value.string().map(Matcher::Thumbprint)),
    ("certificate", |value| value.path().map(Matcher::Certificate)),
    ("public_key", |value| {
        value.path().map(|file| Matcher::PublicKey(KeyFile { file, alg: None, kid: None }))
    }),
    ("subject_dn", |value| value.string().map(Matcher::SubjectDn)),
    ("san_dns", |value| value.string().map(Matcher::SanDns)),
    ("san_uri", |value| value.string().map(Matcher::SanUri)),
    ("san_ip", |value| value.string().map(Matcher::SanIp)),
    ("san_email", |value| value.string().map(Matcher::SanEmail)),
    ("secret_sha256", |value| value.parse("a SHA-256 hash", secret_hash).map(Matcher::SecretSha256)),
];

/// Whether a key registers something.
pub(super) fn is_matcher(key: &str) -> bool {
    MATCHERS.iter().any(|(name, _)| *name == key)
}

/// What a credential's table has.
pub(super) enum Reading {
    /// What is registered.
    Registered(Box<Credential>),
    /// Nothing but the name: the authorization server verifies the secret.
    NameOnly(Spanned<String>),
}

impl Reading {
    /// The credential, if it registers something.
    pub(super) const fn registered(&self) -> Option<&Credential> {
        match self {
            Self::Registered(credential) => Some(credential),
            Self::NameOnly(_) => None,
        }
    }
}

/// Reads the credentials of an application, each `None` if it is invalid. `may_be_empty`: the method needs none of the keys that register something.
pub(super) fn read_all(tables: &[Table<'_>], may_be_empty: bool) -> Vec<Option<Reading>> {
    let mut names = Vec::new();
    tables.iter().map(|table| read(table, may_be_empty, &mut names)).collect()
}

fn read(table: &Table<'_>, may_be_empty: bool, names: &mut Vec<Spanned<String>>) -> Option<Reading> {
    let name = table.require("name").and_then(|value| value.string());
    if let Some(name) = &name {
        record_name(table, names, name);
    }
    let known = MATCHERS.iter().filter(|(key, _)| table.kind.key(key).is_some());
    let matchers: Vec<(&'static str, Value<'_>, ReadMatcher)> =
        known.filter_map(|(key, read)| Some((*key, table.get(key)?, *read))).collect();
    let is_empty = matchers.is_empty() && may_be_empty && !is_misspelt(table);
    let matcher = if is_empty { None } else { Some(one_matcher(table, &matchers)) };
    let ca = ca(table, matcher.as_ref().and_then(Option::as_ref));
    let has_signatures = table.kind.key("alg").is_some();
    let signature = if has_signatures { signature(table, matcher.as_ref()) } else { Some((None, None)) };
    let expires_at = expires_at(table);
    if let (true, Some(Some(expires_at))) = (is_empty, &expires_at) {
        let what = "found expires_at without secret_sha256: only a secret that the edge verifies can expire";
        let problem = Problem::error(&expires_at.span, table.path("expires_at"), what);
        table.reader.report(problem.help("write secret_sha256, or remove expires_at"));
    }
    table.finish();
    let (name, ca, (alg, kid), expires_at) = (name?, ca?, signature?, expires_at?);
    let Some(matcher) = matcher else { return Some(Reading::NameOnly(name)) };
    let matcher = match matcher? {
        Matcher::PublicKey(key) => Matcher::PublicKey(KeyFile { alg, kid, ..key }),
        other => other,
    };
    Some(Reading::Registered(Box::new(Credential { name, matcher, ca, expires_at })))
}

/// Reads `ca`. The outer `None` means that it is invalid.
#[expect(clippy::option_option, reason = "an invalid value is not an absent one")]
fn ca(table: &Table<'_>, matcher: Option<&Matcher>) -> Option<Option<Spanned<std::path::PathBuf>>> {
    let Some(value) = table.get("ca") else { return Some(None) };
    let what = match matcher {
        Some(Matcher::Thumbprint(_) | Matcher::Certificate(_)) => {
            "found ca with a thumbprint or certificate, which already identifies a single certificate"
        }
        Some(Matcher::PublicKey(_)) => "found ca with a public key, whose certificates need no chain",
        Some(Matcher::SecretSha256(_)) => "found ca with a secret",
        _ => return value.path().map(Some),
    };
    value.refuse(Fault::new(what).help("remove ca"))
}

type Signature = (Option<Spanned<crate::jose::Algorithm>>, Option<Spanned<String>>);

/// Reads `alg` and `kid`, which belong to a public key.
fn signature(table: &Table<'_>, matcher: Option<&Option<Matcher>>) -> Option<Signature> {
    let (alg, kid) = alg_and_kid(table);
    if matches!(matcher, Some(Some(Matcher::PublicKey(_)) | None)) {
        return Some((alg?, kid?));
    }
    for value in ["alg", "kid"].into_iter().filter_map(|key| table.get(key)) {
        let what = format!("found {} without public_key", value.key);
        let _: Option<()> =
            value.refuse(Fault::new(what).help(format!("remove {}, or write public_key", value.key)));
    }
    Some((None, None))
}

fn is_misspelt(table: &Table<'_>) -> bool {
    table.is_misspelt(&MATCHERS.map(|(key, _)| key))
}

fn one_matcher(table: &Table<'_>, matchers: &[(&'static str, Value<'_>, ReadMatcher)]) -> Option<Matcher> {
    let key = table.kind.path;
    match matchers {
        [(name, value, read)] => {
            if let Some(fault) = public_key::fault_of_value(name, value.toml) {
                return value.refuse(fault);
            }
            let matcher = read(value);
            let text = value.toml.as_str().filter(|_| *name != "secret_sha256");
            if let Some(variable) = text.and_then(template) {
                let what = "found a variable: such variables are not expanded".to_owned();
                let problem = Problem::warning(&value.span, value.path_of_key(), what);
                table.reader.report(problem.help(format!("write the value itself in place of {variable}")));
            }
            matcher
        }
        [] if is_misspelt(table) => None,
        [] => {
            let known = MATCHERS.iter().map(|(name, _)| *name).filter(|name| table.kind.key(name).is_some());
            let what = format!("missing: a credential needs one of {}", any_of(known));
            let problem = Problem::error(&table.span, key, what);
            table.reader.report(problem.help("`mtls-edge inspect CERT` prints a credential to paste"));
            None
        }
        [_, (_, second, _), ..] => {
            let found = all_of(matchers.iter().map(|(key, ..)| *key));
            let what = format!("found {found}, expected exactly one of them");
            let problem = Problem::error(&second.span, key, what);
            let help = format!("keep one; add another {} for the second", table.kind.heading);
            table.reader.report(problem.help(help));
            None
        }
    }
}
