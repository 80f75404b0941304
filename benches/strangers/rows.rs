//! What is measured: one kind of attack each.

/// A row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Row {
    /// A chain with nine CAs of one name that have signed each other, and no path to a client CA.
    Ring,
    /// The same with 6 KB of unknown extensions in each CA.
    RingExtensions,
    /// The same with CAs that bear the name of the client CA.
    RingAnchor,
    /// A self-signed certificate with a subject of 60,000 octets, and requests that get 404.
    Subject,
    /// The same, of characters that a log escapes.
    SubjectEscaped,
    /// Bodies that lack their last octet, on 20 HTTP/2 connections of 100 streams.
    Bodies,
    /// Connections that send nothing, up to the bound, from one address.
    Silent,
    /// The same, that send nothing after the handshake.
    Idle,
    /// A path of 32 KB that is escaped over and over, over HTTP/1.1.
    Escapes,
    /// A path of 4 KB, which HTTP/2 carries in its table, so that each request takes a few octets.
    EscapesHttp2,
    /// More connections than the process may have descriptors; an application is removed meanwhile.
    Descriptors,
    /// Requests to a slow upstream, each cancelled after 20 ms, on one HTTP/2 connection.
    Resets,
}

impl Row {
    /// As it is printed.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Ring => "nine CAs in a ring",
            Self::RingExtensions => "nine CAs in a ring, 6 KB each",
            Self::RingAnchor => "nine CAs named as the client CA",
            Self::Subject => "404s, subject of 60,000 octets",
            Self::SubjectEscaped => "404s, subject of 20,000 U+200B",
            Self::Bodies => "2,000 bodies without an end",
            Self::Silent => "silent connections to the bound",
            Self::Idle => "idle connections to the bound",
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

    /// Lines of `[limits]` that the attack is about.
    pub const fn limits(self) -> &'static str {
        match self {
            Self::Silent | Self::Idle => "connections = 500",
            _ => "",
        }
    }

    /// The most descriptors that the edge may have; none: what this process may have.
    pub const fn descriptors(self) -> Option<u32> {
        match self {
            Self::Descriptors => Some(1024),
            _ => None,
        }
    }
}
