//! Whether one certificate has issued another.

use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use webpki::RawPublicKeyEntity;

use super::{certificate::parse, name::DistinguishedName};

/// Whether `issuer` bears the name of the certificate's issuer (RFC 5280 section 7.1), and its key has signed it.
#[must_use]
pub fn is_issued_by(certificate: &CertificateDer<'_>, issuer: &CertificateDer<'_>) -> bool {
    let (Ok(certificate), Ok(issuer)) = (parse(certificate), parse(issuer)) else { return false };
    let named = DistinguishedName::from_der(certificate.issuer().as_raw());
    let bears = DistinguishedName::from_der(issuer.subject().as_raw());
    let (Ok(named), Ok(bears)) = (named, bears) else { return false };
    let spki = SubjectPublicKeyInfoDer::from(issuer.public_key().raw);
    let Ok(key) = RawPublicKeyEntity::try_from(&spki) else { return false };
    let (signed, signature) = (certificate.tbs_certificate.as_ref(), &certificate.signature_value.data);
    named == bears
        && webpki::ALL_VERIFICATION_ALGS
            .iter()
            .any(|alg| key.verify_signature(*alg, signed, signature).is_ok())
}
