//! Labels of TLS handshakes.

use super::{Counter, Label, cells::label};

label! {
    /// Why a handshake failed.
    pub enum HandshakeFailure: "reason" {
        /// It took longer than `handshake_timeout`.
        Timeout = "timeout",
        /// The PROXY header is missing, malformed, not from a trusted proxy, or not expected.
        ProxyHeader = "proxy_header",
        /// The client sent HTTP without TLS.
        PlainHttp = "plain_http",
        /// The ClientHello has no server name.
        NoServerName = "no_server_name",
        /// No domain has the server name.
        UnknownServerName = "unknown_server_name",
        /// The domain has no certificate yet: it is ordered by ACME.
        CertificatePending = "certificate_pending",
        /// The client offers `acme-tls/1` alone, as a CA does, and no ACME validation of the domain is pending.
        NoChallenge = "no_challenge",
        /// Client and edge have no TLS version, cipher suite, group or signature algorithm in common.
        Incompatible = "incompatible",
        /// The domain requires a client certificate, and there is none.
        NoCertificate = "no_certificate",
        /// The client certificate cannot be parsed, or its chain is too long.
        Certificate = "certificate",
        /// The client did not prove possession of the certificate's key.
        Possession = "possession",
        /// The client sent an alert, such as one that it does not trust the server certificate.
        Alert = "alert",
        /// The connection ended within the handshake.
        Closed = "closed",
        /// The domain's private key is in a PKCS#11 token, which did not sign.
        PrivateKey = "private_key",
        /// A message that is not valid in TLS.
        Protocol = "protocol",
    }
}

/// The key exchange of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyExchange {
    /// X25519 with ML-KEM-768.
    X25519MlKem768,
    /// X25519.
    X25519,
    /// NIST P-256.
    Secp256r1,
    /// NIST P-384.
    Secp384r1,
    /// Another group.
    Other,
    /// None, in a resumed session of TLS 1.2.
    None,
}

/// The result of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsSession {
    /// Whether the version is 1.3, and not 1.2.
    pub is_tls13: bool,
    /// The group of the key exchange.
    pub group: KeyExchange,
    /// Whether a session was resumed.
    pub is_resumed: bool,
}

const VERSIONS: [&str; 2] = ["1.2", "1.3"];
const GROUPS: [&str; 6] = ["X25519MLKEM768", "X25519", "secp256r1", "secp384r1", "other", "none"];
const RESUMED: [&str; 2] = ["false", "true"];

impl TlsSession {
    /// The version, such as `1.3`.
    #[must_use]
    pub fn version(self) -> &'static str {
        let [tls12, tls13] = VERSIONS;
        if self.is_tls13 { tls13 } else { tls12 }
    }

    /// The name of the group; `None` in a resumed session of TLS 1.2.
    #[must_use]
    pub fn group(self) -> Option<&'static str> {
        GROUPS.get(self.group as usize).copied().filter(|_| self.group != KeyExchange::None)
    }
}

impl Label for TlsSession {
    const NAMES: &'static [&'static str] = &["version", "group", "resumed"];
    type Counters = [Counter; VERSIONS.len() * GROUPS.len() * RESUMED.len()];

    fn values() -> Vec<Vec<&'static str>> {
        let pairs = VERSIONS.into_iter().flat_map(|version| GROUPS.map(|group| [version, group]));
        pairs.flat_map(|[version, group]| RESUMED.map(|resumed| vec![version, group, resumed])).collect()
    }

    fn counters() -> Self::Counters {
        std::array::from_fn(|_| Counter::default())
    }

    fn index(self) -> usize {
        let Self { is_tls13, group, is_resumed } = self;
        (usize::from(is_tls13) * GROUPS.len() + group as usize) * RESUMED.len() + usize::from(is_resumed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_handshake_has_its_own_series() {
        let values = TlsSession::values();
        let at = |is_tls13, group, is_resumed| &*values[TlsSession { is_tls13, group, is_resumed }.index()];
        assert_eq!(at(false, KeyExchange::X25519MlKem768, false), ["1.2", "X25519MLKEM768", "false"]);
        assert_eq!(at(false, KeyExchange::None, true), ["1.2", "none", "true"]);
        assert_eq!(at(true, KeyExchange::Secp256r1, false), ["1.3", "secp256r1", "false"]);
        assert_eq!(at(true, KeyExchange::Other, true), ["1.3", "other", "true"]);
        assert_eq!(values.len(), TlsSession::counters().len());
    }
}
