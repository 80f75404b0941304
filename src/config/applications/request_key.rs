//! `[[application.request_key]]`: the keys of request objects.

use super::fields::{alg_and_kid, check_kids, expires_at, record_name};
use crate::config::{
    diagnostic::Problem,
    node::Table,
    public_key,
    settings::{KeyFile, RequestKey},
    span::Spanned,
};

/// The maximum number of request keys: one in use, and its successor.
const MAX_REQUEST_KEYS: usize = 2;

/// Reads the request keys of an application. Returns `None` if one of them is invalid.
pub(super) fn request_keys(table: &Table<'_>, tables: &[Table<'_>]) -> Option<Vec<RequestKey>> {
    let mut names = Vec::new();
    let keys: Vec<Option<RequestKey>> = tables.iter().map(|table| request_key(table, &mut names)).collect();
    if let Some(third) = tables.get(MAX_REQUEST_KEYS) {
        let what = format!(
            "found {} request keys, expected at most two: one in use and its successor",
            tables.len()
        );
        let problem = Problem::error(&third.span, "application.request_key", what);
        table.reader.report(problem.help("remove the request key that is no longer in use"));
        return None;
    }
    let keys = keys.into_iter().collect::<Option<Vec<_>>>()?;
    let kids = keys.iter().filter_map(|key| key.key.kid.as_ref());
    check_kids(table, kids, "application.request_key.kid").then_some(keys)
}

fn request_key(table: &Table<'_>, names: &mut Vec<Spanned<String>>) -> Option<RequestKey> {
    let name = table.require("name").and_then(|value| value.string());
    if let Some(name) = &name {
        record_name(table, names, name);
    }
    let (alg, kid) = alg_and_kid(table);
    let file = table.require("public_key").and_then(|value| {
        match public_key::fault_of_value(value.key, value.toml) {
            Some(fault) => value.refuse(fault),
            None => value.path(),
        }
    });
    let expires_at = expires_at(table);
    table.finish();
    let key = KeyFile { file: file?, alg: alg?, kid: kid? };
    Some(RequestKey { name: name?, key, expires_at: expires_at? })
}
