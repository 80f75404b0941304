//! The certificates of a domain by the types of their keys, and which of them a client gets.

use std::sync::Arc;

use rustls::{
    SignatureScheme,
    server::{ClientHello, ResolvesServerCert},
    sign::{CertifiedKey, SingleCertAndKey},
};

/// The type of a private key, which decides to which clients its certificate can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// RSA of any size.
    Rsa,
    /// ECDSA on NIST P-256.
    P256,
    /// ECDSA on NIST P-384.
    P384,
    /// ECDSA on NIST P-521.
    P521,
    /// Ed25519.
    Ed25519,
    /// Another one.
    Other,
}

impl KeyType {
    /// That of a certificate's key.
    #[must_use]
    pub fn of(credential: &CertifiedKey) -> Self {
        let signs = |scheme| credential.key.choose_scheme(&[scheme]).is_some();
        let types = [
            (SignatureScheme::RSA_PSS_SHA256, Self::Rsa),
            (SignatureScheme::ECDSA_NISTP256_SHA256, Self::P256),
            (SignatureScheme::ECDSA_NISTP384_SHA384, Self::P384),
            (SignatureScheme::ECDSA_NISTP521_SHA512, Self::P521),
            (SignatureScheme::ED25519, Self::Ed25519),
        ];
        types.into_iter().find(|(scheme, _)| signs(*scheme)).map_or(Self::Other, |(_, key_type)| key_type)
    }

    /// Its name in messages and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::P256 => "ECDSA P-256",
            Self::P384 => "ECDSA P-384",
            Self::P521 => "ECDSA P-521",
            Self::Ed25519 => "Ed25519",
            Self::Other => "other",
        }
    }
}

/// Selects among these credentials. A single one is shown to all clients.
pub(super) fn resolver(credentials: &[Arc<CertifiedKey>]) -> Arc<dyn ResolvesServerCert> {
    match credentials {
        [only] => Arc::new(SingleCertAndKey::from(Arc::clone(only))),
        _ => Arc::new(FirstAccepted(credentials.into())),
    }
}

/// Selects the first credential whose signatures the client accepts; if it accepts none, the first, with which the handshake fails.
#[derive(Debug)]
struct FirstAccepted(Box<[Arc<CertifiedKey>]>);

impl ResolvesServerCert for FirstAccepted {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // For TLS 1.2, rustls has removed those that no common cipher suite can use.
        let all = hello.signature_schemes();
        let first = |schemes: &[SignatureScheme]| {
            self.0.iter().find(|credential| credential.key.choose_scheme(schemes).is_some())
        };
        // In TLS 1.3, a client offers PKCS #1 v1.5 for the signatures of certificates only (RFC 8446 section 4.2.3).
        let of_handshakes: Vec<SignatureScheme> =
            all.iter().copied().filter(|scheme| !is_pkcs1(*scheme)).collect();
        let offers_tls13 = hello.cipher_suites().iter().any(|suite| u16::from(*suite) >> 8 == 0x13);
        let accepted = if offers_tls13 { first(&of_handshakes) } else { None };
        accepted.or_else(|| first(all)).or_else(|| self.0.first()).cloned()
    }
}

const fn is_pkcs1(scheme: SignatureScheme) -> bool {
    matches!(
        scheme,
        SignatureScheme::RSA_PKCS1_SHA1
            | SignatureScheme::RSA_PKCS1_SHA256
            | SignatureScheme::RSA_PKCS1_SHA384
            | SignatureScheme::RSA_PKCS1_SHA512
    )
}
