//! Expands the variables of `edge.toml`: `${NAME}`, and `${NAME:-default}`.

use std::{
    borrow::Cow,
    env::{self, VarError},
};

use toml::de::{DeTable, DeValue};

use super::{diagnostic::Fault, reader::Reader, schema::bare, variable::is_name};

/// Expands the variables in all strings of a document, and reports those that cannot be expanded. Keys have none.
pub(super) fn expand_all(document: &mut DeTable<'_>, reader: &Reader) {
    table(document, reader, "");
}

fn table(entries: &mut DeTable<'_>, reader: &Reader, path: &str) {
    for (key, entry) in entries.iter_mut() {
        // It names a variable, whose value is a secret.
        if key.get_ref() == "env" {
            continue;
        }
        let name = bare(key.get_ref());
        let path = if path.is_empty() { name } else { format!("{path}.{name}") };
        value(entry, reader, &path);
    }
}

fn value(spanned: &mut toml::Spanned<DeValue<'_>>, reader: &Reader, path: &str) {
    let span = spanned.span();
    match spanned.get_mut() {
        DeValue::String(text) => match expand(text) {
            Ok(Cow::Borrowed(_)) => {}
            Ok(Cow::Owned(expanded)) => *text = expanded.into(),
            Err(fault) => reader.report(fault.at(&reader.span(span), path)),
        },
        DeValue::Array(items) => items.iter_mut().for_each(|item| value(item, reader, path)),
        DeValue::Table(entries) => table(entries, reader, path),
        _ => {}
    }
}

/// Replaces each `${NAME}` by the value of the environment variable, and `${NAME:-default}` by the default if it is not set or empty. A
/// value is not expanded again.
///
/// # Errors
///
/// If a variable has no value, or the text between the braces is not a name. The fault does not contain the text: it may be a secret.
pub(super) fn expand(text: &str) -> Result<Cow<'_, str>, Fault> {
    if !text.contains("${") {
        return Ok(text.into());
    }
    let (mut expanded, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, opened)) = rest.split_once("${") {
        let Some((variable, after)) = opened.split_once('}') else {
            return Err(Fault::new("found ${ without }").help("write ${NAME}"));
        };
        expanded.push_str(before);
        expanded.push_str(&value_of(variable)?);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded.into())
}

/// The value of `NAME` or `NAME:-default`.
fn value_of(variable: &str) -> Result<String, Fault> {
    let (name, default) = match variable.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (variable, None),
    };
    if !is_name(name) {
        // Not repeated: it may be part of a secret.
        let what = "found a variable with an invalid name, expected ${NAME} or ${NAME:-default}";
        return Err(
            Fault::new(what).help("a name has letters, digits and _, and does not begin with a digit")
        );
    }
    if default.is_some_and(|default| default.contains('{')) {
        return Err(
            Fault::new("found a brace in the default of a variable").help("write a default without braces")
        );
    }
    match (env::var(name), default) {
        (Ok(value), None) => Ok(value),
        (Ok(value), Some(_)) if !value.is_empty() => Ok(value),
        (Ok(_) | Err(VarError::NotPresent), Some(default)) => Ok(default.to_owned()),
        (Err(VarError::NotPresent), None) => {
            let help = format!(
                "set {name} in the environment of the edge (systemd: Environment= or EnvironmentFile=), or write ${{{name}:-default}}"
            );
            Err(Fault::new(format!("the environment variable {name} is not set")).help(help))
        }
        (Err(VarError::NotUnicode(_)), _) => {
            Err(Fault::new(format!("the environment variable {name} is not UTF-8")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cargo sets it for tests.
    const SET: &str = "CARGO_PKG_NAME";

    #[test]
    fn a_variable_is_replaced_by_its_value() {
        for (text, expected) in [
            ("plain", "plain"),
            ("${CARGO_PKG_NAME}", "mtls-edge"),
            ("/a/${CARGO_PKG_NAME}.pem", "/a/mtls-edge.pem"),
            ("${CARGO_PKG_NAME}${CARGO_PKG_NAME}", "mtls-edgemtls-edge"),
            ("${CARGO_PKG_NAME:-other}", "mtls-edge"),
            ("${MTLS_EDGE_UNSET:-https://as:8443}", "https://as:8443"),
            ("${MTLS_EDGE_UNSET:-}/x", "/x"),
            ("$CARGO_PKG_NAME {{ x }} %PATH%", "$CARGO_PKG_NAME {{ x }} %PATH%"),
        ] {
            assert_eq!(expand(text).unwrap(), expected, "{text}");
        }
        assert!(env::var(SET).is_ok());
    }

    #[test]
    fn a_variable_without_value_is_refused_by_name() {
        const INVALID: &str = "found a variable with an invalid name, expected ${NAME} or ${NAME:-default}";
        for (text, what) in [
            ("${MTLS_EDGE_UNSET}", "the environment variable MTLS_EDGE_UNSET is not set"),
            ("a${", "found ${ without }"),
            ("${}", INVALID),
            ("${1A}", INVALID),
            ("${A:-{b}}", "found a brace in the default of a variable"),
            ("${A-b}", INVALID),
            ("${${A}}", INVALID),
        ] {
            assert_eq!(expand(text).unwrap_err().what, what, "{text}");
        }
    }
}
