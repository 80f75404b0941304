use proptest::prelude::*;
use rcgen::{CertificateParams, KeyPair, SanType};
use testkit::{Ca, tool::openssl};

use super::*;
use crate::identity::testing::{client, read_pem, self_signed};

#[test]
fn the_fields_of_a_leaf_are_read() {
    let root = Ca::new("root");
    let leaf = root.leaf("a", |p: &mut CertificateParams| {
        p.subject_alt_names = vec![
            SanType::DnsName("A.example.com".try_into().unwrap()),
            SanType::URI("spiffe://example.com/a".try_into().unwrap()),
            SanType::IpAddress([192, 0, 2, 1].into()),
            SanType::Rfc822Name("a@example.com".try_into().unwrap()),
        ];
        p.serial_number = Some(vec![1, 2, 3].into());
    });
    let identity = client(&[leaf.clone(), root.der()]);
    assert_eq!(identity.der(), &leaf);
    assert_eq!(identity.intermediates(), [root.der()]);
    assert_eq!(identity.thumbprint(), Thumbprint::of(&leaf));
    assert_eq!(identity.subject().to_rfc4514(), "CN=a");
    assert_eq!(identity.issuer().to_rfc4514(), "CN=root");
    assert_eq!(identity.serial(), [1, 2, 3]);
    assert_eq!(identity.version(), 3);
    assert!(!identity.is_self_issued());
    assert_eq!(identity.public_key(), "P-256");
    let sans = [
        SubjectAltName::dns("A.example.com").unwrap(),
        SubjectAltName::uri("spiffe://example.com/a").unwrap(),
        SubjectAltName::ip("192.0.2.1").unwrap(),
        SubjectAltName::email("a@example.com").unwrap(),
    ];
    assert_eq!(identity.sans(), sans);
    assert_eq!(spki_hash(&leaf).unwrap(), sha256(identity.spki_der()));
    let text = format!("{identity:?}");
    assert!(text.len() < 300 && text.contains("CN=a"), "{text}");
}

#[test]
fn presented_chains_are_bounded() {
    let leaf = self_signed(|_| {});
    assert_eq!(ClientCertificate::from_chain(&[]).unwrap_err(), IdentityError::NoCertificate);
    let many = vec![leaf.clone(); MAX_CERTIFICATES + 1];
    assert_eq!(ClientCertificate::from_chain(&many).unwrap_err(), IdentityError::TooMany { found: 11 });
    let large = [leaf.clone(), vec![0; MAX_CHAIN_BYTES].into()];
    assert!(matches!(ClientCertificate::from_chain(&large), Err(IdentityError::TooLarge { .. })));
    let mut longer = leaf.to_vec();
    longer.push(0);
    let error = ClientCertificate::from_chain(&[longer.into()]).unwrap_err();
    assert_eq!(error, IdentityError::TrailingBytes { bytes: 1 });
}

#[test]
fn the_chain_hash_covers_certificate_boundaries() {
    let (a, b) = (self_signed(|_| {}), self_signed(|_| {}));
    let hash = |chain: &[CertificateDer<'static>]| client(chain).chain_hash();
    assert_ne!(hash(std::slice::from_ref(&a)), hash(&[a.clone(), b.clone()]));
    let (mut whole, junk) = (b.to_vec(), b.to_vec());
    whole.extend_from_slice(&junk);
    assert_ne!(hash(&[a.clone(), b.clone(), b.clone()]), hash(&[a.clone(), whole.into()]));
    assert_eq!(hash(&[a.clone(), b.clone()]), hash(&[a, b]));
}

#[test]
fn key_types_of_openssl_are_described() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for (arguments, description) in [
        (&["RSA", "-pkeyopt", "rsa_keygen_bits:2048"][..], "RSA 2048"),
        (&["EC", "-pkeyopt", "ec_paramgen_curve:P-384"], "P-384"),
        (&["EC", "-pkeyopt", "ec_paramgen_curve:P-521"], "P-521"),
        (&["ED25519"], "Ed25519"),
    ] {
        openssl(dir, &[&["genpkey", "-out", "key.pem", "-algorithm"], arguments].concat());
        openssl(dir, &["req", "-x509", "-key", "key.pem", "-subj", "/CN=a", "-out", "cert.pem"]);
        let identity = client(&[read_pem(&dir.join("cert.pem"))]);
        assert_eq!(identity.public_key(), description);
        assert!(identity.is_self_issued());
    }
}

#[test]
fn validity_includes_both_ends() {
    let at = Timestamp::from_unix;
    let validity = |from, to| Validity { not_before: at(from), not_after: at(to) };
    let span = validity(10, 20);
    assert!(span.contains(at(10)) && span.contains(at(20)));
    assert!(!span.contains(at(9)) && !span.contains(at(21)));
    let both = span.intersect(&validity(15, 30));
    assert_eq!(both, validity(15, 20));
    assert!(!span.intersect(&validity(25, 30)).contains(at(22)));
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(bytes: Vec<u8>) {
        let _ = ClientCertificate::from_chain(&[bytes.into()]);
    }

    #[test]
    fn damaged_certificates_do_not_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::URI("urn:a".try_into().unwrap()));
        let mut der = params.self_signed(&key).unwrap().der().to_vec();
        for (at, byte) in changes {
            let at = at.index(der.len());
            der[at] = byte;
        }
        let root = Ca::new("root");
        let authorities = crate::identity::testing::trust(&[&root]);
        if let Ok(identity) = ClientCertificate::from_chain(&[der.into(), root.der()]) {
            let _ = crate::identity::verify_chain(&identity, &authorities, Timestamp::from_unix(0));
            let _ = (identity.subject().to_rfc2253(), identity.subject().to_openssl());
        }
    }
}
