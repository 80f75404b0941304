use rcgen::{
    BasicConstraints, CidrSubnet, CustomExtension, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    KeyUsagePurpose, NameConstraints, SanType, SerialNumber, date_time_ymd,
};
use rustls_pki_types::CertificateDer;
use testkit::{Ca, tool::openssl};

use super::*;
use crate::{
    clock::Timestamp,
    identity::{
        authorities::{Purpose, RevocationPolicy, ca::UnusableCa},
        certificate::spki_hash,
        testing::{NOW, client, read_pem, self_signed, trust},
    },
};

mod cost;
mod differential;
mod revocation;

fn verified(chain: &[CertificateDer<'static>], authorities: &Authorities) -> Vec<VerifiedPath> {
    match verify_chain(&client(chain), authorities, NOW) {
        ChainVerdict::Verified(paths) => paths,
        ChainVerdict::Refused(refusal) => panic!("refused: {refusal}"),
    }
}

fn refused_at(chain: &[CertificateDer<'static>], authorities: &Authorities, now: Timestamp) -> ChainRefusal {
    match verify_chain(&client(chain), authorities, now) {
        ChainVerdict::Verified(paths) => panic!("verified: {paths:?}"),
        ChainVerdict::Refused(refusal) => refusal,
    }
}

fn refused(chain: &[CertificateDer<'static>], authorities: &Authorities) -> ChainRefusal {
    refused_at(chain, authorities, NOW)
}

fn key(ca: &Ca) -> [u8; 32] {
    spki_hash(&ca.der()).unwrap()
}

#[test]
fn a_leaf_of_a_client_ca_verifies_and_names_its_keys() {
    let root = Ca::new("root");
    let paths = verified(&[root.leaf("a", |_| {})], &trust(&[&root]));
    assert_eq!(paths.len(), 1);
    assert_eq!(paths[0].issuer_keys, [key(&root)]);
    assert!(paths[0].intermediates.is_empty());
    assert!(paths[0].validity.contains(NOW));
}

#[test]
fn an_intermediate_verifies_in_any_order_and_beside_the_root() {
    let root = Ca::new("root");
    let upper = root.intermediate("upper", |_| {});
    let lower = upper.intermediate("lower", |_| {});
    let leaf = lower.leaf("a", |_| {});
    let chains = [
        vec![leaf.clone(), lower.der(), upper.der()],
        vec![leaf.clone(), upper.der(), lower.der()],
        vec![leaf.clone(), lower.der(), upper.der(), root.der()],
    ];
    for chain in chains {
        let paths = verified(&chain, &trust(&[&root]));
        assert_eq!(paths.len(), 1);
        assert_eq!(paths[0].intermediates, [lower.der(), upper.der()]);
        assert_eq!(paths[0].issuer_keys, [key(&lower), key(&upper), key(&root)]);
    }
    let refusal = refused(&[leaf], &trust(&[&root]));
    assert_eq!(refusal, ChainRefusal::UnknownIssuer { issuer: "CN=lower".into() });
}

#[test]
fn two_cas_of_one_name_are_distinguished() {
    let (first, second) = (Ca::new("corp"), Ca::new("corp"));
    let both = trust(&[&first, &second]);
    for ca in [&first, &second] {
        let paths = verified(&[ca.leaf("a", |_| {})], &both);
        assert_eq!(paths.len(), 1);
        assert_eq!(paths[0].issuer_keys, [key(ca)]);
    }
    let refusal = refused(&[second.leaf("a", |_| {})], &trust(&[&first]));
    assert!(matches!(refusal, ChainRefusal::Signature { .. }), "{refusal}");
}

#[test]
fn every_valid_path_is_found() {
    // The intermediate is a client CA too, as an operator may add it to pin it.
    let root = Ca::new("root");
    let sub = root.intermediate("sub", |_| {});
    let paths = verified(&[sub.leaf("a", |_| {}), sub.der()], &trust(&[&root, &sub]));
    let keys: Vec<_> = paths.iter().map(|path| path.issuer_keys.clone()).collect();
    assert!(keys.contains(&vec![key(&sub)]) && keys.contains(&vec![key(&sub), key(&root)]), "{keys:?}");
}

#[test]
fn a_certificate_for_servers_only_is_refused() {
    let root = Ca::new("root");
    let server =
        |p: &mut rcgen::CertificateParams| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let refusal = refused(&[root.leaf("a", server)], &trust(&[&root]));
    assert_eq!(
        refusal,
        ChainRefusal::NotForClientAuth { purpose: Purpose::Client, member: PathMember::Client }
    );
    verified(&[root.leaf("a", |p| p.extended_key_usages.clear())], &trust(&[&root]));
    let refusal = refused(
        &[root.leaf("a", |p| p.key_usages = vec![KeyUsagePurpose::KeyEncipherment])],
        &trust(&[&root]),
    );
    assert_eq!(refusal, ChainRefusal::LeafKeyUsage);
}

#[test]
fn time_is_judged_at_leaf_intermediate_and_anchor() {
    let root = Ca::new("root");
    let trusted = trust(&[&root]);
    let old = |p: &mut rcgen::CertificateParams| p.not_after = date_time_ymd(2029, 1, 1);
    let young = |p: &mut rcgen::CertificateParams| p.not_before = date_time_ymd(2031, 1, 1);

    let cases = [
        (vec![root.leaf("a", old)], "the certificate expired on 2029-01-01T00:00:00Z"),
        (vec![root.leaf("a", young)], "the certificate is not valid before 2031-01-01T00:00:00Z"),
        {
            let sub = root.intermediate("sub", old);
            let message = "an intermediate CA certificate expired on 2029-01-01T00:00:00Z";
            (vec![sub.leaf("a", |_| {}), sub.der()], message)
        },
        {
            let sub = root.intermediate("sub", young);
            let message = "an intermediate CA certificate is not valid before 2031-01-01T00:00:00Z";
            (vec![sub.leaf("a", |_| {}), sub.der()], message)
        },
    ];
    for (chain, message) in cases {
        assert_eq!(refused(&chain, &trusted).to_string(), message);
    }

    let expired = Ca::with("old", old);
    let refusal = refused(&[expired.leaf("a", |_| {})], &trust(&[&expired]));
    assert_eq!(refusal.to_string(), "the CA \"CN=old\" may not issue: it expired on 2029-01-01T00:00:00Z");
}

#[test]
fn the_validity_of_a_path_is_that_of_its_shortest_lived_part() {
    let root = Ca::with("root", |p| p.not_after = date_time_ymd(2035, 1, 1));
    let sub = root.intermediate("sub", |p| p.not_before = date_time_ymd(2022, 1, 1));
    let validity = verified(&[sub.leaf("a", |_| {}), sub.der()], &trust(&[&root]))[0].validity;
    assert_eq!(validity.not_before, Timestamp::from(date_time_ymd(2022, 1, 1)));
    assert_eq!(validity.not_after, Timestamp::from(date_time_ymd(2035, 1, 1)));
}

#[test]
fn an_issuer_that_may_not_issue_is_refused() {
    let root = Ca::new("root");
    let no_sign = |p: &mut rcgen::CertificateParams| p.key_usages = vec![KeyUsagePurpose::CrlSign];
    let no_ca = |p: &mut rcgen::CertificateParams| p.is_ca = IsCa::ExplicitNoCa;

    let sub = root.intermediate("sub", no_ca);
    assert_eq!(
        refused(&[sub.leaf("a", |_| {}), sub.der()], &trust(&[&root])),
        ChainRefusal::IssuerNotCa { subject: "CN=sub".into() }
    );

    let sub = root.intermediate("sub", no_sign);
    let refusal = refused(&[sub.leaf("a", |_| {}), sub.der()], &trust(&[&root]));
    assert_eq!(
        refusal,
        ChainRefusal::UnusableCa { subject: "CN=sub".into(), reason: UnusableCa::NoKeyCertSign }
    );

    for (ca, reason) in
        [(Ca::with("ca", no_ca), UnusableCa::NotCa), (Ca::with("ca", no_sign), UnusableCa::NoKeyCertSign)]
    {
        let trusted = trust(&[&ca]);
        let refusal = refused(&[ca.leaf("a", |_| {})], &trusted);
        assert_eq!(refusal, ChainRefusal::UnusableCa { subject: "CN=ca".into(), reason });
        assert_eq!(trusted.warnings(NOW)[0].reason, reason);
    }
}

#[test]
fn path_length_applies_to_intermediate_and_anchor() {
    let none_below = |p: &mut rcgen::CertificateParams| p.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let root = Ca::with("root", none_below);
    let sub = root.intermediate("sub", |_| {});
    let refusal = refused(&[sub.leaf("a", |_| {}), sub.der()], &trust(&[&root]));
    assert_eq!(refusal, ChainRefusal::PathLength { subject: "CN=root".into() });
    verified(&[root.leaf("a", |_| {})], &trust(&[&root]));

    let root = Ca::new("root");
    let upper = root.intermediate("upper", none_below);
    let lower = upper.intermediate("lower", |_| {});
    let refusal = refused(&[lower.leaf("a", |_| {}), lower.der(), upper.der()], &trust(&[&root]));
    assert!(matches!(refusal, ChainRefusal::PathLength { .. }), "{refusal}");
    verified(&[upper.leaf("a", |_| {}), upper.der()], &trust(&[&root]));
}

fn permit(subtree: GeneralSubtree) -> impl FnOnce(&mut rcgen::CertificateParams) {
    |p| {
        p.name_constraints =
            Some(NameConstraints { permitted_subtrees: vec![subtree], excluded_subtrees: Vec::new() });
    }
}

fn dns(name: &'static str) -> impl Fn(&mut rcgen::CertificateParams) {
    move |p| p.subject_alt_names = vec![SanType::DnsName(name.try_into().unwrap())]
}

fn outside(name: &str, ca: &str) -> ChainRefusal {
    ChainRefusal::NameConstraint { name: name.into(), member: PathMember::Client, ca: ca.into() }
}

#[test]
fn dns_and_ip_name_constraints_are_judged() {
    let root = Ca::new("root");
    let plain = trust(&[&root]);
    let sub = root.intermediate("sub", permit(GeneralSubtree::DnsName("example.com".into())));
    verified(&[sub.leaf("a", dns("a.example.com")), sub.der()], &plain);
    let refusal = refused(&[sub.leaf("a", dns("a.example.org")), sub.der()], &plain);
    assert_eq!(refusal, outside("dNSName \"a.example.org\"", "CN=sub"));

    let root = Ca::with("root", permit(GeneralSubtree::DnsName("example.com".into())));
    verified(&[root.leaf("a", dns("a.example.com"))], &trust(&[&root]));
    assert_eq!(
        refused(&[root.leaf("a", dns("b.org"))], &trust(&[&root])),
        outside("dNSName \"b.org\"", "CN=root")
    );

    let net = CidrSubnet::from_v4_prefix([192, 0, 2, 0], 24);
    let root = Ca::with("root", permit(GeneralSubtree::IpAddress(net)));
    let ip = |bytes: [u8; 4]| {
        move |p: &mut rcgen::CertificateParams| p.subject_alt_names = vec![SanType::IpAddress(bytes.into())]
    };
    verified(&[root.leaf("a", ip([192, 0, 2, 7]))], &trust(&[&root]));
    assert_eq!(
        refused(&[root.leaf("a", ip([198, 51, 100, 7]))], &trust(&[&root])),
        outside("iPAddress 198.51.100.7", "CN=root")
    );
}

#[test]
fn malformed_name_constraints_are_refused() {
    let malformed = CustomExtension::from_oid_content(&[2, 5, 29, 30], vec![0x30, 0x02, 0x05, 0x00]);
    let root = Ca::with("root", |p| p.custom_extensions = vec![malformed]);
    let reason = UnusableCa::MalformedConstraints;
    let trusted = trust(&[&root]);
    let refusal = refused(&[root.leaf("a", |_| {})], &trusted);
    assert_eq!(refusal, ChainRefusal::UnusableCa { subject: "CN=root".into(), reason });
    assert_eq!(trusted.warnings(NOW)[0].reason, reason);
}

#[test]
fn a_self_signed_certificate_is_reported_first() {
    let root = Ca::new("root");
    let ca = |p: &mut rcgen::CertificateParams| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    for leaf in [
        self_signed(|_| {}),
        self_signed(ca),
        self_signed(|p| p.not_after = date_time_ymd(2029, 1, 1)),
        // One that bears the name of a client CA.
        self_signed(|p| p.distinguished_name.push(DnType::CommonName, "root")),
        self_signed(|p| {
            ca(p);
            p.distinguished_name.push(DnType::CommonName, "root");
        }),
    ] {
        for trusted in [trust(&[&root]), Authorities::empty()] {
            let refusal = refused(std::slice::from_ref(&leaf), &trusted);
            assert_eq!(refusal, ChainRefusal::SelfSigned { version: 3 });
        }
    }
}

#[test]
fn a_client_ca_is_not_a_client() {
    let root = Ca::new("root");
    let refusal = refused(&[root.der()], &trust(&[&root]));
    assert_eq!(refusal, ChainRefusal::ClientCaAsClient { subject: "CN=root".into() });
    let leaf = self_signed(|_| {});
    let trusted = Authorities::new(vec![leaf.clone()], Vec::new(), RevocationPolicy::default()).unwrap();
    assert_eq!(refused(&[leaf], &trusted), ChainRefusal::ClientCaAsClient { subject: "CN=self".into() });

    let sub = root.intermediate("sub", |_| {});
    assert_eq!(refused(&[sub.der()], &trust(&[&root])), ChainRefusal::CaAsClient);
}

#[test]
fn version_1_certificates_are_refused_by_version() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let key = |name: &str| {
        openssl(dir, &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", name]);
    };
    key("ca.key");
    key("leaf.key");
    openssl(dir, &["req", "-x509", "-key", "ca.key", "-subj", "/CN=ca", "-days", "9000", "-out", "ca.pem"]);
    openssl(dir, &["req", "-new", "-key", "leaf.key", "-subj", "/CN=leaf", "-out", "leaf.csr"]);
    let sign = ["x509", "-req", "-in", "leaf.csr", "-days", "9000", "-CAcreateserial", "-CA"];
    openssl(dir, &[&sign[..], &["ca.pem", "-CAkey", "ca.key", "-out", "leaf.pem"]].concat());
    openssl(
        dir,
        &["x509", "-req", "-in", "leaf.csr", "-signkey", "leaf.key", "-days", "9000", "-out", "v1.pem"],
    );

    let ca = Authorities::new(vec![read_pem(&dir.join("ca.pem"))], Vec::new(), RevocationPolicy::default())
        .unwrap();
    let leaf = read_pem(&dir.join("leaf.pem"));
    assert_eq!(client(std::slice::from_ref(&leaf)).version(), 1);
    let refusal = refused(&[leaf], &ca);
    assert_eq!(refusal, ChainRefusal::Version { version: 1 });
    assert!(refusal.to_string().starts_with("X.509 version 1 certificate"));

    let own = read_pem(&dir.join("v1.pem"));
    assert_eq!(refused(std::slice::from_ref(&own), &ca), ChainRefusal::SelfSigned { version: 1 });
    let trusted = Authorities::new(vec![own], Vec::new(), RevocationPolicy::default()).unwrap();
    assert_eq!(trusted.warnings(NOW)[0].reason, UnusableCa::Version { version: 1 });
}

fn serial(number: u64) -> impl Fn(&mut rcgen::CertificateParams) {
    move |p| p.serial_number = Some(SerialNumber::from(number))
}

#[test]
fn a_renewed_ca_beside_its_expired_certificate_works() {
    let root = Ca::with("root", |p| p.not_after = date_time_ymd(2029, 1, 1));
    let renewed = root.twin(|p| p.not_after = date_time_ymd(2039, 1, 1));
    let trusted =
        Authorities::new(vec![root.der(), renewed.der()], Vec::new(), RevocationPolicy::default()).unwrap();
    assert_eq!(verified(&[root.leaf("a", |_| {})], &trusted).len(), 1);
}

#[test]
fn an_empty_trust_verifies_nothing() {
    let root = Ca::new("root");
    let refusal = refused(&[root.leaf("a", |_| {})], &Authorities::empty());
    assert_eq!(refusal, ChainRefusal::NoAuthorities);
}

#[test]
fn unrelated_presented_certificates_are_ignored() {
    let root = Ca::new("root");
    let junk = CertificateDer::from(vec![0x30, 0x80, 0xff]);
    verified(&[root.leaf("a", |_| {}), junk], &trust(&[&root]));
}

#[test]
fn ca_names_for_tls_are_whole_der_names() {
    let root = Ca::new("root");
    let trusted = trust(&[&root]);
    let hints: Vec<_> = trusted.subjects().collect();
    let anchor = root.der();
    let anchor = webpki::anchor_from_trusted_cert(&anchor).unwrap();
    let expected = rustls::DistinguishedName::in_sequence(anchor.subject.as_ref());
    assert_eq!(hints, [expected.as_ref()]);
}
