//! Compares verdicts with OpenSSL's on the same certificates, and checks that damaged certificates do not verify.
//!
//! The generator omits intended differences: OpenSSL accepts a CA certificate as a client's, checks extKeyUsage of trust anchors
//! too, needs a CRL of every CA if it checks any, takes a subject's CN with a dot for a DNS name, takes a URI's user for its
//! host, and gives empty constraints a meaning.

use std::{fmt::Write as _, fs, path::Path, process::Command};

use proptest::{prelude::*, sample::select};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, DnValue, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, KeyUsagePurpose, NameConstraints, SanType, SerialNumber, date_time_ymd,
};
use rustls_pki_types::CertificateDer;
use testkit::Ca;

use crate::identity::{
    Authorities, ChainVerdict, ClientCertificate, RevocationPolicy,
    testing::{NOW, client, trust},
    verify_chain,
};

/// A variation of a CA certificate.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Twist {
    Nothing,
    Expired,
    ToCome,
    PathLength(u8),
    NotCa,
    NoCertSign,
    MailOnly,
    PermitDns(&'static str),
    ExcludeDns(&'static str),
    PermitDirectory(&'static str),
    ExcludeDirectory(&'static str),
    PermitMail(&'static str),
    ExcludeMail(&'static str),
    PermitUri(&'static str),
    ExcludeUri(&'static str),
    PermitNetwork(u8),
    Policy(bool),
    UnknownCritical(bool),
    OtherStringType,
    OtherCase,
}

fn twists() -> impl Strategy<Value = Twist> {
    use Twist::*;
    prop_oneof![
        4 => Just(Nothing),
        16 => select(vec![
            Expired, ToCome, PathLength(0), PathLength(1), NotCa, NoCertSign, MailOnly, PermitDns("example.com"),
            PermitDns(".example.com"), PermitDns("a.example.com"), ExcludeDns("example.com"), ExcludeDns("b.example.com"),
            PermitDirectory("Example Bank"), PermitDirectory("EXAMPLE  bank"), PermitDirectory("Other"),
            ExcludeDirectory("Example Bank"), ExcludeDirectory("Other"), PermitMail("example.com"),
            PermitMail(".example.com"), PermitMail("a@example.com"), ExcludeMail("example.com"), ExcludeMail("a@example.com"),
            PermitUri("example.com"), PermitUri(".example.com"), ExcludeUri("example.com"), ExcludeUri(".example.com"),
            PermitNetwork(8), PermitNetwork(32), Policy(true), Policy(false), UnknownCritical(true),
            UnknownCritical(false), OtherStringType, OtherCase,
        ]),
    ]
}

/// A CA with an extension of every judged kind.
fn rich(p: &mut CertificateParams) {
    constrain(p, true, GeneralSubtree::DnsName("example.com".into()));
    p.custom_extensions =
        vec![policy(true), CustomExtension::from_oid_content(&[2, 5, 29, 36], vec![0x30, 3, 0x80, 1, 5])];
    p.crl_distribution_points = vec![rcgen::CrlDistributionPoint { uris: vec!["http://a.example/".into()] }];
    p.use_authority_key_identifier_extension = true;
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum LeafTwist {
    Nothing,
    Expired,
    Purposes(&'static [ExtendedKeyUsagePurpose]),
    KeyEncipherment,
    Dns(&'static str),
    Mail(&'static str),
    Uri(&'static str),
    Ip([u8; 4]),
    Policy,
    UnknownCritical,
}

fn leaf_twists() -> impl Strategy<Value = LeafTwist> {
    use LeafTwist::*;
    prop_oneof![
        3 => Just(Nothing),
        10 => select(vec![
            Expired, Purposes(&[]), Purposes(&[ExtendedKeyUsagePurpose::ServerAuth]),
            Purposes(&[ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth]),
            KeyEncipherment, Dns("example.com"), Dns("a.example.com"), Dns("b.example.com"), Dns("example.org"), Dns("badexample.com"),
            Mail("a@example.com"), Mail("a@mx.example.com"), Mail("b@EXAMPLE.com"), Mail("a@example.org"),
            Uri("https://example.com/x"), Uri("https://www.example.com:8443/x"), Ip([10, 0, 0, 1]), Ip([192, 0, 2, 1]), Policy, UnknownCritical,
        ]),
    ]
}

fn wrapped(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag, u8::try_from(content.len()).unwrap()][..], content].concat()
}

fn uri_constraint(tag: u8, host: &str) -> CustomExtension {
    let subtree = wrapped(0x30, &wrapped(0x86, host.as_bytes()));
    let mut extension =
        CustomExtension::from_oid_content(&[2, 5, 29, 30], wrapped(0x30, &wrapped(tag, &subtree)));
    extension.set_criticality(true);
    extension
}

fn policy(critical: bool) -> CustomExtension {
    let any = wrapped(0x30, &[0x06, 4, 0x55, 0x1d, 0x20, 0]);
    let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 32], wrapped(0x30, &any));
    extension.set_criticality(critical);
    extension
}

fn unknown(critical: bool) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
    extension.set_criticality(critical);
    extension
}

fn constrain(p: &mut CertificateParams, permitted: bool, subtree: GeneralSubtree) {
    let (permitted_subtrees, excluded_subtrees) =
        if permitted { (vec![subtree], Vec::new()) } else { (Vec::new(), vec![subtree]) };
    p.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees });
}

fn organization(name: &str) -> GeneralSubtree {
    let mut dn = rcgen::DistinguishedName::new();
    dn.push(DnType::OrganizationName, DnValue::PrintableString(name.try_into().unwrap()));
    GeneralSubtree::DirectoryName(dn)
}

fn twist(twist: Twist, serial: u64, name: &str) -> impl FnOnce(&mut CertificateParams) {
    move |p| {
        let mut dn = rcgen::DistinguishedName::new();
        dn.push(DnType::OrganizationName, "Example Bank");
        let value = match twist {
            Twist::OtherStringType => DnValue::BmpString(name.try_into().unwrap()),
            Twist::OtherCase => DnValue::Utf8String(name.to_uppercase()),
            _ => DnValue::Utf8String(name.to_owned()),
        };
        dn.push(DnType::CommonName, value);
        p.distinguished_name = dn;
        p.serial_number = Some(SerialNumber::from(serial));
        match twist {
            Twist::Nothing | Twist::OtherStringType | Twist::OtherCase => {}
            Twist::Expired => p.not_after = date_time_ymd(2029, 1, 1),
            Twist::ToCome => p.not_before = date_time_ymd(2031, 1, 1),
            Twist::PathLength(length) => p.is_ca = IsCa::Ca(BasicConstraints::Constrained(length)),
            Twist::NotCa => p.is_ca = IsCa::ExplicitNoCa,
            Twist::NoCertSign => p.key_usages = vec![KeyUsagePurpose::CrlSign],
            Twist::MailOnly => p.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection],
            Twist::PermitDns(name) => constrain(p, true, GeneralSubtree::DnsName(name.into())),
            Twist::ExcludeDns(name) => constrain(p, false, GeneralSubtree::DnsName(name.into())),
            Twist::PermitDirectory(name) => constrain(p, true, organization(name)),
            Twist::ExcludeDirectory(name) => constrain(p, false, organization(name)),
            Twist::PermitMail(name) => constrain(p, true, GeneralSubtree::Rfc822Name(name.into())),
            Twist::ExcludeMail(name) => constrain(p, false, GeneralSubtree::Rfc822Name(name.into())),
            Twist::PermitUri(host) => p.custom_extensions = vec![uri_constraint(0xa0, host)],
            Twist::ExcludeUri(host) => p.custom_extensions = vec![uri_constraint(0xa1, host)],
            Twist::PermitNetwork(prefix) => {
                let network = rcgen::CidrSubnet::from_v4_prefix([10, 0, 0, 1], prefix);
                constrain(p, true, GeneralSubtree::IpAddress(network));
            }
            Twist::Policy(critical) => p.custom_extensions = vec![policy(critical)],
            Twist::UnknownCritical(critical) => p.custom_extensions = vec![unknown(critical)],
        }
    }
}

fn leaf(twist: LeafTwist, serial: u64) -> impl FnOnce(&mut CertificateParams) {
    move |p| {
        let mut dn = rcgen::DistinguishedName::new();
        dn.push(DnType::OrganizationName, "Example Bank");
        dn.push(DnType::CommonName, "payments");
        p.distinguished_name = dn;
        p.serial_number = Some(SerialNumber::from(serial));
        match twist {
            LeafTwist::Nothing => {}
            LeafTwist::Expired => p.not_after = date_time_ymd(2029, 1, 1),
            LeafTwist::Purposes(purposes) => p.extended_key_usages = purposes.to_vec(),
            LeafTwist::KeyEncipherment => p.key_usages = vec![KeyUsagePurpose::KeyEncipherment],
            LeafTwist::Dns(name) => p.subject_alt_names = vec![SanType::DnsName(name.try_into().unwrap())],
            LeafTwist::Mail(name) => {
                p.subject_alt_names = vec![SanType::Rfc822Name(name.try_into().unwrap())];
            }
            LeafTwist::Uri(uri) => p.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())],
            LeafTwist::Ip(bytes) => p.subject_alt_names = vec![SanType::IpAddress(bytes.into())],
            LeafTwist::Policy => p.custom_extensions = vec![policy(true)],
            LeafTwist::UnknownCritical => p.custom_extensions = vec![unknown(true)],
        }
    }
}

/// Which of the CAs are client CAs.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Trusted {
    Root,
    /// All, including the root.
    All,
    /// The leaf's issuer only.
    Issuer,
}

fn pem(path: &Path, label: &str, ders: &[&[u8]]) {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let mut text = String::new();
    for der in ders {
        let encoded = STANDARD.encode(der);
        let lines: Vec<_> =
            encoded.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let _ = write!(text, "-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"));
    }
    fs::write(path, text).unwrap();
}

