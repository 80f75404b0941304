//! Limits on what a peer may use.

use std::{num::NonZeroU32, time::Duration};

use crate::rate::Rate;

/// What a peer may use. The defaults are those of `[limits]` in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections of all clients.
    pub connections: usize,
    /// Open connections of one client address (of one /64 of IPv6). `None`: a tenth of `connections`, at least 16.
    pub connections_per_address: Option<usize>,
    /// Handshakes in flight of all clients. `None`: half of `connections`, at least 8.
    pub handshakes: Option<usize>,
    /// Handshakes in flight of one client address. `None`: half of the connections that it may have, at least 8.
    pub handshakes_per_address: Option<usize>,
    /// Bytes of the process's memory beyond which connections are refused. `None`: nine tenths of what its control group may use, or three
    /// quarters of what the machine has.
    pub memory_bytes: Option<u64>,
    /// Requests per second of one client address. `None`: any number.
    pub requests_per_second_per_address: Option<NonZeroU32>,
    /// Authenticated requests per second of one application that has no limit of its own. `None`: any number.
    pub requests_per_second_per_application: Option<NonZeroU32>,
    /// The time for whose requests a client that has sent none may send at once.
    pub request_burst: Duration,
    /// From accept to the end of the TLS handshake.
    pub handshake_timeout: Duration,
    /// From the first byte of a request's head to its last.
    pub head_timeout: Duration,
    /// From the head to the last byte of the body.
    pub body_timeout: Duration,
    /// From the first byte of a request's head to the last of its response; zero for any time.
    pub request_timeout: Duration,
    /// How long a connection without a request in flight stays open.
    pub idle_timeout: Duration,
    /// How long connections are still accepted after SIGTERM, while `/readyz` reports 503.
    pub drain_delay: Duration,
    /// How long requests in flight may take to finish after that.
    pub drain_timeout: Duration,
    /// Bytes of a request's head: HTTP/1.1 buffer, HTTP/2 header list. At least 8 KiB.
    pub header_bytes: usize,
    /// Number of header fields.
    pub headers: usize,
    /// Bytes of a request's body.
    pub body_bytes: u64,
    /// Bytes of a body that is buffered to find `client_id`.
    pub client_id_body_bytes: usize,
    /// Bytes of bodies that all workers together buffer at once.
    pub buffered_bytes: u64,
    /// Streams open at once on one HTTP/2 connection.
    pub http2_streams: u32,
    /// Used `jti` values of assertions that are remembered until these expire.
    pub assertion_ids: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_address: None,
            handshakes: None,
            handshakes_per_address: None,
            memory_bytes: None,
            requests_per_second_per_address: None,
            requests_per_second_per_application: None,
            request_burst: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(120),
            idle_timeout: Duration::from_secs(60),
            drain_delay: Duration::ZERO,
            drain_timeout: Duration::from_secs(30),
            header_bytes: 32 * 1024,
            headers: 100,
            body_bytes: 1024 * 1024,
            client_id_body_bytes: 64 * 1024,
            buffered_bytes: 256 * 1024 * 1024,
            http2_streams: 100,
            assertion_ids: 1_000_000,
        }
    }
}

impl Limits {
    /// The rate of requests of one client address, if it is limited.
    #[must_use]
    pub fn rate_of_address(&self) -> Option<Rate> {
        self.requests_per_second_per_address.map(|number| Rate::new(number, self.request_burst))
    }

    /// The rate of an application's requests, if it is limited. `own` is its own limit.
    #[must_use]
    pub fn rate_of_application(&self, own: Option<NonZeroU32>) -> Option<Rate> {
        own.or(self.requests_per_second_per_application).map(|number| Rate::new(number, self.request_burst))
    }
}
