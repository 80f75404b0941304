use std::sync::Arc;

use testkit::Ca;

use super::*;
use crate::{
    authenticate::{AssertionRules, Attempt, Mechanism, judge_client},
    identity::{
        Authorities, StaleCrl, SubjectAltName, Thumbprint,
        testing::{NOW, client, trust, trust_with},
    },
    replay::ReplayStore,
    trust::{
        ApplicationSpec, AuthMethod, Change, CredentialSpec, Registered, RegisteredSubject, Registry,
        Subject, UnknownApplications,
    },
};

fn registered(id: &str, name: &str, registered: Registered) -> Change {
    let method = match registered {
        Registered::Subject(_) => AuthMethod::PkiTls,
        _ => AuthMethod::SelfSignedTls,
    };
    let credentials = vec![CredentialSpec::new(name, registered)];
    Change::Put(Box::new(ApplicationSpec::new(id, method, credentials).try_into().unwrap()))
}

fn by_name(id: &str, name: &str) -> Change {
    let subject = Subject::San(SubjectAltName::dns("payments.example").unwrap());
    registered(id, name, Registered::Subject(RegisteredSubject { subject, ca: None }))
}

fn by_thumbprint(id: &str, thumbprint: Thumbprint) -> Change {
    registered(id, "a", Registered::Certificate(thumbprint.into()))
}

fn trusting(authorities: Authorities, changes: Vec<Change>) -> Trust {
    let mut registry = Registry::default();
    registry.apply_all(changes).unwrap();
    Trust {
        authorities: Arc::new(authorities),
        crl_files: Arc::default(),
        missing_crls: Arc::default(),
        registry,
        unknown_applications: UnknownApplications::Refuse,
    }
}

/// Authenticates as a request does: by the cached proof, else by judging and caching. Returns whether the proof was cached;
/// `None` if authentication is denied.
fn authenticate(identity: &ClientIdentity, trust: &Trust, id: &str) -> Option<(bool, Proof)> {
    let (id, refusals, used) = (ClientId::new(id), RefusalCache::default(), ReplayStore::new(NOW));
    if let Some(proof) = identity.proof(trust, &id, NOW) {
        return Some((true, proof));
    }
    let attempt = Attempt {
        client_id: &id,
        mechanism: Mechanism::Certificate,
        presented: Some(identity.presented(&refusals)),
        assertions: AssertionRules { issuer: None, fapi: false, used: &used, limit: 0 },
        now: NOW,
    };
    let proof = judge_client(trust, attempt).ok()??;
    identity.remember(trust, &proof);
    Some((false, proof))
}

fn issued(ca: &Ca) -> ClientIdentity {
    let leaf = ca.leaf("payments", |params| {
        params.subject_alt_names = vec![rcgen::SanType::DnsName("payments.example".try_into().unwrap())];
    });
    ClientIdentity::new(Ok(client(&[leaf])))
}

fn profile() -> Profile {
    Profile::built_in("rfc9440").unwrap()
}

#[test]
fn a_change_of_another_application_keeps_cached_values() {
    let ca = Ca::new("Client CA");
    let (identity, profile) = (issued(&ca), profile());
    let mut trust = trusting(trust(&[&ca]), vec![by_name("payments", "a")]);
    let (_, proof) = authenticate(&identity, &trust, "payments").unwrap();
    let headers = identity.headers(&profile, proof.certificate.as_ref().unwrap()).unwrap();

    trust.registry.apply(by_thumbprint("other", Thumbprint::from_bytes([1; 32]))).unwrap();
    let (was_cached, again) = authenticate(&identity, &trust, "payments").unwrap();
    assert!(was_cached && Arc::ptr_eq(&again.application, &proof.application));
    assert!(Rc::ptr_eq(&headers, &identity.headers(&profile, again.certificate.as_ref().unwrap()).unwrap()));
}

#[test]
fn a_change_of_the_application_voids_its_proof() {
    let ca = Ca::new("Client CA");
    let identity = issued(&ca);
    let mut trust = trusting(trust(&[&ca]), vec![by_name("payments", "a")]);
    authenticate(&identity, &trust, "payments").unwrap();
    assert!(authenticate(&identity, &trust, "payments").unwrap().0);

    trust.registry.apply(by_name("payments", "b")).unwrap();
    assert!(
        !authenticate(&identity, &trust, "payments").unwrap().0,
        "the proof depends on a removed credential"
    );
    trust.registry.apply(Change::Remove(ClientId::new("payments"))).unwrap();
    assert!(authenticate(&identity, &trust, "payments").is_none());
    assert!(!identity.is_candidate(&trust) && identity.has_authenticated());
}

#[test]
fn a_new_crl_voids_chain_proofs_but_not_thumbprint_proofs() {
    let ca = Ca::new("Client CA");
    let identity = issued(&ca);
    let thumbprint = identity.certificate.as_ref().unwrap().thumbprint();
    let with_crl = |trust: &Trust| {
        let authorities = trust_with(&[&ca], vec![ca.crl_der(&[7], |_| {})], StaleCrl::Refuse);
        Trust { authorities: Arc::new(authorities), ..trust.clone() }
    };
    for (change, is_kept) in
        [(by_name("payments", "a"), false), (by_thumbprint("payments", thumbprint), true)]
    {
        let trust = trusting(trust(&[&ca]), vec![change]);
        assert!(!authenticate(&identity, &trust, "payments").unwrap().0);
        let after = authenticate(&identity, &with_crl(&trust), "payments").unwrap();
        assert_eq!(after.0, is_kept);
    }
}

#[test]
fn another_profile_or_basis_voids_headers() {
    let ca = Ca::new("Client CA");
    let (identity, profile) = (issued(&ca), profile());
    let trust = trusting(trust(&[&ca]), vec![by_name("payments", "a")]);
    let (_, proof) = authenticate(&identity, &trust, "payments").unwrap();
    let headers = |profile: &Profile, basis: &Basis| identity.headers(profile, basis).unwrap();
    let first = headers(&profile, proof.certificate.as_ref().unwrap());
    assert!(Rc::ptr_eq(&first, &headers(&profile.clone(), proof.certificate.as_ref().unwrap())));
    assert!(!Rc::ptr_eq(&first, &headers(&profile, &Basis::Thumbprint)));
    let nginx = Profile::built_in("nginx").unwrap();
    assert_ne!(*first, *headers(&nginx, proof.certificate.as_ref().unwrap()));
}

#[test]
fn a_new_application_turns_a_stranger_into_a_candidate() {
    let ca = Ca::new("Client CA");
    let identity = issued(&ca);
    let mut trust = trusting(trust(&[&ca]), Vec::new());
    assert!(!identity.is_candidate(&trust));
    trust.registry.apply(by_name("payments", "a")).unwrap();
    assert!(identity.is_candidate(&trust));
}

#[test]
fn the_application_that_has_authenticated_is_the_candidate() {
    let ca = Ca::new("Client CA");
    let identity = issued(&ca);
    let thumbprint = identity.certificate.as_ref().unwrap().thumbprint();
    let changes = vec![by_name("payments", "a"), by_thumbprint("reports", thumbprint)];
    let mut trust = trusting(trust(&[&ca]), changes);
    let candidate = |trust: &Trust| identity.candidate(trust).unwrap();
    assert_eq!(candidate(&trust).as_str(), "reports");
    authenticate(&identity, &trust, "payments").unwrap();
    assert_eq!(candidate(&trust).as_str(), "payments");
    trust.registry.apply(Change::Remove(ClientId::new("payments"))).unwrap();
    assert_eq!(candidate(&trust).as_str(), "reports");
}
