//! A certificate's facts in the forms that headers carry.

use rustls_pki_types::CertificateDer;

use super::{Certificate, Client, Evidence, Verdict};
use crate::identity::{ClientCertificate, SubjectAltName};

/// What [`Evidence`] borrows from, made once for a certificate.
#[derive(Debug)]
pub struct Facts<'a> {
    certificate: &'a ClientCertificate,
    subject: String,
    issuer: String,
    thumbprint: [u8; 32],
    uris: Vec<&'a str>,
    names: Vec<&'a str>,
}

impl<'a> Facts<'a> {
    /// The facts of this certificate.
    #[must_use]
    pub fn of(certificate: &'a ClientCertificate) -> Self {
        let mut facts = Self {
            certificate,
            subject: certificate.subject().to_rfc2253(),
            issuer: certificate.issuer().to_rfc2253(),
            thumbprint: *certificate.thumbprint().as_bytes(),
            uris: Vec::new(),
            names: Vec::new(),
        };
        for san in certificate.sans() {
            match san {
                SubjectAltName::Uri(uri) => facts.uris.push(uri),
                SubjectAltName::Dns(name) => facts.names.push(name),
                SubjectAltName::Ip(_) | SubjectAltName::Email(_) => {}
            }
        }
        facts
    }

    /// The evidence under this verdict, with this chain after the leaf.
    #[must_use]
    pub fn evidence<'b>(
        &'b self,
        verdict: Verdict,
        intermediates: &'b [CertificateDer<'static>],
    ) -> Evidence<'b> {
        let validity = self.certificate.validity();
        let certificate = Certificate {
            leaf: self.certificate.der(),
            intermediates,
            subject_rfc2253: &self.subject,
            issuer_rfc2253: &self.issuer,
            serial: self.certificate.serial(),
            not_before: validity.not_before,
            not_after: validity.not_after,
            thumbprint: &self.thumbprint,
            san_uris: &self.uris,
            san_dns: &self.names,
        };
        Evidence { client: Client { verdict }, certificate: Some(certificate) }
    }
}

/// What follows `FAILED:` for a certificate that no CA vouches for: OpenSSL's words.
#[must_use]
pub fn not_verified(certificate: &ClientCertificate) -> Verdict {
    Verdict::NotVerified(if certificate.is_self_issued() {
        "self signed certificate"
    } else {
        "unable to get local issuer certificate"
    })
}
