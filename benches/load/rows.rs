//! The rows of the table.

use rustls::crypto::{SupportedKxGroup, aws_lc_rs::kx_group};

use super::{certificates::Keys, client::Kind};

/// What is measured: one row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Row {
    /// A full TLS 1.3 handshake, P-256 on both sides, then one request.
    Full,
    /// A full TLS 1.3 handshake, RSA-2048 on both sides, then one request.
    FullRsa,
    /// A full TLS 1.3 handshake, P-256, with X25519MLKEM768.
    FullPq,
    /// A resumed TLS 1.3 handshake, then one request.
    Resumed,
    /// Requests one after the other on kept HTTP/1.1 connections.
    Kept,
    /// As `Kept`, each with a client assertion that is signed by RS256, in place of the certificate. Only of the edge.
    Assertion,
    /// Requests one after the other on HTTP/2 connections, one stream at a time on each.
    Http2,
    /// Requests on few HTTP/2 connections with many streams.
    Http2Streams,
    /// Requests at a fixed rate over kept HTTP/1.1 connections, however late the answers.
    Paced,
    /// Memory of connections that are idle after one request.
    Idle,
}

/// The unit of a row's figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// CPU time of the proxy per operation.
    Microseconds,
    /// The 99th percentile of latencies.
    Latency,
    /// Memory of the proxy per connection.
    Kilobytes,
}

impl Unit {
    /// The text after the figure.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Microseconds | Self::Latency => "us",
            Self::Kilobytes => "KB",
        }
    }
}

impl Row {
    /// The title in the table.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Full => "full handshake, P-256, + request",
            Self::FullRsa => "full handshake, RSA-2048, + request",
            Self::FullPq => "full handshake, P-256, X25519MLKEM768",
            Self::Resumed => "resumed handshake + request",
            Self::Kept => "HTTP/1.1 request, kept alive",
            Self::Assertion => "HTTP/1.1 request, RS256 assertion",
            Self::Http2 => "HTTP/2 request, one stream each",
            Self::Http2Streams => "HTTP/2 request, many streams",
            Self::Paced => "p99 latency at a fixed rate",
            Self::Idle => "memory of an idle connection",
        }
    }

    /// The unit of its figure.
    pub const fn unit(self) -> Unit {
        match self {
            Self::Paced => Unit::Latency,
            Self::Idle => Unit::Kilobytes,
            _ => Unit::Microseconds,
        }
    }

    /// The kind of the certificates' keys.
    pub fn keys(self) -> Keys {
        if self == Self::FullRsa { Keys::Rsa2048 } else { Keys::P256 }
    }

    /// How its clients connect.
    pub fn kind(self) -> Kind {
        let group: &dyn SupportedKxGroup =
            if self == Self::FullPq { kx_group::X25519MLKEM768 } else { kx_group::X25519 };
        Kind {
            group,
            resumes: self == Self::Resumed,
            http2: matches!(self, Self::Http2 | Self::Http2Streams),
        }
    }

    /// Whether peers can do it: they authenticate by certificates only.
    pub fn is_for_peers(self) -> bool {
        self != Self::Assertion
    }

    /// Whether it is a handshake, which has a rustls baseline.
    pub fn has_baseline(self) -> bool {
        matches!(self, Self::Full | Self::FullRsa | Self::FullPq | Self::Resumed)
    }
}
