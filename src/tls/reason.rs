//! Why a handshake failed, for the operator's log.

use std::{borrow::Cow, io};

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

/// A sentence for the log. Errors that an operator can act on have a text of our own instead of rustls' one.
pub(super) fn reason(error: &io::Error) -> Cow<'static, str> {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        let text = error.to_string();
        // rustls has no error of its own for a message that fills its buffer.
        return if text == BUFFER_FULL { TOO_LARGE.into() } else { text.into() };
    };
    match tls {
        Error::InvalidMessage(InvalidMessage::HandshakePayloadTooLarge) => TOO_LARGE.into(),
        // Of a verifier, or of the private key's token.
        Error::InvalidCertificate(CertificateError::Other(other)) | Error::Other(other) => {
            other.0.to_string().into()
        }
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
        // All clients of TLS 1.2 and 1.3 send this extension.
        Error::PeerIncompatible(PeerIncompatible::SignatureAlgorithmsExtensionRequired) => {
            "the client offers no TLS 1.2 or 1.3, or no signature algorithms".into()
        }
        Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon) => {
            "the client offers no cipher suite that the domain accepts".into()
        }
        Error::PeerIncompatible(PeerIncompatible::NoKxGroupsInCommon) => {
            "the client offers no key exchange group that the domain accepts (X25519MLKEM768, X25519, secp256r1, secp384r1, or by key_exchange_groups fewer)".into()
        }
        Error::PeerIncompatible(PeerIncompatible::NoSignatureSchemesInCommon) => {
            "the client offers no signature algorithm for the key of the server certificate".into()
        }
        Error::AlertReceived(alert) => received(*alert).into(),
        other => other.to_string().into(),
    }
}

/// What the client reports by an alert, with its name (RFC 8446 section 6).
fn received(alert: AlertDescription) -> String {
    let what = match alert {
        AlertDescription::UnknownCA => "does not trust the issuer of the server certificate",
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate => "rejects the server certificate",
        AlertDescription::CertificateExpired => "reports that the server certificate is not valid now",
        AlertDescription::CertificateRevoked => "reports that the server certificate is revoked",
        AlertDescription::HandshakeFailure
        | AlertDescription::InsufficientSecurity
        | AlertDescription::ProtocolVersion => "does not accept the negotiated parameters",
        AlertDescription::DecryptError => "reports an invalid signature of the handshake",
        AlertDescription::AccessDenied | AlertDescription::UserCanceled => "aborted the handshake",
        _ => "reports an error",
    };
    format!("the client {what} (alert {})", name(alert))
}

/// The name of an alert as RFC 8446 writes it, such as `unknown_ca`.
fn name(alert: AlertDescription) -> String {
    let Some(camel) = alert.as_str() else { return u8::from(alert).to_string() };
    let mut name = String::new();
    let mut letters = camel.chars().peekable();
    let mut previous = None;
    while let Some(letter) = letters.next() {
        let is_first = match previous {
            Some(previous) if letter.is_uppercase() => {
                char::is_lowercase(previous) || letters.peek().is_some_and(|next| next.is_lowercase())
            }
            _ => false,
        };
        if is_first {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
        previous = Some(letter);
    }
    name
}

const BUFFER_FULL: &str = "message buffer full";
const TOO_LARGE: &str = "the client's message is larger than 64 KiB: its certificate chain may be too long";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_have_the_names_of_the_rfc() {
        for (alert, expected) in [
            (AlertDescription::UnknownCA, "unknown_ca"),
            (AlertDescription::BadCertificate, "bad_certificate"),
            (AlertDescription::UnknownPSKIdentity, "unknown_psk_identity"),
            (AlertDescription::Unknown(200), "200"),
        ] {
            assert_eq!(name(alert), expected);
        }
        let error =
            io::Error::new(io::ErrorKind::InvalidData, Error::AlertReceived(AlertDescription::UnknownCA));
        assert_eq!(
            reason(&error),
            "the client does not trust the issuer of the server certificate (alert unknown_ca)"
        );
    }
}
