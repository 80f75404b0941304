//! Settings that need a restart.

use crate::config::{Problem, settings::Settings};

/// The differences that need a restart, each a problem of the new configuration.
pub(super) fn needed(before: &Settings, after: &Settings) -> Vec<Problem> {
    let addresses =
        |settings: &Settings| settings.listen.https.iter().map(|https| https.value).collect::<Vec<_>>();
    let health = |settings: &Settings| settings.listen.health.as_ref().map(|health| health.value);
    let checks = [
        ("listen.https", addresses(before) != addresses(after)),
        ("listen.admin", before.listen.admin.value != after.listen.admin.value),
        ("listen.health", health(before) != health(after)),
        ("listen.workers", before.listen.workers != after.listen.workers),
        ("limits.connections", before.limits.connections != after.limits.connections),
        ("limits.handshakes", before.limits.handshakes != after.limits.handshakes),
        ("limits.drain_delay", before.limits.drain_delay != after.limits.drain_delay),
        ("limits.drain_timeout", before.limits.drain_timeout != after.limits.drain_timeout),
        ("log.format", before.log.format != after.log.format),
        ("log.access_format", before.log.access_format != after.log.access_format),
        ("log.level", before.log.level != after.log.level),
        ("log.file", before.log.to.file() != after.log.to.file()),
        ("log.to", before.log.to != after.log.to && before.log.to.file() == after.log.to.file()),
        ("log.successes", before.log.successes.to_bits() != after.log.successes.to_bits()),
    ];
    checks
        .into_iter()
        .filter(|(_, differs)| *differs)
        .map(|(key, _)| {
            let place = after.spans.get(key).unwrap_or(&after.listen.admin.span);
            Problem::error(place, key, format!("{key} cannot change while the edge runs")).help(
                "send SIGUSR2, so that a new process takes over with it, or write the former value again",
            )
        })
        .collect()
}
