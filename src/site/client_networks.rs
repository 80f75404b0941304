//! The addresses that may connect.

use std::net::IpAddr;

use ipnet::IpNet;

/// The networks whose clients are served, and those whose clients are not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientNetworks {
    /// Only these are served; empty: all.
    pub allow: Vec<IpNet>,
    /// These are not served, even if `allow` contains them.
    pub deny: Vec<IpNet>,
}

impl ClientNetworks {
    /// Whether clients with this address are served.
    #[must_use]
    pub fn permit(&self, ip: IpAddr) -> bool {
        let Self { allow, deny } = self;
        if allow.is_empty() && deny.is_empty() {
            return true;
        }
        let ip = ip.to_canonical();
        let contain = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&ip));
        (allow.is_empty() || contain(allow)) && !contain(deny)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deny_wins_and_no_allow_means_all() {
        let networks = |list: &[&str]| list.iter().map(|network| network.parse().unwrap()).collect();
        for (allow, deny, served, others) in [
            (&[][..], &[][..], &["192.0.2.1", "2001:db8::1"][..], &[][..]),
            (&[], &["192.0.2.0/24"], &["192.0.3.1", "2001:db8::1"], &["192.0.2.1", "::ffff:192.0.2.1"]),
            (&["192.0.2.0/24"], &[], &["192.0.2.1", "::ffff:192.0.2.1"], &["192.0.3.1", "2001:db8::1"]),
            (&["192.0.2.0/24"], &["192.0.2.7/32"], &["192.0.2.1"], &["192.0.2.7", "192.0.3.1"]),
        ] {
            let clients = ClientNetworks { allow: networks(allow), deny: networks(deny) };
            for (ip, is_served) in
                served.iter().map(|ip| (ip, true)).chain(others.iter().map(|ip| (ip, false)))
            {
                assert_eq!(clients.permit(ip.parse().unwrap()), is_served, "{ip} {clients:?}");
            }
        }
    }
}
