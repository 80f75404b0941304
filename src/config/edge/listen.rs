//! `[listen]`: the addresses of the listeners, and the proxies in front of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use rustls_pki_types::DnsName;
use toml::de::DeValue;

use super::proxies;
use crate::config::{
    diagnostic::{Fault, Problem},
    node::{Table, Value},
    settings::Listen,
    span::Spanned,
    suggest::quote,
};
use crate::{admin, listen::ListenSpec, site::ClientNetworks};

/// Reads the table. An invalid value is reported and replaced by its default.
pub(super) fn read(table: &Table<'_>) -> Listen {
    let at = |value: SocketAddr| Spanned { value, span: table.span.clone() };
    let default = ListenSpec::default();
    // Completes an address without a port or host.
    let usual = default.https.first().copied().unwrap_or(admin::DEFAULT_ADDRESS);
    let https = table
        .get("https")
        .and_then(|value| value.filled_list(|item| item.parse("an address", |text| address(text, usual))));
    let admin = table.get("admin").and_then(|value| {
        value.parse("an address or \"off\"", |text| address_or_off(text, admin::DEFAULT_ADDRESS))
    });
    let health =
        table.get("health").and_then(|value| value.parse("an address", |text| address(text, HEALTH)));
    let trusted = table.get("trusted_proxies");
    let proxy_protocol = table.get("proxy_protocol").and_then(|value| Some(value.locate(value.boolean()?)));
    let listen = Listen {
        https: https.unwrap_or_else(|| default.https.into_iter().map(at).collect()),
        admin: admin
            .unwrap_or_else(|| Spanned { value: Some(admin::DEFAULT_ADDRESS), span: table.span.clone() }),
        health,
        admin_hosts: table.get("admin_hosts").and_then(|value| value.list(admin_host)).unwrap_or_default(),
        workers: table.get("workers").and_then(|value| value.integer(&(1..=1024))).or(default.workers),
        trusted_proxies: trusted.as_ref().and_then(proxies::read).unwrap_or_default(),
        clients: ClientNetworks { allow: networks(table, "allow"), deny: networks(table, "deny") },
        proxy_protocol: proxy_protocol.as_ref().is_some_and(|on| on.value),
    };
    table.finish();
    report_overlapping_addresses(table, &listen);
    // Invalid items of the list were reported already.
    let trusts_nobody = match trusted {
        Some(value) => matches!(value.toml, DeValue::Array(items) if items.is_empty()),
        None => !table.is_misspelt(&["trusted_proxies"]),
    };
    if let Some(on) = proxy_protocol.filter(|on| on.value && trusts_nobody) {
        let what = "found true, but trusted_proxies is empty: every connection would be refused";
        let error = Problem::error(&on.span, "listen.proxy_protocol", what);
        table.reader.report(
            error.help("write trusted_proxies = [\"10.0.0.0/8\"] with the addresses of your load balancer"),
        );
    }
    listen
}

/// Reads a list of networks of clients.
fn networks(table: &Table<'_>, key: &'static str) -> Vec<IpNet> {
    let networks = table.get(key).and_then(|value| value.list(proxies::network)).unwrap_or_default();
    networks.into_iter().map(|network| proxies::canonical(network.value)).collect()
}

/// The address by which an incomplete `health` is completed.
const HEALTH: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 9080);

/// Parses an IP address with a port, or `off`.
fn address_or_off(text: &str, usual: SocketAddr) -> Result<Option<SocketAddr>, Fault> {
    match text {
        "off" => Ok(None),
        "" | "no" | "none" | "false" | "disabled" => {
            let what = format!("found {}, expected an address or \"off\"", quote(text));
            Err(Fault::new(what).help("write \"off\""))
        }
        _ => address(text, usual).map(Some),
    }
}

