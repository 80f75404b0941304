//! What the workers listen on, and how many connections there may be.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use crate::{admin, forward::UpstreamLimits, site::Limits};

/// The specification of the listeners and their workers. The defaults are those of `[listen]` and `[limits]`, with one upstream.
#[derive(Clone, Debug)]
pub struct ListenSpec {
    /// Addresses that speak TLS to applications.
    pub https: Vec<SocketAddr>,
    /// The admin address; none if it is off.
    pub admin: Option<SocketAddr>,
    /// The address of health checks alone.
    pub health: Option<SocketAddr>,
    /// Worker threads; absent: one for each core that the process may use (affinity and cgroup limits respected).
    pub workers: Option<usize>,
    /// Connections of applications that may be open at once.
    pub connections: usize,
    /// Handshakes that may be in flight; absent: half as many as connections, at least 8.
    pub handshakes: Option<usize>,
    /// Connections that may be open to all upstreams together.
    pub upstream_connections: usize,
    /// How long the edge still accepts connections once it stops.
    pub drain_delay: Duration,
    /// How long requests in flight may take after that.
    pub drain_timeout: Duration,
}

impl Default for ListenSpec {
    fn default() -> Self {
        let Limits { connections, handshakes, drain_delay, drain_timeout, .. } = Limits::default();
        Self {
            https: vec![(Ipv4Addr::UNSPECIFIED, 8443).into()],
            admin: Some(admin::DEFAULT_ADDRESS),
            health: None,
            workers: None,
            connections,
            handshakes,
            upstream_connections: UpstreamLimits::default().connections,
            drain_delay,
            drain_timeout,
        }
    }
}

impl ListenSpec {
    /// The number of workers.
    #[must_use]
    pub fn worker_count(&self) -> usize {
        self.workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
    }
}
