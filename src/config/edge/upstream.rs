//! `[[upstream]]`: the authorization servers.

use super::{
    headers, key_pair,
    limits::{number, time},
    origin_policy, report_duplicate_name,
};
use crate::config::{
    diagnostic::Problem,
    node::{Table, Value},
    schema::SECRET,
    settings::Upstream,
    span::Spanned,
    validate::{address, header_name, host, is_loopback, server_name},
};

use crate::forward::{Address, ForwardedFor, UpstreamLimits};

/// The upstreams.
pub(super) struct Upstreams {
    /// All upstreams, or `None` if one of them lacks a valid required key.
    pub(super) upstreams: Option<Vec<Upstream>>,
    /// The name of each upstream in order, `None` if it is invalid. Domains are checked even if an upstream is invalid.
    pub(super) names: Vec<Option<Spanned<String>>>,
}

/// Reads all upstreams.
pub(super) fn read_all(tables: &[Table<'_>]) -> Upstreams {
    let mut names = Vec::new();
    let mut upstreams = Vec::new();
    for table in tables {
        let name = table.require("name").and_then(|value| value.string());
        if let Some(name) = &name {
            report_duplicate_name(table, &names, name);
        }
        names.push(name.clone());
        upstreams.push(read(table, name));
    }
    Upstreams { upstreams: upstreams.into_iter().collect(), names }
}

fn read(table: &Table<'_>, name: Option<Spanned<String>>) -> Option<Upstream> {
    let urls = table.require("urls").and_then(|value| value.filled_list(url));
    let headers = table.get("headers").and_then(|value| headers::read(&value, SECRET)).unwrap_or_default();
    let client_ip_header =
        table.get("client_ip_header").and_then(|value| value.parse("the name of a header", header_name));
    if let Some(header) = &client_ip_header {
        headers::report_if_set(table, &headers, header, "upstream.client_ip_header");
    }
    let host = table.get("host").and_then(|value| value.parse("a host", host));
    let ca = table.get("ca").and_then(|value| value.path());
    let server_name =
        table.get("server_name").and_then(|value| value.parse("a DNS name or an address", server_name));
    let identity = key_pair::read(table, "client_certificate");
    if let Some(urls) = &urls
        && !urls.iter().any(|url| url.value.uses_tls())
    {
        report_without_tls(table, "server_name", "the name is only verified with TLS");
        report_without_tls(table, "client_certificate", "the certificate is only sent with TLS");
    }
    let forwarded = table.get("forwarded").and_then(|value| value.boolean()).unwrap_or(false);
    let choices = [("client", ForwardedFor::Client), ("list", ForwardedFor::List)];
    let forwarded_for = table.get("forwarded_for").and_then(|value| value.choice(&choices));
    let default = UpstreamLimits::default();
    let limits = UpstreamLimits {
        connect_timeout: time(table, "connect_timeout", default.connect_timeout),
        response_timeout: time(table, "response_timeout", default.response_timeout),
        idle_timeout: time(table, "idle_timeout", default.idle_timeout),
        connections: number(table, "connections", 1..=100_000, default.connections),
    };
    let policy = origin_policy::read(table);
    table.finish();
    Some(Upstream {
        name: name?,
        urls: urls?,
        host,
        ca,
        identity,
        server_name,
        headers,
        client_ip_header,
        forwarded,
        forwarded_for: forwarded_for.map(|choice| choice.value),
        limits,
        policy,
    })
}

/// Reports a key that has no effect, since no URL is https.
fn report_without_tls(table: &Table<'_>, key: &'static str, why: &str) {
    if let Some(span) = table.key_span(key) {
        let what = format!("found {key}, but no URL of this upstream is https: {why}");
        let help = format!("write https in urls, or remove {key}");
        table.reader.report(Problem::error(&span, table.path(key), what).help(help));
    }
}

fn url(value: &Value<'_>) -> Option<Spanned<Address>> {
    let url = value.parse("a URL", address)?;
    if let Address::Network(origin) = &url.value
        && !origin.tls
        && !is_loopback(origin)
    {
        let what = format!(
            "http to {}: anyone who can read or change that traffic sees the secrets and can impersonate any client",
            origin.host
        );
        let warning = Problem::warning(&url.span, "upstream.urls", what);
        value.reader.report(warning.help("use https, or an isolated network"));
    }
    Some(url)
}
