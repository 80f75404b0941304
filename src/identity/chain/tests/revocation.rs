//! Revocation checks of paths.

use rcgen::{
    CertificateRevocationListParams, CrlDistributionPoint, CrlIssuingDistributionPoint, CrlScope,
    KeyUsagePurpose, date_time_ymd,
};
use rustls_pki_types::CertificateDer;
use testkit::Ca;

use super::{key, refused, serial, verified};
use crate::{
    clock::Timestamp,
    identity::{
        authorities::{Authorities, CrlDepth, RevocationPolicy, StaleCrl},
        chain::{ChainRefusal, ChainVerdict, CrlFault, verify_chain},
        testing::{NOW, between, client, trust_with, until},
    },
};

/// The refusal of a path with these CAs.
fn uncheckable(fault: CrlFault, cas: &[&Ca]) -> ChainRefusal {
    ChainRefusal::Crl { fault, issuer_keys: cas.iter().map(|ca| key(ca)).collect() }
}

#[test]
fn a_revoked_leaf_or_intermediate_is_refused() {
    let root = Ca::new("root");
    let sub = root.intermediate("sub", serial(7));
    let (good, bad) = (root.leaf("good", serial(1)), root.leaf("bad", serial(2)));
    let trusted = trust_with(&[&root], vec![root.crl_der(&[2, 7], |_| {})], StaleCrl::Refuse);
    let until = verified(&[good], &trusted)[0].validity.not_after;
    assert_eq!(until, Timestamp::from(date_time_ymd(2035, 1, 1)).previous(), "a verdict ends with its CRL");
    let refusal = refused(&[bad], &trusted);
    assert_eq!(refusal, ChainRefusal::Revoked);
    assert_eq!(refused(&[sub.leaf("a", |_| {}), sub.der()], &trusted), ChainRefusal::Revoked);
}

#[test]
fn an_intermediates_own_crl_applies() {
    let root = Ca::new("root");
    let sub = root.intermediate("sub", |_| {});
    let trusted = trust_with(&[&root], vec![sub.crl_der(&[2], |_| {})], StaleCrl::Refuse);
    assert!(trusted.crls().next().unwrap().signer.is_none());
    verified(&[sub.leaf("a", serial(1)), sub.der()], &trusted);
    assert_eq!(refused(&[sub.leaf("a", serial(2)), sub.der()], &trusted), ChainRefusal::Revoked);
}

#[test]
fn a_stale_crl_refuses_or_is_reported() {
    let root = Ca::new("root");
    let lists = || vec![root.crl_der(&[2], until(2028))];
    let refuse = trust_with(&[&root], lists(), StaleCrl::Refuse);
    let refusal = refused(&[root.leaf("a", serial(1))], &refuse);
    assert_eq!(refusal.to_string(), "a CRL of the path is stale: its nextUpdate was 2028-01-01T00:00:00Z");
    // What it lists stays revoked.
    assert_eq!(refused(&[root.leaf("a", serial(2))], &refuse), ChainRefusal::Revoked);
    let report = trust_with(&[&root], lists(), StaleCrl::Report);
    verified(&[root.leaf("a", serial(1))], &report);
    assert_eq!(refused(&[root.leaf("a", serial(2))], &report), ChainRefusal::Revoked);
}

#[test]
fn a_crl_signed_by_another_ca_is_refused() {
    let (root, impostor) = (Ca::new("root"), Ca::new("root"));
    let forged = impostor.crl_der(&[], |_| {});
    let error = Authorities::new(
        vec![root.der()],
        vec![root.crl_der(&[], |_| {}), forged],
        RevocationPolicy::default(),
    );
    let expected = "CRL 2: a CRL with the name of the client CA \"CN=root\", but not signed by it: forged, or issued by another CA of that name";
    assert_eq!(error.unwrap_err().to_string(), expected);
}

