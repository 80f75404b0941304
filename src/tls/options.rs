//! The choices of a domain's TLS that an operator makes.

/// Whether the TLS handshake asks for a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// Asked for; the handshake fails without one.
    #[default]
    Required,
    /// Asked for; routes decide.
    Optional,
    /// Never asked for.
    Off,
}

/// Which cipher suites a domain offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CipherSuites {
    /// rustls' own list.
    #[default]
    Default,
    /// FAPI 2.0 section 5.2.2: AES-GCM only.
    Fapi,
}
