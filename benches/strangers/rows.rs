//! The rows of the table.

/// What is measured: one attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Row {
    /// A chain with nine CAs of one name that have signed each other, and no path to a client CA.
    Ring,
    /// A ring of nine CAs with 6 KB of unknown extensions each.
    RingExtensions,
    /// A ring of nine CAs that have the name of the client CA.
    RingAnchor,
    /// A self-signed certificate with a subject of 60,000 bytes, and requests that get 404.
    Subject,
    /// A self-signed certificate whose subject consists of characters that a log escapes, and requests that get 404.
    SubjectEscaped,
    /// Bodies without their last byte, on 20 HTTP/2 connections of 100 streams.
    Bodies,
    /// Connections up to the limit that send nothing, from one address.
    Silent,
    /// Connections up to the limit that send nothing after the handshake, from one address.
    Idle,
    /// A path of 32 KB with nested escapes, over HTTP/1.1.
    Escapes,
    /// A path of 4 KB with nested escapes, which fits into the HPACK table, so that each request takes a few bytes.
    EscapesHttp2,
    /// More connections than the process may have descriptors, while an application is removed.
    Descriptors,
    /// Requests to a slow upstream, each cancelled after 20 ms, on one HTTP/2 connection.
    Resets,
}

impl Row {
    /// The title in the table.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Ring => "nine CAs in a ring",
            Self::RingExtensions => "nine CAs in a ring, 6 KB each",
            Self::RingAnchor => "nine CAs named as the client CA",
            Self::Subject => "404s, subject of 60,000 bytes",
            Self::SubjectEscaped => "404s, subject of 20,000 U+200B",
            Self::Bodies => "2,000 bodies without an end",
            Self::Silent => "silent connections to the limit",
            Self::Idle => "idle connections to the limit",
            Self::Escapes => "nested escapes, HTTP/1.1",
            Self::EscapesHttp2 => "nested escapes, HTTP/2",
            Self::Descriptors => "descriptors exhausted",
            Self::Resets => "cancelled after 20 ms",
        }
    }

    /// What is counted.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Silent | Self::Idle | Self::Descriptors => "connection",
            _ => "request",
        }
    }

    /// Lines of `[limits]` that the attack aims at.
    pub const fn limits(self) -> &'static str {
        match self {
            Self::Silent | Self::Idle => "connections = 500",
            _ => "",
        }
    }

    /// The limit of descriptors of the edge; none for that of this process.
    pub const fn descriptors(self) -> Option<u32> {
        match self {
            Self::Descriptors => Some(1024),
            _ => None,
        }
    }
}