#[test]
fn a_forged_intermediate_crl_refuses_its_certificates() {
    let root = Ca::new("root");
    let (sub, impostor) = (root.intermediate("sub", |_| {}), Ca::new("sub"));
    let trusted = trust_with(&[&root], vec![impostor.crl_der(&[], |_| {})], StaleCrl::Refuse);
    let refusal = refused(&[sub.leaf("a", |_| {}), sub.der()], &trusted);
    assert_eq!(refusal, uncheckable(CrlFault::Signature, &[&sub, &root]));
}

#[test]
fn two_cas_of_one_name_have_their_own_crls() {
    let (first, second) = (Ca::new("corp"), Ca::new("corp"));
    let lists = vec![first.crl_der(&[1], |_| {}), second.crl_der(&[2], |_| {})];
    let trusted = trust_with(&[&first, &second], lists, StaleCrl::Refuse);
    for (ca, revoked, valid) in [(&first, 1, 2), (&second, 2, 1)] {
        assert_eq!(refused(&[ca.leaf("a", serial(revoked))], &trusted), ChainRefusal::Revoked);
        verified(&[ca.leaf("a", serial(valid))], &trusted);
    }
}

#[test]
fn an_anchor_without_crl_sign_cannot_revoke() {
    let root = Ca::new("root");
    let anchor = root.twin(|p| p.key_usages = vec![KeyUsagePurpose::KeyCertSign]);
    let trusted =
        Authorities::new(vec![anchor.der()], vec![root.crl_der(&[], |_| {})], RevocationPolicy::default())
            .unwrap();
    let refusal = refused(&[root.leaf("a", |_| {})], &trusted);
    let fault = CrlFault::IssuerNotSigner { subject: "CN=root".into() };
    assert_eq!(refusal, uncheckable(fault, &[&root]));
}

#[test]
fn the_newest_crl_of_a_ca_applies() {
    let root = Ca::new("root");
    for revoked in [[&[][..], &[1]], [&[1], &[]]] {
        let [older, newer] = revoked;
        let lists = vec![root.crl_der(older, between(2024, 2035)), root.crl_der(newer, between(2025, 2035))];
        let trusted = trust_with(&[&root], lists, StaleCrl::Refuse);
        let verdict = verify_chain(&client(&[root.leaf("a", serial(1))]), &trusted, NOW);
        assert_eq!(verdict == ChainVerdict::Refused(ChainRefusal::Revoked), newer == [1]);
    }
}

#[test]
fn crl_number_breaks_this_update_ties() {
    let root = Ca::new("root");
    let list = |number: u64, serials: &[u64]| root.crl_der(serials, |list| list.crl_number = number.into());
    for (lists, revoked) in [
        (vec![list(9, &[]), list(10, &[1])], true),
        (vec![list(10, &[]), list(9, &[1])], false),
        (vec![list(255, &[1]), list(256, &[])], false),
        (vec![list(7, &[1]), list(7, &[])], true),
        (vec![list(7, &[]), list(7, &[1])], false),
    ] {
        let trusted = trust_with(&[&root], lists, StaleCrl::Refuse);
        let verdict = verify_chain(&client(&[root.leaf("a", serial(1))]), &trusted, NOW);
        assert_eq!(verdict == ChainVerdict::Refused(ChainRefusal::Revoked), revoked);
    }
}