/// Parses an IP address with a port. The help completes an incomplete address from `usual`.
///
/// # Errors
///
/// What was found, and what to write.
pub fn address(text: &str, usual: SocketAddr) -> Result<SocketAddr, Fault> {
    text.parse().map_err(|_| {
        let fault = Fault::new(format!(
            "found {}, expected an address such as 0.0.0.0:8443 or [::]:8443",
            quote(text)
        ));
        if text.starts_with("unix:") || text.starts_with('/') {
            let help = format!("write \"{usual}\": Unix sockets are not supported");
            return fault.help(help);
        }
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        let bare = rest.split('/').next().unwrap_or_default();
        if let Some((host, port)) = bare.rsplit_once(':')
            && let (Ok(host), Ok(port)) = (host.parse::<Ipv6Addr>(), port.parse::<u16>())
            && port >= 80
        {
            return fault.help(format!("write \"{}\"", SocketAddr::from((host, port))));
        }
        if let Ok(address) = bare.trim_matches(['[', ']']).parse::<IpAddr>() {
            return fault.help(format!("write \"{}\"", SocketAddr::from((address, usual.port()))));
        }
        if let Ok(address) = bare.parse::<SocketAddr>() {
            return fault.help(format!("write \"{address}\""));
        }
        let (host, port) = bare.rsplit_once(':').unwrap_or(("", bare));
        let Ok(port) = port.parse::<u16>() else {
            return fault.help(format!("write \"{usual}\", with the port of your choice"));
        };
        if let Ok(address) = host.parse::<IpAddr>() {
            return fault.help(format!("write \"{}\"", SocketAddr::from((address, port))));
        }
        let address = match host {
            "" | "*" => usual.ip().to_string(),
            "localhost" => "127.0.0.1".to_owned(),
            "[*]" => "[::]".to_owned(),
            _ => {
                return fault.help(format!(
                    "write an IP address of this machine, or \"0.0.0.0:{port}\" for all: names are not looked up"
                ));
            }
        };
        fault.help(format!("write \"{address}:{port}\""))
    })
}

/// Parses a host name without a port. The admin listener accepts any IP address and any port as `Host`.
fn admin_host(value: &Value<'_>) -> Option<String> {
    let read = |text: &str| {
        let fault = |why: &str| Fault::new(format!("found {}, expected {why}", quote(text)));
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() || text.parse::<SocketAddr>().is_ok() {
            return Err(
                fault("a host name").help("remove it: the admin listener accepts requests to any IP address")
            );
        }
        if let Some((host, port)) = name.rsplit_once(':')
            && !host.contains("//")
            && port.bytes().all(|b| b.is_ascii_digit())
        {
            return Err(fault("a host name without a port").help(format!("write {}", quote(host))));
        }
        match DnsName::try_from(name.as_str()) {
            Ok(_) => Ok(name),
            Err(_) => Err(fault("a host name").help("write a name such as edge.internal")),
        }
    };
    value.parse("a host name", read).map(|name| name.value)
}

/// Reports addresses that overlap. Port 0 does not: the system assigns a free port to each socket.
fn report_overlapping_addresses(table: &Table<'_>, listen: &Listen) {
    for (index, address) in listen.https.iter().enumerate() {
        let earlier =
            listen.https.iter().take(index).find(|earlier| overlaps(&earlier.value, &address.value));
        if let Some(earlier) = earlier {
            let what = format!("found {}, but the list already has {}", address.value, earlier.value);
            table
                .reader
                .report(Problem::error(&address.span, "listen.https", what).help("remove one of the two"));
        }
    }
    let mut used: Vec<(&str, SocketAddr)> = listen.https.iter().map(|https| ("https", https.value)).collect();
    let admin = listen.admin.value.map(|value| ("admin", value, &listen.admin.span));
    let health = listen.health.as_ref().map(|health| ("health", health.value, &health.span));
    for (key, address, span) in admin.into_iter().chain(health) {
        if let Some((by, other)) = used.iter().find(|(_, other)| overlaps(other, &address)) {
            let what = format!("found {address}, which is already used by {by} = {other}");
            let error = Problem::error(span, table.path(key), what);
            table.reader.report(error.help(format!("give the {key} address another port")));
        }
        used.push((key, address));
    }
}

fn overlaps(a: &SocketAddr, b: &SocketAddr) -> bool {
    let same_family = a.is_ipv4() == b.is_ipv4();
    let same_ip = a.ip() == b.ip() || (same_family && (a.ip().is_unspecified() || b.ip().is_unspecified()));
    a.port() != 0 && a.port() == b.port() && same_ip
}
