//! What an operator can do about the failure of a connection to an origin.

use std::{error::Error, fmt, io};

use super::{
    Target,
    target::ClientTls,
    unverified::{ServerTrust, unverified},
};

/// How rustls describes the alerts of a server that does not accept the client's certificate, or the lack of one.
const REFUSALS: [&str; 9] = [
    "CertificateRequired",
    "NoCertificate",
    "BadCertificate",
    "UnsupportedCertificate",
    "CertificateRevoked",
    "CertificateExpired",
    "CertificateUnknown",
    "UnknownCA",
    "AccessDenied",
];

/// An error with the advice on it, for the log. It is recognized by its text, since h2 passes on nothing else.
pub(super) fn explained(error: &dyn fmt::Display, target: &Target) -> String {
    let text = error.to_string();
    let alert = text.rsplit_once("received fatal alert: ").map(|(_, alert)| alert);
    let advice = if alert.is_some_and(|alert| REFUSALS.contains(&alert)) {
        certificate_refused(target)
    } else if text.ends_with("a TLS record") {
        ": the origin speaks TLS; write https:// in its URL"
    } else {
        ""
    };
    text + advice
}

/// Why the TLS handshake with an origin failed, for the log.
pub(super) fn of_handshake(error: &io::Error, tls: &ClientTls, target: &Target) -> String {
    let trust = ServerTrust { has_system_roots: Some(tls.has_system_roots), has_server_name: true };
    explained(&unverified(error, trust), target)
}

/// An error of hyper with its cause and the advice, for the log.
pub(super) fn of_hyper(error: &hyper::Error, target: &Target) -> String {
    match error.source() {
        Some(cause) => explained(&format_args!("{error}: {cause}"), target),
        None => error.to_string(),
    }
}

/// The advice on an origin that refuses the edge as a TLS client.
pub(super) fn certificate_refused(target: &Target) -> &'static str {
    if target.client_identity().is_some() {
        ": the origin does not accept the client_certificate of the [[upstream]]"
    } else {
        ": the origin requires a client certificate; write client_certificate and private_key in [[upstream]]"
    }
}