#[test]
fn crl_depth_decides_whether_intermediates_are_checked() {
    let root = Ca::new("root");
    let sub = root.intermediate("sub", serial(7));
    let lists = || vec![root.crl_der(&[7], |_| {}), sub.crl_der(&[2], |_| {})];
    let deep = |depth, lists| {
        let policy = RevocationPolicy { depth, ..RevocationPolicy::default() };
        Authorities::new(vec![root.der()], lists, policy).unwrap()
    };
    let (good, bad) = (sub.leaf("good", serial(1)), sub.leaf("bad", serial(2)));
    let chain = |leaf: &CertificateDer<'static>| [leaf.clone(), sub.der()];
    let (whole, leaf) = (deep(CrlDepth::Chain, lists()), deep(CrlDepth::Leaf, lists()));
    assert_eq!(refused(&chain(&good), &whole), ChainRefusal::Revoked);
    verified(&chain(&good), &leaf);
    for trusted in [&whole, &leaf] {
        assert_eq!(refused(&chain(&bad), trusted), ChainRefusal::Revoked);
    }
    // A stale CRL higher up does not matter then.
    let stale = || vec![root.crl_der(&[], until(2028)), sub.crl_der(&[2], |_| {})];
    let fault = CrlFault::Stale { next_update: date_time_ymd(2028, 1, 1).into() };
    let refusal = refused(&chain(&good), &deep(CrlDepth::Chain, stale()));
    assert_eq!(refusal, uncheckable(fault, &[&sub, &root]));
    let until = verified(&chain(&good), &deep(CrlDepth::Leaf, stale()))[0].validity.not_after;
    assert_eq!(until, Timestamp::from(date_time_ymd(2035, 1, 1)).previous());
}

/// The scope of a CRL: a distribution point, and end-entity or CA certificates only.
fn scope(uri: &str, of: Option<CrlScope>) -> impl FnOnce(&mut CertificateRevocationListParams) {
    let distribution_point = CrlDistributionPoint { uris: vec![uri.to_owned()] };
    move |list| {
        list.issuing_distribution_point = Some(CrlIssuingDistributionPoint { distribution_point, scope: of });
    }
}

#[test]
fn a_partitioned_crl_covers_only_what_it_names() {
    const URI: &str = "http://crl.example/1.crl";
    let root = Ca::new("root");
    let not_covering = |cas: &[&Ca]| uncheckable(CrlFault::NotCovering, cas);
    let point = |uri: &'static str, number: u64| {
        move |p: &mut rcgen::CertificateParams| {
            serial(number)(p);
            p.crl_distribution_points = vec![CrlDistributionPoint { uris: vec![uri.to_owned()] }];
        }
    };
    let leaves = [
        (root.leaf("covered", point(URI, 1)), None),
        (root.leaf("revoked", point(URI, 2)), Some(ChainRefusal::Revoked)),
        (root.leaf("elsewhere", point("http://crl.example/2.crl", 3)), Some(not_covering(&[&root]))),
        (root.leaf("revoked elsewhere", point("http://crl.example/2.crl", 2)), Some(not_covering(&[&root]))),
        (root.leaf("of no point", serial(4)), None),
    ];
    let trusted = trust_with(&[&root], vec![root.crl_der(&[2], scope(URI, None))], StaleCrl::Refuse);
    for (leaf, refusal) in leaves {
        match refusal {
            None => drop(verified(&[leaf], &trusted)),
            Some(refusal) => assert_eq!(refused(&[leaf], &trusted), refusal),
        }
    }
    // A CRL for CA certificates does not cover a client.
    let of_cas = root.crl_der(&[2], scope(URI, Some(CrlScope::CaCertsOnly)));
    let leaf = root.leaf("a", point(URI, 1));
    assert_eq!(
        refused(&[leaf], &trust_with(&[&root], vec![of_cas.clone()], StaleCrl::Refuse)),
        not_covering(&[&root])
    );
    // With a CRL for clients beside it, both are covered.
    let sub = root.intermediate("sub", point(URI, 5));
    let chain = [sub.leaf("a", serial(6)), sub.der()];
    let lists = vec![of_cas, sub.crl_der(&[], |_| {})];
    verified(&chain, &trust_with(&[&root], lists, StaleCrl::Refuse));
    let of_users = root.crl_der(&[], scope(URI, Some(CrlScope::UserCertsOnly)));
    let lists = vec![of_users, sub.crl_der(&[], |_| {})];
    let refusal = refused(&chain, &trust_with(&[&root], lists, StaleCrl::Refuse));
    assert_eq!(refusal, not_covering(&[&sub, &root]));
}
