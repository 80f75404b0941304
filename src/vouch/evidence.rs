//! The facts that a profile may tell an upstream.

use rustls_pki_types::CertificateDer;

use crate::clock::Timestamp;

/// What is known of an authenticated client.
///
/// Plain facts, so that this module need not know how a certificate is parsed or judged.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// What every authenticated client has.
    pub client: Client,
    /// Its certificate; absent if it was authenticated without one.
    pub certificate: Option<Certificate<'a>>,
}

impl<'a> Evidence<'a> {
    /// The chain without the leaf; empty without a certificate.
    pub(super) fn intermediates(&self) -> &'a [CertificateDer<'static>] {
        self.certificate.map_or(&[], |certificate| certificate.intermediates)
    }
}

/// What is known of every authenticated client.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Whether a chain to a client CA verifies.
    pub verdict: Verdict,
}

/// A client's certificate, borrowed from the connection.
#[derive(Clone, Copy, Debug)]
pub struct Certificate<'a> {
    /// The client's own certificate, DER.
    pub leaf: &'a [u8],
    /// The rest of the presented chain, without the leaf, in TLS order (RFC 8446 section 4.4.2).
    pub intermediates: &'a [CertificateDer<'static>],
    /// The leaf's subject as OpenSSL prints it with `-nameopt RFC2253`: ASCII, most specific RDN first.
    pub subject_rfc2253: &'a str,
    /// The leaf's issuer, in the same form as the subject.
    pub issuer_rfc2253: &'a str,
    /// The contents of the serial number's INTEGER, big-endian, with or without its sign byte.
    pub serial: &'a [u8],
    /// Start of the validity.
    pub not_before: Timestamp,
    /// End of the validity.
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

/// Whether a CA vouches for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A chain to a configured client CA verifies.
    Verified,
    /// No CA vouches for the certificate, for this reason, such as `self signed certificate`. The
    /// certificate may still be one that is registered by its thumbprint.
    NotVerified(&'static str),
}
