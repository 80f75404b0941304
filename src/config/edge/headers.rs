//! Tables of headers with secret values.

use http::HeaderName;

use super::secret::secret;
use crate::{
    config::{
        diagnostic::Problem,
        node::{Table, Value},
        schema::{TableSchema, bare},
        settings::SecretSource,
        span::Spanned,
        validate::header_name,
    },
    header::fold::are_equivalent,
};

/// A header, and the source of its secret value.
pub(super) type Header = (Spanned<HeaderName>, Spanned<SecretSource>);

/// Reads a table of headers, whose values are references of this kind.
pub(super) fn read(value: &Value<'_>, kind: &'static TableSchema) -> Option<Vec<Header>> {
    let mut headers: Vec<Header> = Vec::new();
    for (key, source) in value.entries("a table of headers")? {
        let name = match header_name(&key.value) {
            Ok(name) => Some(Spanned { value: name, span: key.span.clone() }),
            Err(fault) => {
                let problem = Problem::error(&key.span, source.path_of_key(), fault.what);
                value.reader.report(Problem { help: fault.help, ..problem });
                None
            }
        };
        let source = secret(&source, kind, bare(&key.value), &key.value.to_ascii_lowercase());
        if let Some(name) = name {
            let is_duplicate = report_if_duplicate(value, &headers, &name);
            if let Some(source) = source.filter(|_| !is_duplicate) {
                headers.push((name, source));
            }
        }
    }
    Some(headers)
}

/// Reports a header that occurred before, in any spelling that servers treat as equal. Returns whether it did.
fn report_if_duplicate(value: &Value<'_>, headers: &[Header], name: &Spanned<HeaderName>) -> bool {
    let Some(line) = line_of(headers, name) else { return false };
    let what = format!("found {} a second time; the first is on line {line}", name.value);
    let problem = Problem::error(&name.span, value.path_of_key(), what);
    value.reader.report(
        problem.help("header names that differ only in `-`, `_` or letter case are the same to some servers"),
    );
    true
}

/// Reports a header that `headers` also sets.
pub(super) fn report_if_set(table: &Table<'_>, headers: &[Header], name: &Spanned<HeaderName>, key: &str) {
    if let Some(line) = line_of(headers, name) {
        let what = format!("found {}, which `headers` sets on line {line}", name.value);
        table.reader.report(Problem::error(&name.span, key, what).help("remove one of the two"));
    }
}

/// The line of an equivalent header, if there is one.
fn line_of(headers: &[Header], name: &Spanned<HeaderName>) -> Option<usize> {
    let is_same = |(earlier, _): &&Header| are_equivalent(earlier.value.as_str(), name.value.as_str());
    let earlier = headers.iter().find(is_same);
    earlier.map(|(earlier, _)| earlier.span.line())
}
