//! The facts about a client that profiles encode.

use rustls_pki_types::CertificateDer;

use crate::clock::Timestamp;

/// The facts about an authenticated client.
///
/// Plain values, so that encodings do not depend on how a certificate is parsed or judged.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The facts about every authenticated client.
    pub client: Client,
    /// The client's certificate; `None` if it was authenticated without one.
    pub certificate: Option<Certificate<'a>>,
}

impl<'a> Evidence<'a> {
    /// The chain without the leaf; empty without a certificate.
    pub(super) fn intermediates(&self) -> &'a [CertificateDer<'static>] {
        self.certificate.map_or(&[], |certificate| certificate.intermediates)
    }
}

/// The facts about every authenticated client.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Whether a chain to a client CA verifies.
    pub verdict: Verdict,
}

/// A client's certificate, borrowed from the connection.
#[derive(Clone, Copy, Debug)]
pub struct Certificate<'a> {
    /// The client's certificate in DER.
    pub leaf: &'a [u8],
    /// The chain without the leaf, in TLS order (RFC 8446 section 4.4.2).
    pub intermediates: &'a [CertificateDer<'static>],
    /// The leaf's subject as OpenSSL prints it with `-nameopt RFC2253`: ASCII, most specific RDN first.
    pub subject_rfc2253: &'a str,
    /// The leaf's issuer, in the same form as the subject.
    pub issuer_rfc2253: &'a str,
    /// The content of the serial number INTEGER, big-endian, with or without a sign byte.
    pub serial: &'a [u8],
    /// The first second of the validity.
    pub not_before: Timestamp,
    /// The last second of the validity.
    pub not_after: Timestamp,
    /// SHA-256 of the leaf's DER (RFC 8705 section 3.1).
    pub thumbprint: &'a [u8; 32],
    /// The leaf's SAN URIs, in certificate order.
    pub san_uris: &'a [&'a str],
    /// The leaf's SAN DNS names, in certificate order.
    pub san_dns: &'a [&'a str],
}

impl<'a> Certificate<'a> {
    /// The whole chain, leaf first.
    pub(super) fn chain(&self) -> impl Iterator<Item = &'a [u8]> {
        std::iter::once(self.leaf).chain(self.intermediates.iter().map(AsRef::as_ref))
    }
}

/// Whether a chain of the client's certificate is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A chain to a configured client CA verifies.
    Verified,
    /// No chain verifies, for this reason, such as `self signed certificate`. The certificate may be registered by its thumbprint.
    NotVerified(&'static str),
}
