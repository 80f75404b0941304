//! `[limits]`: what bounds a peer.

use std::{ops::RangeInclusive, time::Duration};

use crate::config::{settings::Limits, table::Table};

/// Reads the table; a value that does not do is reported and stands at its default meanwhile.
pub(super) fn read(table: &Table<'_>) -> Limits {
    let limits = Limits {
        connections: number(table, "connections", 1..=1_000_000, 10_000),
        connections_per_address: table
            .get("connections_per_address")
            .and_then(|value| value.integer(&(1..=1_000_000))),
        handshake_timeout: seconds(table, "handshake_timeout", 10),
        head_timeout: seconds(table, "head_timeout", 10),
        body_timeout: seconds(table, "body_timeout", 30),
        idle_timeout: seconds(table, "idle_timeout", 60),
        drain_timeout: seconds(table, "drain_timeout", 30),
        header_bytes: number(table, "header_bytes", 8 * 1024..=1024 * 1024, 32 * 1024),
        headers: number(table, "headers", 16..=4096, 100),
        body_bytes: number(table, "body_bytes", 1024..=1024 * 1024 * 1024, 1024 * 1024),
        client_id_body_bytes: number(table, "client_id_body_bytes", 1024..=1024 * 1024, 64 * 1024),
        buffered_bytes: number(
            table,
            "buffered_bytes",
            1024 * 1024..=64 * 1024 * 1024 * 1024,
            256 * 1024 * 1024,
        ),
        http2_streams: number(table, "http2_streams", 1..=10_000, 100),
    };
    table.finish();
    limits
}

/// A whole number of this range.
pub(super) fn number<T>(table: &Table<'_>, key: &'static str, range: RangeInclusive<T>, default: T) -> T
where
    T: TryFrom<i128> + PartialOrd + std::fmt::Display,
{
    table.get(key).and_then(|value| value.integer(&range)).unwrap_or(default)
}

/// What anybody may reasonably wait.
const TIMES: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3600);

/// A duration whose default is a number of seconds.
pub(super) fn seconds(table: &Table<'_>, key: &'static str, default: u64) -> Duration {
    table.get(key).and_then(|value| value.duration(&TIMES)).unwrap_or(Duration::from_secs(default))
}
