//! Why a handshake failed, for the metrics, and what a completed one has negotiated.

use std::io;

use rustls::{CertificateError, CipherSuite, CommonState, Error, HandshakeKind, NamedGroup, ProtocolVersion};

use crate::{
    observe::metrics::{HandshakeFailure, KeyExchange, TlsSession},
    pkcs11::SignError,
    request::Negotiated,
    tls::AcceptError,
};

/// A session without a certificate, on a domain that requires one.
#[derive(Debug, thiserror::Error)]
#[error("client certificate required but none presented")]
pub(super) struct NoCertificate;

/// The reason of a failure of [`super::handshake::handshake`].
pub(super) fn reason(error: &AcceptError) -> HandshakeFailure {
    match error {
        AcceptError::NoServerName => HandshakeFailure::NoServerName,
        AcceptError::UnknownServerName(_) => HandshakeFailure::UnknownServerName,
        AcceptError::NoCertificateYet(_) => HandshakeFailure::CertificatePending,
        AcceptError::NoChallenge(_) => HandshakeFailure::NoChallenge,
        AcceptError::PlainHttp => HandshakeFailure::PlainHttp,
        AcceptError::ProxyHeader => HandshakeFailure::ProxyHeader,
        AcceptError::Nothing => HandshakeFailure::Closed,
        AcceptError::Handshake(error) => of_io(error),
    }
}

fn of_io(error: &io::Error) -> HandshakeFailure {
    let inner = error.get_ref();
    if inner.and_then(|inner| inner.downcast_ref::<NoCertificate>()).is_some() {
        return HandshakeFailure::NoCertificate;
    }
    match inner.and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::NoCertificatesPresented) => HandshakeFailure::NoCertificate,
        Some(Error::PeerIncompatible(_)) => HandshakeFailure::Incompatible,
        Some(Error::AlertReceived(_)) => HandshakeFailure::Alert,
        Some(Error::InvalidCertificate(CertificateError::BadSignature)) => HandshakeFailure::Possession,
        Some(Error::InvalidCertificate(_)) => HandshakeFailure::Certificate,
        Some(Error::Other(other)) if other.0.is::<SignError>() => HandshakeFailure::PrivateKey,
        Some(_) => HandshakeFailure::Protocol,
        None if error.kind() == io::ErrorKind::InvalidData => HandshakeFailure::Protocol,
        None => HandshakeFailure::Closed,
    }
}

/// What a completed handshake has negotiated.
pub(super) fn negotiated(tls: &CommonState) -> Negotiated {
    let suite = tls.negotiated_cipher_suite().map(|suite| suite.suite());
    Negotiated { session: session(tls), cipher: suite.map_or("other", cipher) }
}

/// The IANA name of a cipher suite. That of rustls differs for TLS 1.3.
fn cipher(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        other => other.as_str().unwrap_or("other"),
    }
}

fn session(tls: &CommonState) -> TlsSession {
    let is_resumed = tls.handshake_kind() == Some(HandshakeKind::Resumed);
    let group = match tls.negotiated_key_exchange_group().map(rustls::crypto::SupportedKxGroup::name) {
        Some(NamedGroup::X25519MLKEM768) => KeyExchange::X25519MlKem768,
        Some(NamedGroup::X25519) => KeyExchange::X25519,
        Some(NamedGroup::secp256r1) => KeyExchange::Secp256r1,
        Some(NamedGroup::secp384r1) => KeyExchange::Secp384r1,
        Some(_) => KeyExchange::Other,
        None => KeyExchange::None,
    };
    TlsSession { is_tls13: tls.protocol_version() == Some(ProtocolVersion::TLSv1_3), group, is_resumed }
}
