//! The cost of a stranger's chain, in verified signatures and search steps.

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls_pki_types::CertificateDer;
use testkit::{Ca, certificates::ring};

use super::{Budget, ChainRefusal, paths};
use crate::identity::{
    Authorities, RevocationPolicy,
    testing::{NOW, client, trust},
};

/// The cost of verifying a chain, and the refusal.
fn budget(chain: &[CertificateDer<'static>], trusted: &Authorities) -> (Budget, Option<ChainRefusal>) {
    let mut budget = Budget::default();
    let result = paths(&client(chain), trusted, NOW, &mut budget);
    (budget, result.err())
}

fn large(p: &mut CertificateParams) {
    p.custom_extensions = (0..350_u64)
        .map(|number| CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, number], vec![5, 0]))
        .collect();
}

#[test]
fn a_strangers_ring_of_cas_costs_no_signature_check() {
    let root = Ca::new("root");
    let trusted = trust(&[&root]);
    for change in [|_: &mut CertificateParams| {}, large] {
        let (issuer, cas) = ring("Ring CA", 9, change);
        let chain = [vec![issuer.leaf("payments", |_| {})], cas].concat();
        let (budget, refusal) = budget(&chain, &trusted);
        assert!(
            matches!(
                refusal,
                Some(ChainRefusal::UnknownIssuer { .. } | ChainRefusal::SkippedIntermediates { .. })
            ),
            "{refusal:?}"
        );
        assert_eq!(budget.signatures, 0);
        assert!(budget.steps <= 8, "{budget:?}");
    }
}

#[test]
fn a_ring_named_like_a_client_ca_costs_few_checks() {
    let root = Ca::new("root");
    let trusted = trust(&[&root]);
    for change in [|_: &mut CertificateParams| {}, large] {
        let (issuer, cas) = ring("root", 9, change);
        let chain = [vec![issuer.leaf("payments", |_| {})], cas].concat();
        let (budget, refusal) = budget(&chain, &trusted);
        assert!(matches!(refusal, Some(ChainRefusal::Signature { .. })), "{refusal:?}");
        assert!(budget.signatures <= 3 && budget.steps <= 8, "{budget:?}");
    }
}

#[test]
fn a_web_of_cas_with_many_names_costs_a_few_signature_checks() {
    let root = Ca::new("root");
    let trusted = trust(&[&root]);
    // Two CAs for each of four names, each pair signed by the next pair's; those of the last name the client CA.
    let names = ["a", "b", "c", "d"];
    let mut chain = Vec::new();
    let impostor = Ca::new("root");
    let pairs: Vec<[Ca; 2]> = names.iter().map(|name| [Ca::new(name), Ca::new(name)]).collect();
    for (index, pair) in pairs.iter().enumerate() {
        for (number, ca) in pair.iter().enumerate() {
            let issuer = pairs.get(index + 1).map_or(&impostor, |above| &above[number]);
            chain.push(ca.twin_below(issuer, |_| {}));
        }
    }
    chain.insert(0, pairs[0][0].leaf("payments", |_| {}));
    let (budget, refusal) = budget(&chain, &trusted);
    assert!(matches!(refusal, Some(ChainRefusal::Signature { .. })), "{refusal:?}");
    assert!(budget.signatures <= 2 && budget.steps <= 64, "{budget:?}");
}

#[test]
fn an_honest_path_costs_one_signature_per_certificate() {
    let root = Ca::new("root");
    let upper = root.intermediate("upper", |_| {});
    let lower = upper.intermediate("lower", |_| {});
    for (chain, signatures) in [
        (vec![root.leaf("a", |_| {})], 1),
        (vec![upper.leaf("a", |_| {}), upper.der()], 2),
        (vec![lower.leaf("a", |_| {}), upper.der(), lower.der(), root.der()], 3),
    ] {
        let (budget, refusal) = budget(&chain, &trust(&[&root]));
        assert_eq!((refusal, budget.signatures), (None, signatures));
    }
}

#[test]
fn many_client_cas_are_not_searched() {
    let cas: Vec<Ca> = (0..40).map(|number| Ca::new(&format!("CA {number}"))).collect();
    let trusted = trust(&cas.iter().collect::<Vec<_>>());
    let (budget, refusal) = budget(&[cas[39].leaf("a", |_| {})], &trusted);
    assert_eq!((refusal, budget.signatures), (None, 1));
    // The key identifier selects among CAs with the same name.
    let cas: Vec<Ca> =
        (0..40).map(|_| Ca::with("CA", |p| p.use_authority_key_identifier_extension = true)).collect();
    let trusted = trust(&cas.iter().collect::<Vec<_>>());
    let leaf = cas[39].leaf("a", |p| p.use_authority_key_identifier_extension = true);
    let (budget, refusal) = self::budget(&[leaf], &trusted);
    assert_eq!((refusal, budget.signatures), (None, 1));
}

#[test]
fn an_intermediate_is_read_up_to_eight_kibibytes() {
    let root = Ca::new("root");
    let huge = |p: &mut CertificateParams| {
        p.custom_extensions = vec![CustomExtension::from_oid_content(&[1, 2, 3], vec![0; 8 * 1024])];
    };
    let sub = root.intermediate("sub", huge);
    let (budget, refusal) = budget(&[sub.leaf("a", |_| {}), sub.der()], &trust(&[&root]));
    assert_eq!(budget.signatures, 0);
    assert_eq!(
        refusal.unwrap().to_string(),
        "no client CA is found for the issuer \"CN=sub\"; of the presented intermediates 1 were skipped: an intermediate may have 8192 bytes, and the names of all together 4096"
    );
    let large = root.intermediate("sub", large);
    assert_eq!(self::budget(&[large.leaf("a", |_| {}), large.der()], &trust(&[&root])).1, None);
}

#[test]
fn key_identifiers_select_among_same_named_cas() {
    let root = Ca::new("root");
    let cas: Vec<Ca> = (0..5).map(|_| root.intermediate("sub", |_| {})).collect();
    let leaf = cas[4].leaf("a", |p| p.use_authority_key_identifier_extension = true);
    let chain = [vec![leaf], cas.iter().map(Ca::der).collect()].concat();
    assert_eq!(budget(&chain, &trust(&[&root])).1, None);
}

#[test]
fn the_cost_of_names_is_bounded() {
    // U+FDFA folds to eighteen characters.
    let name = "\u{fdfa}".repeat(400);
    let root = Ca::new("root");
    let sub = Ca::new(&name);
    let chain = [root.leaf("a", |_| {}), sub.der()];
    assert_eq!(budget(&chain, &trust(&[&root])).1, None);
    let chain = [Ca::new("other").leaf("a", |_| {}), sub.der()];
    assert!(matches!(
        budget(&chain, &trust(&[&root])).1,
        Some(ChainRefusal::SkippedIntermediates { count: 1, .. })
    ));
}

#[test]
fn seven_hundred_client_cas_load_with_few_checks() {
    // Certificates of the same CA do not issue each other.
    let root = Ca::new("root");
    let twins: Vec<CertificateDer<'static>> = (0..30).map(|_| root.twin(|_| {}).der()).collect();
    let issued: Vec<Ca> = (0..30).map(|number| root.intermediate(&format!("sub {number}"), |_| {})).collect();
    let all = [twins, issued.iter().map(Ca::der).collect()].concat();
    let trusted = Authorities::new(all, Vec::new(), RevocationPolicy::default()).unwrap();
    assert_eq!(budget(&[issued[0].leaf("a", |_| {})], &trusted).1, None);
    let _ = KeyPair::generate();
}
