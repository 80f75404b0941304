//! Whether a CA has issued a certificate.

use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use webpki::RawPublicKeyEntity;

use super::{certificate::parse, name::DistinguishedName};

/// Whether `issuer` has the name of the certificate's issuer (RFC 5280 section 7.1) and its key has signed the certificate.
#[must_use]
pub fn is_issued_by(certificate: &CertificateDer<'_>, issuer: &CertificateDer<'_>) -> bool {
    let (Ok(certificate), Ok(issuer)) = (parse(certificate), parse(issuer)) else { return false };
    let named = DistinguishedName::from_der(certificate.issuer().as_raw());
    let subject = DistinguishedName::from_der(issuer.subject().as_raw());
    let (Ok(named), Ok(subject)) = (named, subject) else { return false };
    let spki = SubjectPublicKeyInfoDer::from(issuer.public_key().raw);
    let Ok(key) = RawPublicKeyEntity::try_from(&spki) else { return false };
    let (signed, signature) = (certificate.tbs_certificate.as_ref(), &certificate.signature_value.data);
    named == subject
        && webpki::ALL_VERIFICATION_ALGS
            .iter()
            .any(|alg| key.verify_signature(*alg, signed, signature).is_ok())
}
