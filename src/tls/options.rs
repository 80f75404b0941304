//! The TLS options of a domain that an operator can set.

/// Whether the TLS handshake requests a client certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// Requested; the handshake fails without one.
    #[default]
    Required,
    /// Requested; each route decides whether one is needed.
    Optional,
    /// Never requested.
    Off,
}

/// Which cipher suites a domain offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CipherSuites {
    /// Those that rustls enables by default.
    #[default]
    Default,
    /// AES-GCM only (FAPI 2.0 section 5.2.2).
    Fapi,
}
