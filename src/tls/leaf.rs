//! The parts of a client certificate that a handshake needs: its public key and notAfter.
//!
//! `request::ClientIdentity` parses the whole certificate, once per worker. Doing that in each handshake would cost more than anything
//! else that the edge itself does there.

use x509_parser::{
    asn1_rs::{Any, Class, FromDer, Tag},
    certificate::Validity,
};

use crate::clock::Timestamp;

/// A certificate's subjectPublicKeyInfo and notAfter (RFC 5280 section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf<'a> {
    /// The subjectPublicKeyInfo in DER.
    pub public_key: &'a [u8],
    /// notAfter.
    pub not_after: Timestamp,
}

impl<'a> Leaf<'a> {
    /// Parses a certificate up to its public key; none if that fails.
    #[must_use]
    pub fn of(certificate: &'a [u8]) -> Option<Self> {
        let tbs = content(content(certificate)?)?;
        let (after, first) = Any::from_der(tbs).ok()?;
        let has_version = (first.class(), first.tag()) == (Class::ContextSpecific, Tag(0));
        let serial_number = if has_version { after } else { tbs };
        let signature = after_value(serial_number)?;
        let issuer = after_value(signature)?;
        let (subject, validity) = Validity::from_der(after_value(issuer)?).ok()?;
        let key = after_value(subject)?;
        content(key)?;
        let public_key = key.get(..key.len() - after_value(key)?.len())?;
        Some(Self { public_key, not_after: Timestamp::from_unix(validity.not_after.timestamp()) })
    }
}

/// The content of a SEQUENCE.
fn content(der: &[u8]) -> Option<&[u8]> {
    let (_, any) = Any::from_der(der).ok()?;
    (any.tag() == Tag::Sequence).then_some(any.data)
}

/// The bytes after the first value.
fn after_value(der: &[u8]) -> Option<&[u8]> {
    Any::from_der(der).ok().map(|(after, _)| after)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, SerialNumber};
    use rustls::pki_types::SubjectPublicKeyInfoDer;
    use x509_parser::prelude::X509Certificate;

    use super::*;

    fn whole(certificate: &[u8]) -> Option<Leaf<'_>> {
        let (_, whole) = X509Certificate::from_der(certificate).ok()?;
        let not_after = Timestamp::from_unix(whole.validity().not_after.timestamp());
        Some(Leaf { public_key: whole.tbs_certificate.subject_pki.raw, not_after })
    }

    fn certificate(name: &str, serial: u64, algorithm: &'static rcgen::SignatureAlgorithm) -> Vec<u8> {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.serial_number = Some(SerialNumber::from(serial));
        let key = KeyPair::generate_for(algorithm).unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    /// Whether webpki can verify signatures with this key.
    fn is_usable(public_key: &[u8]) -> bool {
        webpki::RawPublicKeyEntity::try_from(&SubjectPublicKeyInfoDer::from(public_key)).is_ok()
    }

    proptest! {
        #[test]
        fn spki_matches_the_full_parser(name in "[a-z]{1,40}", serial: u64, ed25519: bool) {
            let algorithm = if ed25519 { &PKCS_ED25519 } else { &PKCS_ECDSA_P256_SHA256 };
            let certificate = certificate(&name, serial, algorithm);
            prop_assert_eq!(Leaf::of(&certificate), whole(&certificate));
            prop_assert!(Leaf::of(&certificate).is_some_and(|leaf| is_usable(leaf.public_key)));
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Leaf::of(&bytes);
        }
    }

    #[test]
    fn spki_matches_full_parser_under_byte_mutation() {
        let original = certificate("a", 1, &PKCS_ECDSA_P256_SHA256);
        for at in 0..original.len() {
            for byte in 0..=255_u8 {
                let mut changed = original.clone();
                changed[at] = byte;
                let Some(whole) = whole(&changed) else { continue };
                let leaf = Leaf::of(&changed).unwrap();
                assert_eq!(leaf.not_after, whole.not_after, "{byte:#x} at {at}");
                // x509-parser ignores bytes after the key in its SEQUENCE, which webpki rejects.
                assert!(leaf.public_key.starts_with(whole.public_key), "{byte:#x} at {at}");
                assert!(!is_usable(leaf.public_key) || leaf == whole, "{byte:#x} at {at}");
            }
        }
    }

    #[test]
    fn a_truncated_certificate_has_no_key() {
        let certificate = certificate("a", 1, &PKCS_ECDSA_P256_SHA256);
        for length in 0..certificate.len() {
            assert_eq!(Leaf::of(&certificate[..length]), None, "{length} bytes");
        }
    }
}
