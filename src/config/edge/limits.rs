//! `[limits]`: what a peer may use.

use std::{num::NonZeroU32, ops::RangeInclusive, time::Duration};

use crate::{
    config::{Problem, node::Table},
    rate::LONGEST_BURST,
    site::Limits,
};

/// Reads the table. An invalid value is reported and replaced by its default.
pub(super) fn read(table: &Table<'_>) -> Limits {
    let default = Limits::default();
    let limits = Limits {
        connections: number(table, "connections", CONNECTIONS, default.connections),
        connections_per_address: count(table, "connections_per_address"),
        handshakes: count(table, "handshakes"),
        handshakes_per_address: count(table, "handshakes_per_address"),
        memory_bytes: table.get("memory_bytes").and_then(|value| value.integer(&MEMORY)),
        requests_per_second_per_address: per_second(table, "requests_per_second_per_address"),
        requests_per_second_per_application: per_second(table, "requests_per_second_per_application"),
        request_burst: table
            .get("request_burst")
            .and_then(|value| value.duration(&BURSTS))
            .unwrap_or(default.request_burst),
        handshake_timeout: time(table, "handshake_timeout", default.handshake_timeout),
        head_timeout: time(table, "head_timeout", default.head_timeout),
        body_timeout: time(table, "body_timeout", default.body_timeout),
        request_timeout: time_or_zero(table, "request_timeout").unwrap_or(default.request_timeout),
        idle_timeout: time(table, "idle_timeout", default.idle_timeout),
        drain_delay: time_or_zero(table, "drain_delay").unwrap_or(default.drain_delay),
        drain_timeout: time(table, "drain_timeout", default.drain_timeout),
        header_bytes: number(table, "header_bytes", 8 * 1024..=1024 * 1024, default.header_bytes),
        headers: number(table, "headers", 16..=4096, default.headers),
        body_bytes: number(table, "body_bytes", 1024..=1024 * 1024 * 1024, default.body_bytes),
        client_id_body_bytes: number(
            table,
            "client_id_body_bytes",
            1024..=1024 * 1024,
            default.client_id_body_bytes,
        ),
        buffered_bytes: number(
            table,
            "buffered_bytes",
            1024 * 1024..=64 * 1024 * 1024 * 1024,
            default.buffered_bytes,
        ),
        http2_streams: number(table, "http2_streams", 1..=10_000, default.http2_streams),
        assertion_ids: number(table, "assertion_ids", 1..=100_000_000, default.assertion_ids),
    };
    warn_if_never_reached(table, "handshakes", limits.handshakes, ("connections", Some(limits.connections)));
    let per_address = ("connections_per_address", limits.connections_per_address);
    warn_if_never_reached(table, "handshakes_per_address", limits.handshakes_per_address, per_address);
    table.finish();
    limits
}

/// Reports a limit on handshakes that is above the limit on all connections: each of them is one of those.
fn warn_if_never_reached(
    table: &Table<'_>,
    key: &'static str,
    handshakes: Option<usize>,
    (all, connections): (&'static str, Option<usize>),
) {
    if let (Some(handshakes), Some(connections), Some(value)) = (handshakes, connections, table.get(key))
        && handshakes > connections
    {
        let what = format!(
            "found {handshakes}, which is never reached: {all} is {connections}, and a connection in its handshake is one of these"
        );
        let help = format!("write {key} = {connections} or less; without the key half of {all} applies");
        table.reader.report(Problem::warning(&value.span, value.path_of_key(), what).help(help));
    }
}

/// Reads a number of connections whose default is derived from others.
fn count(table: &Table<'_>, key: &'static str) -> Option<usize> {
    table.get(key).and_then(|value| value.integer(&CONNECTIONS))
}

/// The range of numbers of connections.
const CONNECTIONS: RangeInclusive<usize> = 1..=1_000_000;

/// The range of `memory_bytes`.
const MEMORY: RangeInclusive<u64> = 16 * 1024 * 1024..=1 << 50;

/// The range of `request_burst`.
const BURSTS: RangeInclusive<Duration> = Duration::from_millis(1)..=LONGEST_BURST;

/// Reads a number of requests per second.
pub(in crate::config) fn per_second(table: &Table<'_>, key: &'static str) -> Option<NonZeroU32> {
    table.get(key).and_then(|value| value.integer(&(1..=100_000))).and_then(NonZeroU32::new)
}

/// Reads an integer in this range.
pub(super) fn number<T>(table: &Table<'_>, key: &'static str, range: RangeInclusive<T>, default: T) -> T
where
    T: TryFrom<i128> + PartialOrd + std::fmt::Display,
{
    table.get(key).and_then(|value| value.integer(&range)).unwrap_or(default)
}

/// The range of all timeouts.
const TIMES: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3600);

/// Reads a duration in the range of all timeouts.
pub(super) fn time(table: &Table<'_>, key: &'static str, default: Duration) -> Duration {
    table.get(key).and_then(|value| value.duration(&TIMES)).unwrap_or(default)
}

/// Reads a duration that may be zero.
pub(super) fn time_or_zero(table: &Table<'_>, key: &'static str) -> Option<Duration> {
    table.get(key).and_then(|value| value.duration(&(Duration::ZERO..=*TIMES.end())))
}
