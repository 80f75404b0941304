//! The settings of an upstream.

use std::time::Duration;

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
        format!("{scheme}://{}:{}", self.host, self.port)
    }
}

impl Origin {
    /// Host and port as written in a URL, without the scheme's default port.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == if self.tls { 443 } else { 80 } { host } else { format!("{host}:{}", self.port) }
    }
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
