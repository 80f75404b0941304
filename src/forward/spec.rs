//! What an upstream is, as an operator asks for it.

use std::time::Duration;

/// What an upstream gets in `X-Forwarded-For`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedFor {
    /// The client's address alone.
    Client,
    /// Each hop's, as far as trusted proxies said, the connection's own peer last.
    List,
}

/// Scheme, host and port of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Whether the scheme is https.
    pub tls: bool,
    /// DNS name or address; an IPv6 address without brackets.
    pub host: String,
    /// Port; 80 or 443 where the URL has none.
    pub port: u16,
}

impl Origin {
    /// Host and port as they stand in a URL; the port is left out where it is the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == if self.tls { 443 } else { 80 } { host } else { format!("{host}:{}", self.port) }
    }
}

/// How long an upstream may take, and how much it gets at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamLimits {
    /// TCP connect and TLS handshake.
    pub connect_timeout: Duration,
    /// From the request's last byte to the response's head, and between bytes of the response.
    pub response_timeout: Duration,
    /// How long an unused connection stays in the pool.
    pub idle_timeout: Duration,
    /// Requests in flight at once, over all workers.
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
