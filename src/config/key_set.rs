//! A key set that is fetched, in either file: `jwks_uri` of an application, `jwks` of a token issuer.

use std::{ops::RangeInclusive, time::Duration};

use super::{
    diagnostic::Fault,
    node::{Table, Value},
    schema::TableSchema,
    settings::KeySetSource,
    url::{KEY_SET, url},
};
use crate::outbound::Schedule;

/// The range of `refresh`.
pub(super) const INTERVALS: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(7 * 86_400);
/// The range of `timeout`.
pub(super) const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(600);

/// Reads when a document is fetched.
pub(super) fn schedule(table: &Table<'_>) -> Schedule {
    let default = Schedule::default();
    let refresh = table.get("refresh").and_then(|value| value.duration(&INTERVALS));
    let timeout = table.get("timeout").and_then(|value| value.duration(&TIMEOUTS));
    Schedule { refresh: refresh.unwrap_or(default.refresh), timeout: timeout.unwrap_or(default.timeout) }
}

/// Reads a key set's source, a table of this kind.
pub(super) fn key_set_source(value: &Value<'_>, kind: &'static TableSchema) -> Option<KeySetSource> {
    if let Some(text) = value.toml.as_str() {
        // The string may be a URL with a password in it, so it is not repeated.
        let is_url = text.contains("://");
        let found = if is_url { "a URL" } else { "a string" };
        let what =
            format!("found {found}, expected a table with it and the file in which the key set is cached");
        return value.refuse(Fault::new(what).help(value.write_example()));
    }
    let table = value.table(kind)?;
    let from = table.require("url").and_then(|value| value.parse("a URL", |text| url(text, &KEY_SET)));
    let file = table.require("file").and_then(|value| value.path());
    let schedule = schedule(&table);
    let ca = table.get("ca").map(|value| value.path());
    table.finish();
    let ca = match ca {
        None => None,
        Some(ca) => Some(ca?),
    };
    Some(KeySetSource { url: from?, file: file?, schedule, ca })
}
