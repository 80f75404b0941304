//! The TLS options of a domain that an operator can set.

use std::time::Duration;

/// The specification of a domain's TLS, apart from its certificate and keys. The defaults are those of `[[domain]]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsSpec {
    /// Whether the handshake asks for a client certificate.
    pub client_auth: ClientAuth,
    /// The oldest version of TLS that is accepted.
    pub min_version: MinVersion,
    /// The cipher suites that are offered.
    pub cipher_suites: CipherSuites,
    /// How long a session can be resumed after its full handshake.
    pub session_lifetime: Duration,
    /// Whether the names of the client CAs are sent in the certificate request, so that clients select a certificate by them.
    pub ca_hints: bool,
}

impl Default for TlsSpec {
    fn default() -> Self {
        Self {
            client_auth: ClientAuth::default(),
            min_version: MinVersion::default(),
            cipher_suites: CipherSuites::default(),
            session_lifetime: Duration::from_secs(3600),
            ca_hints: true,
        }
    }
}

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

impl ClientAuth {
    /// As it is configured.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Optional => "optional",
            Self::Off => "off",
        }
    }
}

/// The oldest version of TLS that a domain accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MinVersion {
    /// TLS 1.2 (RFC 5246).
    #[default]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
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
