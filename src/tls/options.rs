//! The TLS options of a domain that an operator can set.

use std::time::Duration;

use rustls::{
    NamedGroup,
    crypto::{SupportedKxGroup, aws_lc_rs::kx_group},
};

/// The specification of a domain's TLS, apart from its certificate and keys. The defaults are those of `[[domain]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSpec {
    /// Whether the handshake asks for a client certificate.
    pub client_auth: ClientAuth,
    /// The oldest version of TLS that is accepted.
    pub min_version: MinVersion,
    /// The cipher suites that are offered.
    pub cipher_suites: CipherSuites,
    /// The key exchange groups that are accepted, in the order of preference. Empty: [`KeyExchangeGroup::ALL`], by the client's preference.
    pub key_exchange_groups: Box<[KeyExchangeGroup]>,
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
            key_exchange_groups: Box::default(),
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

/// A key exchange group that a domain can offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyExchangeGroup {
    /// X25519 with ML-KEM-768. TLS 1.3 only.
    X25519MlKem768,
    /// X25519.
    X25519,
    /// NIST P-256.
    Secp256r1,
    /// NIST P-384.
    Secp384r1,
}

impl KeyExchangeGroup {
    /// Those that rustls offers by default, in its order.
    pub const ALL: [Self; 4] = [Self::X25519MlKem768, Self::X25519, Self::Secp256r1, Self::Secp384r1];

    /// Its name in the access log and the metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::X25519MlKem768 => "X25519MLKEM768",
            Self::X25519 => "X25519",
            Self::Secp256r1 => "secp256r1",
            Self::Secp384r1 => "secp384r1",
        }
    }

    /// Whether TLS 1.2 does not have it.
    #[must_use]
    pub const fn is_tls13_only(self) -> bool {
        matches!(self, Self::X25519MlKem768)
    }

    /// Its implementation.
    pub(super) fn implementation(self) -> &'static dyn SupportedKxGroup {
        match self {
            Self::X25519MlKem768 => kx_group::X25519MLKEM768,
            Self::X25519 => kx_group::X25519,
            Self::Secp256r1 => kx_group::SECP256R1,
            Self::Secp384r1 => kx_group::SECP384R1,
        }
    }

    /// Its number in a ClientHello.
    pub(super) fn number(self) -> NamedGroup {
        self.implementation().name()
    }
}

#[cfg(test)]
mod tests {
    use rustls::crypto::aws_lc_rs::DEFAULT_KX_GROUPS;

    use super::*;

    #[test]
    fn all_groups_of_rustls_can_be_configured() {
        let of_rustls: Vec<NamedGroup> = DEFAULT_KX_GROUPS.iter().map(|group| group.name()).collect();
        assert_eq!(KeyExchangeGroup::ALL.map(KeyExchangeGroup::number).as_slice(), of_rustls);
    }
}
