//! `[traces]`: the collector, and what is sampled.

use std::{ops::RangeInclusive, time::Duration};

use super::headers;
use crate::{
    config::{
        diagnostic::{Fault, Problem},
        node::{Table, Value},
        schema::TRACES_SECRET,
        settings::{Traces, Url},
        url,
        validate::is_loopback,
    },
    trace::TraceSpec,
};

const INTERVALS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60);
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60);
/// Where a collector takes traces, below its base URL (OTLP 1.x, "OTLP/HTTP Request").
const PATH: &str = "/v1/traces";
/// The most attributes of the resource: each export carries them.
const MAX_ATTRIBUTES: usize = 64;

/// Reads the table. `None` without a valid endpoint.
pub(super) fn read(table: &Table<'_>) -> Option<Traces> {
    let endpoint = table.require("endpoint").and_then(|value| value.parse("a URL", endpoint));
    let headers = table.get("headers").and_then(|value| headers::read(&value, TRACES_SECRET));
    let default = TraceSpec::default();
    let time =
        |key, range, default| table.get(key).and_then(|value| value.duration(range)).unwrap_or(default);
    let spec = TraceSpec {
        sample: table.get("sample").and_then(|value| value.fraction()).unwrap_or(default.sample),
        service: table
            .get("service")
            .and_then(|value| value.string())
            .map_or(default.service, |service| service.value),
        resource: table.get("resource").and_then(|value| resource(&value)).unwrap_or_default(),
        interval: time("interval", &INTERVALS, default.interval),
        timeout: time("timeout", &TIMEOUTS, default.timeout),
    };
    let ca = table.get("ca").and_then(|value| value.path());
    table.finish();
    let (endpoint, headers) = (endpoint?, headers.unwrap_or_default());
    let origin = &endpoint.value.origin;
    if !headers.is_empty() && !origin.tls && !is_loopback(origin) {
        let what =
            format!("http to {}: anyone who can read that traffic sees the secrets in headers", origin.host);
        let warning = Problem::warning(&endpoint.span, "traces.endpoint", what);
        table.reader.report(warning.help("use https, or remove headers"));
    }
    if let Some(ca) = ca.as_ref().filter(|_| !origin.tls) {
        let what = "found ca, but the endpoint is not https: the certificate is only verified with TLS";
        let error = Problem::error(&ca.span, "traces.ca", what);
        table.reader.report(error.help("write https in endpoint, or remove ca"));
    }
    Some(Traces { endpoint, spec, headers, ca })
}

/// Parses the base URL, and appends the path of traces.
fn endpoint(text: &str) -> Result<Url, Fault> {
    let Url { origin, target } = url::url(text, &url::COLLECTOR)?;
    if target.contains('?') {
        let what = "found a URL with a query, expected the base URL of the collector";
        return Err(Fault::new(what).help("remove the query, from the ? on; write secrets into headers"));
    }
    let base = target.trim_end_matches('/');
    if let Some(base) = base.strip_suffix(PATH) {
        let what = format!("found the path {PATH}, which the edge appends itself");
        return Err(Fault::new(what).help(format!("write \"{}{base}\"", origin.url())));
    }
    Ok(Url { target: format!("{base}{PATH}"), origin })
}

/// Reads attributes by name.
fn resource(value: &Value<'_>) -> Option<Vec<(String, String)>> {
    let entries = value.entries("a table of attributes")?;
    if entries.len() > MAX_ATTRIBUTES {
        let what = format!("found {} attributes, expected at most {MAX_ATTRIBUTES}", entries.len());
        return value.refuse(Fault::new(what).help("each export carries them: leave out what nobody reads"));
    }
    let mut attributes = Vec::new();
    for (key, value) in entries {
        let value = Value { example: ("\"deployment.environment.name\"", "\"production\""), ..value };
        let is_own = ["service.name", "service.version"].contains(&key.value.as_str());
        if is_own {
            let what = format!("{} cannot be set here: the edge sets it", key.value);
            let error = Problem::error(&key.span, value.path_of_key(), what);
            value.reader.report(error.help("write service = \"...\" for the name, and remove this one"));
        } else if let Some(text) = value.string() {
            attributes.push((key.value, text.value));
        }
    }
    Some(attributes)
}
