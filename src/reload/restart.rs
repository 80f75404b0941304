//! What can't change while the edge runs.

use crate::config::{Problem, settings::Settings};

/// The differences that need a restart, each a problem of the new configuration.
pub(super) fn needed(before: &Settings, after: &Settings) -> Vec<Problem> {
    let place = &after.listen.admin.place;
    let addresses =
        |settings: &Settings| settings.listen.https.iter().map(|https| https.value).collect::<Vec<_>>();
    let checks = [
        ("listen.https", addresses(before) != addresses(after)),
        ("listen.admin", before.listen.admin.value != after.listen.admin.value),
        ("listen.workers", before.listen.workers != after.listen.workers),
        ("limits.connections", before.limits.connections != after.limits.connections),
        ("limits.drain_timeout", before.limits.drain_timeout != after.limits.drain_timeout),
        ("log.format", before.log.format != after.log.format),
        ("log.level", before.log.level != after.log.level),
    ];
    checks
        .into_iter()
        .filter(|(_, differs)| *differs)
        .map(|(key, _)| {
            let place = match key {
                "listen.https" => after.listen.https.first().map_or(place, |https| &https.place),
                _ => place,
            };
            Problem::error(place, key, format!("{key} can't change while the edge runs"))
                .help("restart the edge (SIGTERM drains it), or write the former value again")
        })
        .collect()
}
