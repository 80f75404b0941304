//! The key and the end of a certificate, as a handshake reads them: those that a parser of the whole certificate finds.

use mtls_edge::{clock::Timestamp, tls::Leaf};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Checks a certificate in DER against x509-parser.
pub fn check(certificate: &[u8]) {
    let leaf = Leaf::of(certificate);
    if let Some(leaf) = &leaf {
        let within = certificate.as_ptr_range();
        assert!(within.contains(&leaf.public_key.as_ptr()), "the key is not a part of the certificate");
    }
    let Ok((_, whole)) = X509Certificate::from_der(certificate) else { return };
    let leaf = leaf.unwrap_or_else(|| panic!("x509-parser reads {certificate:?}"));
    assert_eq!(leaf.not_after, Timestamp::from_unix(whole.validity().not_after.timestamp()));
    let key = whole.tbs_certificate.subject_pki.raw;
    // x509-parser drops what follows the key in its SEQUENCE; webpki, which checks signatures by it, refuses that.
    assert!(leaf.public_key.starts_with(key));
    let is_usable =
        webpki::RawPublicKeyEntity::try_from(&SubjectPublicKeyInfoDer::from(leaf.public_key)).is_ok();
    assert!(!is_usable || leaf.public_key == key, "a usable key that x509-parser reads otherwise");
}
