//! Why a handshake failed, for the operator's log.

use std::{borrow::Cow, io};

use rustls::{CertificateError, Error, InvalidMessage, PeerIncompatible};

/// A sentence for the log. Errors that an operator can act on have a text of our own instead of rustls' one.
pub(super) fn reason(error: &io::Error) -> Cow<'static, str> {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        let text = error.to_string();
        // rustls has no error of its own for a message that fills its buffer.
        return if text == BUFFER_FULL { TOO_LARGE.into() } else { text.into() };
    };
    match tls {
        Error::InvalidMessage(InvalidMessage::HandshakePayloadTooLarge) => TOO_LARGE.into(),
        Error::InvalidCertificate(CertificateError::Other(other)) => other.0.to_string().into(),
        Error::InvalidCertificate(CertificateError::BadSignature) => {
            "the client did not prove possession of its certificate's key: invalid signature".into()
        }
        Error::InvalidCertificate(CertificateError::BadEncoding) => {
            "the client certificate cannot be parsed".into()
        }
        Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled | PeerIncompatible::SupportedVersionsExtensionRequired,
        ) => "the client offers no version of TLS that the domain accepts (TLS 1.2 and 1.3, or by min_tls_version 1.3 only)".into(),
        Error::PeerIncompatible(PeerIncompatible::NoKxGroupsInCommon) => {
            "the client offers no key exchange group that the domain accepts (X25519MLKEM768, X25519, secp256r1, secp384r1, or by key_exchange_groups fewer)".into()
        }
        other => other.to_string().into(),
    }
}

const BUFFER_FULL: &str = "message buffer full";
const TOO_LARGE: &str = "the client's message is larger than 64 KiB: its certificate chain may be too long";
