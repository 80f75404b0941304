//! Counts of what happened, shared by all workers.

use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use http::StatusCode;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The upstream answered.
    Forwarded,
    /// 401.
    Unauthenticated,
    /// Another 4xx, or 501.
    Refused,
    /// 502, 503, 504.
    UpstreamFailed,
}

impl Outcome {
    /// The outcome of a refusal with this status.
    #[must_use]
    pub fn of(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED => Self::Unauthenticated,
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                Self::UpstreamFailed
            }
            _ => Self::Refused,
        }
    }
}

/// Counters since the start.
#[derive(Debug, Default)]
pub struct Counters {
    forwarded: AtomicU64,
    unauthenticated: AtomicU64,
    refused: AtomicU64,
    upstream_failed: AtomicU64,
    /// Connections accepted.
    pub accepted: AtomicU64,
    /// Connections closed since the bound was reached.
    pub over_bound: AtomicU64,
    /// Connections closed since their address has too many.
    pub over_address_bound: AtomicU64,
    /// Connections closed to make room for others: they had proved nothing.
    pub evicted: AtomicU64,
    /// Connections closed since the client gave up most of its requests.
    pub abandoning: AtomicU64,
    /// Connections closed since they had no request for `idle_timeout`.
    pub idle: AtomicU64,
    /// Connections closed since a head, a body or a response made no progress.
    pub stalled: AtomicU64,
    /// Handshakes that failed or were refused.
    pub handshakes_failed: AtomicU64,
    /// Connections that ended before they sent anything.
    pub probes: AtomicU64,
    /// Handshakes that were finished.
    pub handshakes: AtomicU64,
}

impl Counters {
    /// Counts a request.
    pub fn request(&self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Forwarded => &self.forwarded,
            Outcome::Unauthenticated => &self.unauthenticated,
            Outcome::Refused => &self.refused,
            Outcome::UpstreamFailed => &self.upstream_failed,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// All counters in the Prometheus text format 0.0.4.
    #[must_use]
    pub fn text(&self, connections: usize, upstream_connections: usize) -> String {
        let mut text = String::new();
        let requests =
            "# HELP mtls_edge_requests_total Requests by outcome.\n# TYPE mtls_edge_requests_total counter\n";
        text.push_str(requests);
        for (outcome, counter) in [
            ("forwarded", &self.forwarded),
            ("unauthenticated", &self.unauthenticated),
            ("refused", &self.refused),
            ("upstream_failed", &self.upstream_failed),
        ] {
            let _ =
                writeln!(text, "mtls_edge_requests_total{{outcome=\"{outcome}\"}} {}", counter.load(Relaxed));
        }
        for (name, help, counter) in [
            ("connections_accepted", "Connections accepted.", &self.accepted),
            (
                "connections_over_bound",
                "Connections closed at once: the bound was reached.",
                &self.over_bound,
            ),
            ("handshakes", "TLS handshakes finished.", &self.handshakes),
            ("handshakes_failed", "TLS handshakes that failed or were refused.", &self.handshakes_failed),
            ("probes", "Connections that the peer closed before it sent anything.", &self.probes),
        ] {
            let _ = writeln!(
                text,
                "# HELP mtls_edge_{name}_total {help}\n# TYPE mtls_edge_{name}_total counter\nmtls_edge_{name}_total {}",
                counter.load(Relaxed)
            );
        }
        text.push_str(
            "# HELP mtls_edge_connections_closed_total Connections that the edge closed, by reason.\n# TYPE mtls_edge_connections_closed_total counter\n",
        );
        for (reason, counter) in [
            ("bound", &self.over_bound),
            ("address", &self.over_address_bound),
            ("evicted", &self.evicted),
            ("abandoning", &self.abandoning),
            ("idle", &self.idle),
            ("stalled", &self.stalled),
        ] {
            let closed = counter.load(Relaxed);
            let _ = writeln!(text, "mtls_edge_connections_closed_total{{reason=\"{reason}\"}} {closed}");
        }
        for (name, help, open) in [
            ("connections", "Open connections.", connections),
            ("upstream_connections", "Open connections to upstreams.", upstream_connections),
        ] {
            let _ = writeln!(
                text,
                "# HELP mtls_edge_{name} {help}\n# TYPE mtls_edge_{name} gauge\nmtls_edge_{name} {open}"
            );
        }
        text
    }
}
