//! Conversion of a certificate to [`Evidence`].

use rustls_pki_types::CertificateDer;

use super::{Certificate, Client, Evidence, Verdict};
use crate::identity::{ClientCertificate, SubjectAltName};

/// The values that [`Evidence`] borrows from.
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
    /// Converts a certificate.
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

    /// The evidence with this verdict and these intermediates.
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

/// The verdict for a certificate without a verified chain, with the reason in OpenSSL's words.
#[must_use]
pub fn not_verified(certificate: &ClientCertificate) -> Verdict {
    Verdict::NotVerified(if certificate.is_self_issued() {
        "self signed certificate"
    } else {
        "unable to get local issuer certificate"
    })
}
