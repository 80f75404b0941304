//! How the origins of an `[[upstream]]` are chosen: balancing, ejection, lookups, health checks.

use std::{ops::RangeInclusive, time::Duration};

use http::{StatusCode, uri::PathAndQuery};

use super::limits::number;
use crate::{
    config::{
        diagnostic::Fault,
        node::{Table, Value},
        schema::HEALTH_CHECK,
        suggest::quote,
    },
    forward::{Balance, HealthCheck, OriginPolicy},
};

/// An interval below this would be a load of its own.
const INTERVALS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60);

/// Reads the keys. An invalid value is reported and replaced by its default.
pub(super) fn read(table: &Table<'_>) -> OriginPolicy {
    let default = OriginPolicy::default();
    let choices = [("least-request", Balance::LeastRequest), ("round-robin", Balance::RoundRobin)];
    let balance = table.get("balance").and_then(|value| value.choice(&choices));
    OriginPolicy {
        balance: balance.map_or(default.balance, |balance| balance.value),
        eject_after: number(table, "eject_after", 0..=1000, default.eject_after),
        dns_refresh: table
            .get("dns_refresh")
            .and_then(|value| value.duration(&INTERVALS))
            .unwrap_or(default.dns_refresh),
        health_check: table.get("health_check").and_then(|value| health_check(&value)),
    }
}

fn health_check(value: &Value<'_>) -> Option<HealthCheck> {
    let table = value.table(HEALTH_CHECK)?;
    let path = table.require("path").and_then(|value| value.parse("a path such as \"/health\"", path));
    let interval = table.get("interval").and_then(|value| value.duration(&INTERVALS));
    let timeout = table.get("timeout").and_then(|value| value.duration(&TIMEOUTS));
    let expect = number(&table, "expect", 100..=599, HealthCheck::EXPECT.as_u16());
    table.finish();
    Some(HealthCheck {
        path: path?.value,
        interval: interval.unwrap_or(HealthCheck::INTERVAL),
        timeout: timeout.unwrap_or(HealthCheck::TIMEOUT),
        expect: StatusCode::from_u16(expect).unwrap_or(HealthCheck::EXPECT),
    })
}

fn path(text: &str) -> Result<PathAndQuery, Fault> {
    const EXPECTED: &str = "the path of a GET request, such as \"/health\"";
    let shown = if text.contains('?') { "a path with a query".to_owned() } else { quote(text) };
    let fault = |why: &str| Fault::new(format!("found {shown}, expected {EXPECTED}{why}"));
    if !text.starts_with('/') {
        let help = if text.contains("://") {
            "write only the path: the origins are in urls".to_owned()
        } else {
            format!("write {}", quote(&format!("/{text}")))
        };
        return Err(fault("").help(help));
    }
    text.parse()
        .map_err(|_| fault(" in printable ASCII").help("percent-encode other characters: %20 for a space"))
}