/// Whether OpenSSL verifies the chain, and its output.
fn openssl(
    chain: &[CertificateDer<'_>],
    trusted: &[CertificateDer<'_>],
    crls: &[Vec<u8>],
    partial: bool,
) -> (bool, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    let bytes = |ders: &[CertificateDer<'_>]| ders.iter().map(|der| der.to_vec()).collect::<Vec<_>>();
    let write = |name: &str, label: &str, ders: &[Vec<u8>]| {
        pem(&file(name), label, &ders.iter().map(Vec::as_slice).collect::<Vec<_>>());
    };
    write("leaf.pem", "CERTIFICATE", &bytes(&chain[..1]));
    write("between.pem", "CERTIFICATE", &bytes(&chain[1..]));
    write("trusted.pem", "CERTIFICATE", &bytes(trusted));
    write("crls.pem", "X509 CRL", crls);
    let time = NOW.unix().to_string();
    let mut command = Command::new("openssl");
    command.current_dir(dir.path()).args(["verify", "-purpose", "sslclient", "-attime", &time]);
    command.args(["-trusted", "trusted.pem"]);
    if chain.len() > 1 {
        command.args(["-untrusted", "between.pem"]);
    }
    if partial {
        command.arg("-partial_chain");
    }
    if !crls.is_empty() {
        // OpenSSL would need a CRL of the client CA's issuer.
        let depth = if partial { "-crl_check" } else { "-crl_check_all" };
        command.args([depth, "-CRLfile", "crls.pem"]);
    }
    let output = command.arg("leaf.pem").output().expect("the tests need the openssl command");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn ours(
    chain: &[CertificateDer<'static>],
    trusted: &[CertificateDer<'static>],
    crls: &[Vec<u8>],
) -> (bool, String) {
    let authorities = Authorities::new(trusted.to_vec(), crls.to_vec(), RevocationPolicy::default()).unwrap();
    match verify_chain(&client(chain), &authorities, NOW) {
        ChainVerdict::Verified(_) => (true, "verified".to_owned()),
        ChainVerdict::Refused(refusal) => (false, refusal.to_string()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_verdict_equals_that_of_openssl(
        root_twist in twists(),
        between in proptest::collection::vec(twists(), 0..3),
        leaf_twist in leaf_twists(),
        trusted in select(vec![Trusted::Root, Trusted::All, Trusted::Issuer]),
        revoked in proptest::option::of(0_u64..4),
        is_first_written_otherwise in any::<bool>(),
    ) {
        // Intended difference: extKeyUsage and unknown extensions of a client CA are not judged.
        let is_omitted = |twist: Twist| matches!(twist, Twist::MailOnly | Twist::UnknownCritical(true));
        prop_assume!(!is_omitted(root_twist));
        prop_assume!(trusted == Trusted::Root || !between.iter().copied().any(is_omitted));
        // Intended difference: a client CA above another may have expired or lack the right to issue.
        let is_unusable = |twist: Twist| matches!(twist, Twist::Expired | Twist::ToCome | Twist::NotCa | Twist::NoCertSign);
        let above = std::iter::once(root_twist).chain(between.iter().copied()).take(between.len());
        prop_assume!(trusted != Trusted::All || !above.into_iter().any(is_unusable));

        let mut cas = vec![Ca::with("CA 0", twist(root_twist, 100, "CA 0"))];
        for (index, own) in between.iter().enumerate() {
            let (name, serial) = (format!("CA {}", index + 1), index as u64 + 1);
            let ca = cas[index].intermediate(&name, twist(*own, serial, &name));
            cas.push(ca);
        }
        let issuer = cas.last().unwrap();
        let mut chain = vec![issuer.leaf("payments", leaf(leaf_twist, 3))];
        chain.extend(cas.iter().skip(1).rev().map(Ca::der));
        let mut trusted_cas: Vec<CertificateDer<'static>> = match trusted {
            Trusted::Root => vec![cas[0].der()],
            Trusted::All => cas.iter().map(Ca::der).collect(),
            Trusted::Issuer => vec![issuer.der()],
        };
        // A reissued root: the same key, and the name in another case.
        if is_first_written_otherwise && trusted == Trusted::Root && root_twist == Twist::Nothing {
            trusted_cas = vec![cas[0].twin(twist(Twist::OtherCase, 100, "CA 0")).der()];
        }
        let checked = if trusted == Trusted::Issuer { &cas[cas.len() - 1..] } else { &cas[..] };
        let crls: Vec<Vec<u8>> = match revoked {
            None => Vec::new(),
            Some(serial) => checked.iter().map(|ca| ca.crl_der(&[serial], |_| {})).collect(),
        };
        let partial = trusted == Trusted::Issuer;
        let (theirs, ours) = (openssl(&chain, &trusted_cas, &crls, partial), ours(&chain, &trusted_cas, &crls));
        prop_assert_eq!(theirs.0, ours.0, "OpenSSL: {}\nours: {}", theirs.1, ours.1);
    }

    #[test]
    fn damaged_chains_do_not_verify(
        position in any::<proptest::sample::Index>(),
        change in 1_u8..,
        which in 0_usize..2,
        also_cut in any::<bool>(),
    ) {
        let root = Ca::new("root");
        let sub = root.intermediate("sub", rich);
        let mut chain = vec![sub.leaf("a", leaf(LeafTwist::Dns("a.example.com"), 3)), sub.der()];
        let mut bytes = chain[which].to_vec();
        let at = position.index(bytes.len());
        bytes[at] ^= change;
        if also_cut {
            bytes.truncate(at + 1);
        }
        chain[which] = CertificateDer::from(bytes);
        if let Ok(client) = ClientCertificate::from_chain(&chain) {
            let verdict = verify_chain(&client, &trust(&[&root]), NOW);
            prop_assert!(matches!(verdict, ChainVerdict::Refused(_)), "{:?}", verdict);
        }
    }

    #[test]
    fn any_bytes_in_an_extension_are_parsed_or_refused(
        number in select(vec![14_u64, 15, 17, 19, 30, 31, 32, 33, 35, 36, 37, 54, 56]),
        bytes in proptest::collection::vec(any::<u8>(), 0..24),
        critical in any::<bool>(),
        of_leaf in any::<bool>(),
    ) {
        let root = Ca::new("root");
        let odd = |p: &mut CertificateParams| {
            let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, number], bytes.clone());
            extension.set_criticality(critical);
            p.custom_extensions = vec![extension];
        };
        let sub = root.intermediate("sub", |p| if !of_leaf { odd(p) });
        let chain = [sub.leaf("a", |p| if of_leaf { odd(p) }), sub.der()];
        if let Ok(client) = ClientCertificate::from_chain(&chain) {
            let _ = verify_chain(&client, &trust(&[&root]), NOW);
            drop(Authorities::new(vec![sub.der()], Vec::new(), RevocationPolicy::default()));
        }
    }
}
