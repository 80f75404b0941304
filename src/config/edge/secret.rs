//! References to secrets: `{ file = "..." }` or `{ env = "..." }`.

use std::fmt::Display;

use crate::config::{
    diagnostic::Fault,
    node::{Value, article},
    schema::TableSchema,
    settings::SecretSource,
    span::Spanned,
    variable,
};

/// Reads the source of a secret, a table of this kind. Any other value is never quoted: it may be the secret. `key` and `file` are names for help.
pub(super) fn secret(
    value: &Value<'_>,
    kind: &'static TableSchema,
    key: impl Display,
    file: &str,
) -> Option<Spanned<SecretSource>> {
    let help = format!("write {key} = {{ file = \"secrets/{file}\" }} or {{ env = \"NAME\" }}");
    if !value.toml.is_table() {
        let found = value.toml.type_str();
        let what = format!(
            "found {} {found}, expected a reference to a file or a variable: secrets are not written in the configuration",
            article(found)
        );
        return value.refuse(Fault::new(what).help(help));
    }
    let table = value.table(kind)?;
    let file = table.get("file").map(|value| value.path().map(|path| path.map(SecretSource::File)));
    let env = table.get("env").map(|value| value.parse("the name of an environment variable", variable));
    let is_misspelt = file.is_none() && env.is_none() && table.is_misspelt(&["file", "env"]);
    table.finish();
    match (file, env) {
        (None, None) if is_misspelt => None,
        (Some(source), None) | (None, Some(source)) => {
            source.map(|source| Spanned { value: source.value, span: value.span.clone() })
        }
        (Some(_), Some(_)) => {
            value.refuse(Fault::new("found both file and env, expected one of them").help(help))
        }
        (None, None) => {
            value.refuse(Fault::new("found neither file nor env, expected one of them").help(help))
        }
    }
}

fn variable(text: &str) -> Result<SecretSource, Fault> {
    if variable::is_name(text) {
        return Ok(SecretSource::Env(text.to_owned()));
    }
    let inner = text
        .strip_prefix("${")
        .and_then(|text| text.strip_suffix('}'))
        .filter(|name| variable::is_name(name));
    let name = inner.unwrap_or("CNAME_API_KEY");
    Err(Fault::new("invalid name of an environment variable").help(format!("write env = \"{name}\"")))
}
