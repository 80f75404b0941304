//! Why the edge does not accept a server that it connects to, and what the operator can do about it.

use std::{fmt, io};

use rustls::{
    CertificateError, Error, InvalidMessage, PeerIncompatible,
    pki_types::{ServerName, UnixTime},
};

use crate::clock::Timestamp;

/// What is configured for the server.
#[derive(Clone, Copy, Debug)]
pub struct ServerTrust {
    /// Whether the system's roots verify it, and not those of a `ca`. None: it is unknown which.
    pub has_system_roots: Option<bool>,
    /// Whether its table has the key `server_name`.
    pub has_server_name: bool,
}

/// A sentence for the log about a failed handshake.
#[must_use]
pub fn unverified(error: &io::Error, trust: ServerTrust) -> String {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return error.to_string();
    };
    match tls {
        Error::InvalidCertificate(certificate) => refused(certificate, trust),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "the origin speaks no TLS; write http:// in its URL".to_owned()
        }
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => "the server does not support TLS 1.2 or 1.3: enable one of them there".to_owned(),
        other => other.to_string(),
    }
}

fn refused(error: &CertificateError, trust: ServerTrust) -> String {
    match error {
        CertificateError::UnknownIssuer => {
            let whom = match trust.has_system_roots {
                Some(true) => "no CA of the system",
                Some(false) => "no CA of `ca`",
                None => "no trusted CA",
            };
            format!("{whom} has issued the server's certificate: name a PEM file with its issuer as ca")
        }
        // That of a chain, or of the handshake.
        CertificateError::BadSignature => "the server's certificate has an invalid signature: its issuer has another key than the trusted CA of that name, or the server has another key than its certificate".to_owned(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            wrong_name(expected, presented, trust)
        }
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the server's certificate expired on {}: renew it", time(*not_after))
        }
        CertificateError::NotValidYetContext { not_before, time: now } => format!(
            "the server's certificate is not valid before {}: check the clock; it is {} here",
            time(*not_before),
            time(*now)
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the server's certificate is not for servers: issue one with extendedKeyUsage=serverAuth"
                .to_owned()
        }
        CertificateError::Other(other)
            if matches!(other.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity)) =>
        {
            "the server's certificate is a CA's (CA:TRUE, as `openssl req -x509` makes it): issue one with basicConstraints=CA:FALSE".to_owned()
        }
        other => format!("the server's certificate is invalid: {other}"),
    }
}

/// How many names of a certificate are shown.
const SHOWN: usize = 3;

fn wrong_name(expected: &ServerName<'_>, presented: &[String], trust: ServerTrust) -> String {
    let expected = expected.to_str();
    let names: Vec<&str> = presented.iter().map(|name| bare(name)).collect();
    let found = match names.len() {
        0 => "no server name".to_owned(),
        count if count > SHOWN => {
            let first: Vec<&str> = names.iter().take(SHOWN).copied().collect();
            format!("{} and {} other names", first.join(", "), count - SHOWN)
        }
        _ => names.join(", "),
    };
    let cure = match names.iter().find(|name| !name.contains('*') && ServerName::try_from(**name).is_ok()) {
        None => format!("issue one with subjectAltName {expected}"),
        Some(name) if trust.has_server_name => format!("write server_name = \"{name}\""),
        Some(name) => format!("write {name} in the URL, or issue one for {expected}"),
    };
    format!("the server's certificate is for {found}, not {expected}: {cure}")
}

/// The name in webpki's description of it, `DnsName("localhost")`.
fn bare(described: &str) -> &str {
    let inner = described.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(described).trim_matches('"')
}

fn time(at: UnixTime) -> impl fmt::Display {
    Timestamp::from(at)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn described(error: CertificateError, has_server_name: bool) -> String {
        let error = io::Error::new(io::ErrorKind::InvalidData, Error::InvalidCertificate(error));
        unverified(&error, ServerTrust { has_system_roots: Some(false), has_server_name })
    }

    #[test]
    fn times_and_names_of_a_certificate_are_readable() {
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        assert_eq!(
            described(CertificateError::ExpiredContext { time: at(1_800_000_000), not_after: at(0) }, true),
            "the server's certificate expired on 1970-01-01T00:00:00Z: renew it"
        );
        assert_eq!(
            described(CertificateError::NotValidYetContext { time: at(0), not_before: at(86_400) }, true),
            "the server's certificate is not valid before 1970-01-02T00:00:00Z: check the clock; it is 1970-01-01T00:00:00Z here"
        );
        let wrong = |presented: &[&str]| CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("auth.example").unwrap(),
            presented: presented.iter().map(|name| format!("DnsName(\"{name}\")")).collect(),
        };
        for (names, expected) in [
            (&[][..], "no server name, not auth.example: issue one with subjectAltName auth.example"),
            (&["a.example"], "a.example, not auth.example: write server_name = \"a.example\""),
            (
                &["*.a", "b", "c", "d"],
                "*.a, b, c and 1 other names, not auth.example: write server_name = \"b\"",
            ),
        ] {
            let expected = format!("the server's certificate is for {expected}");
            assert_eq!(described(wrong(names), true), expected);
        }
        assert!(
            described(wrong(&["a.example"]), false)
                .ends_with("write a.example in the URL, or issue one for auth.example")
        );
    }
}
