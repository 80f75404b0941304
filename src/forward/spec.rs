//! The settings of an upstream.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use http::{StatusCode, uri::PathAndQuery};

/// The content of `X-Forwarded-For`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedFor {
    /// The client's address only.
    Client,
    /// The addresses that trusted proxies reported, and the connection's own peer last.
    List,
}

/// The scheme, host and port of a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Whether the scheme is https.
    pub tls: bool,
    /// A DNS name or an address; IPv6 without brackets.
    pub host: String,
    /// The port; 80 or 443 if the URL has none.
    pub port: u16,
}

impl Origin {
    /// The origin as a URL, for the log and the metrics.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}:{}", self.bracketed_host(), self.port)
    }

    /// Host and port as written in a URL, without the scheme's default port.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = self.bracketed_host();
        if self.port == if self.tls { 443 } else { 80 } { host } else { format!("{host}:{}", self.port) }
    }

    /// Whether its host is a name, which has addresses, and not an address itself.
    pub(super) fn is_named(&self) -> bool {
        self.host.parse::<IpAddr>().is_err()
    }

    /// The host; an IPv6 address in brackets (RFC 3986 section 3.2.2).
    fn bracketed_host(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }
}

/// Where a server of an upstream is reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// Over TCP.
    Network(Origin),
    /// At a Unix socket with this path, without TLS.
    Unix(PathBuf),
}

impl Address {
    /// The address as it is configured, for the log and the metrics.
    #[must_use]
    pub fn url(&self) -> String {
        match self {
            Self::Network(origin) => origin.url(),
            Self::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    /// Host and port for a request that has no other `Host`.
    #[must_use]
    pub fn authority(&self) -> String {
        self.network().map_or_else(|| "localhost".to_owned(), Origin::authority)
    }

    /// Whether it is reached over TLS.
    #[must_use]
    pub fn uses_tls(&self) -> bool {
        self.network().is_some_and(|origin| origin.tls)
    }

    /// The scheme, host and port; none of a Unix socket.
    #[must_use]
    pub const fn network(&self) -> Option<&Origin> {
        match self {
            Self::Network(origin) => Some(origin),
            Self::Unix(_) => None,
        }
    }
}

/// How requests are distributed among the origins of an upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// To the origin with the fewest requests in flight, over all workers.
    #[default]
    LeastRequest,
    /// To one after the other.
    RoundRobin,
}

/// How the origins of an upstream are found and chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginPolicy {
    /// How requests are distributed.
    pub balance: Balance,
    /// After how many failed responses in succession an origin is ejected; 0: never.
    pub eject_after: u32,
    /// How often host names are looked up.
    pub dns_refresh: Duration,
    /// How origins are checked, if they are.
    pub health_check: Option<HealthCheck>,
}

impl Default for OriginPolicy {
    fn default() -> Self {
        Self {
            balance: Balance::default(),
            eject_after: 5,
            dns_refresh: Duration::from_secs(30),
            health_check: None,
        }
    }
}

/// A request that the edge itself sends to each origin at regular intervals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// Path and query of the GET request.
    pub path: PathAndQuery,
    /// From the end of one check to the next, with up to a tenth more or less.
    pub interval: Duration,
    /// For the whole check.
    pub timeout: Duration,
    /// The status of a healthy origin.
    pub expect: StatusCode,
}

impl HealthCheck {
    /// The interval, unless it is configured.
    pub const INTERVAL: Duration = Duration::from_secs(5);
    /// The timeout, unless it is configured.
    pub const TIMEOUT: Duration = Duration::from_secs(2);
    /// The expected status, unless it is configured.
    pub const EXPECT: StatusCode = StatusCode::OK;
}

/// The timeouts of an upstream, and the number of its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamLimits {
    /// For the TCP connection and the TLS handshake.
    pub connect_timeout: Duration,
    /// From the request's last byte to the response's head, and between bytes of the response.
    pub response_timeout: Duration,
    /// How long an idle connection stays pooled.
    pub idle_timeout: Duration,
    /// The most requests in flight at once, over all workers.
    pub connections: usize,
}

impl Default for UpstreamLimits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(30),
            connections: 1024,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_address_is_in_brackets() {
        let origin = |host: &str, port| Origin { tls: true, host: host.to_owned(), port };
        assert_eq!(origin("::1", 8443).url(), "https://[::1]:8443");
        assert_eq!(origin("::1", 443).authority(), "[::1]");
        assert_eq!(origin("as.example", 443).url(), "https://as.example:443");
    }
}
