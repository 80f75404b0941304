//! `[listen] trusted_proxies`: the load balancers that may state the client's address, and warnings about networks that are too wide.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::config::{
    diagnostic::{Fault, Problem},
    node::Value,
    span::{Span, Spanned},
    suggest::quote,
};

/// The shortest IPv4 and IPv6 prefixes without a warning: 10.0.0.0/8, and far more IPv6 addresses than a registry assigns to one operator.
const SHORTEST_PREFIXES: (u8, u8) = (8, 16);

/// Networks that are not routed on the internet, so their size does not matter (RFC 4193, RFC 4291 section 2.5.6).
const LOCAL: [&str; 2] = ["fc00::/7", "fe80::/10"];

/// Reads the list. Invalid items are reported and left out.
pub(super) fn read(value: &Value<'_>) -> Option<Vec<IpNet>> {
    let networks = value.list(network)?;
    let wide: Vec<&Spanned<IpNet>> = networks.iter().filter(|network| is_wide(&network.value)).collect();
    for network in &wide {
        value.reader.report(warning(
            &network.span,
            &format!("found {}, expected the addresses of load balancers", network.value),
        ));
    }
    let all: Vec<IpNet> = networks.iter().map(|network| network.value).collect();
    if wide.is_empty()
        && let Some(whole) = wide_in_total(&all)
    {
        value.reader.report(warning(
            &value.span,
            &format!("found {whole}, expected the addresses of load balancers"),
        ));
    }
    Some(all)
}

/// Reads an address or a network.
pub(super) fn network(value: &Value<'_>) -> Option<Spanned<IpNet>> {
    let read = |text: &str| {
        let single = text.parse::<IpAddr>().map(IpNet::from);
        text.parse::<IpNet>().map(|net| net.trunc()).or(single).map_err(|_| {
            let what = format!("found {}, expected an address or a network such as 10.0.0.0/8", quote(text));
            let help = "write an address such as \"10.0.0.5\" or a network such as \"10.0.0.0/24\"";
            Fault::new(what).help(suggestion(text).unwrap_or_else(|| help.to_owned()))
        })
    };
    value.parse("an address or a network", read)
}

/// Help for a text that is not a network: an address with a port, a netmask, a wildcard, or a name.
fn suggestion(text: &str) -> Option<String> {
    let write = |network: String| Some(format!("write \"{network}\""));
    if let Ok(address) = text.parse::<SocketAddr>() {
        return write(address.ip().to_string());
    }
    if text == "localhost" {
        return write("127.0.0.1".to_owned());
    }
    if let Some((address, prefix)) = text.split_once('/')
        && let (Ok(address), true) = (address.trim().parse::<IpAddr>(), is_number(prefix))
    {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        return Some(format!("write \"{address}/{bits}\" or a shorter prefix: the maximum is {bits}"));
    }
    if let Some((address, mask)) = text.split_once(['/', ' ']) {
        let (address, mask) = (address.parse::<Ipv4Addr>().ok()?, mask.trim().parse::<Ipv4Addr>().ok()?);
        return write(Ipv4Net::with_netmask(address, mask).ok()?.trunc().to_string());
    }
    let stars = text.split('.').rev().take_while(|part| *part == "*").count();
    if let Some(prefix @ 8..) =
        u8::try_from(stars).ok().filter(|stars| *stars > 0).and_then(|stars| 32_u8.checked_sub(8 * stars))
    {
        let address = text.replace('*', "0").parse::<Ipv4Addr>().ok()?;
        return write(Ipv4Net::new(address, prefix).ok()?.to_string());
    }
    let is_name = text.contains(|c: char| c.is_ascii_alphabetic()) && !text.contains(['/', ':']);
    is_name.then(|| "write IP addresses or networks: names are not looked up".to_owned())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Describes networks that are too wide in total, though none of them is too wide alone.
fn wide_in_total(all: &[IpNet]) -> Option<String> {
    /// The maximum number of addresses, in networks of the shortest prefix.
    const MAX_NETWORKS: u128 = 8;
    let aggregate = IpNet::aggregate(&all.to_vec());
    if let Some(network) = aggregate.iter().find(|network| is_wide(network)) {
        return Some(format!("networks that together cover {network}"));
    }
    let (v4, v6) = SHORTEST_PREFIXES;
    let of_v4: u128 = aggregate
        .iter()
        .filter_map(|network| match network {
            IpNet::V4(network) => Some(1 << (32 - network.prefix_len())),
            IpNet::V6(_) => None,
        })
        .sum();
    // No shift overflows: the prefix has at least 1 bit.
    let of_v6 = aggregate.iter().filter_map(|network| match network {
        IpNet::V6(network) if !is_local(network) => Some(1_u128 << (128 - network.prefix_len().max(1))),
        _ => None,
    });
    let of_v6 = of_v6.fold(0, u128::saturating_add);
    let is_wide = of_v4 > MAX_NETWORKS << (32 - v4) || of_v6 > MAX_NETWORKS << (128 - v6);
    is_wide.then(|| format!("{} networks that together cover a large part of the internet", all.len()))
}

/// The IPv4 network of an IPv4-mapped IPv6 network, since addresses are compared in that form.
pub(super) fn canonical(network: IpNet) -> IpNet {
    match network {
        IpNet::V6(whole) => mapped(whole.addr(), whole.prefix_len()).map_or(network, IpNet::V4),
        IpNet::V4(_) => network,
    }
}

/// Whether a network is too wide to belong to one operator.
fn is_wide(network: &IpNet) -> bool {
    let (v4, v6) = SHORTEST_PREFIXES;
    match network {
        IpNet::V4(network) => network.prefix_len() < v4,
        IpNet::V6(whole) => match mapped(whole.addr(), whole.prefix_len()) {
            Some(network) => network.prefix_len() < v4,
            None => whole.prefix_len() < v6 && !is_local(whole),
        },
    }
}

fn is_local(network: &Ipv6Net) -> bool {
    LOCAL.iter().filter_map(|net| net.parse::<Ipv6Net>().ok()).any(|net| net.contains(network))
}

/// The IPv4 network of an IPv4-mapped IPv6 network (RFC 4291 section 2.5.5.2).
fn mapped(address: Ipv6Addr, prefix: u8) -> Option<Ipv4Net> {
    let address: Ipv4Addr = address.to_ipv4_mapped()?;
    Ipv4Net::new(address, prefix.checked_sub(96)?).ok()
}

fn warning(span: &Span, what: &str) -> Problem {
    let what = format!(
        "{what}: anyone who connects from there can forge the client address that the logs and the upstream see (with X-Forwarded-For or a PROXY header), and is exempt from connections_per_address"
    );
    Problem::warning(span, "listen.trusted_proxies", what)
        .help("list only the addresses of your own load balancers, such as \"10.0.0.5\" or \"10.0.0.0/24\"")
}
