use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::{
    identity::Thumbprint,
    source::SourceError,
    trust::{ApplicationSpec, AuthMethod, CertificateMatch, CredentialSpec, Registered, RegisteredRef},
};

fn spec(id: u8, thumbprint: u8) -> ApplicationSpec {
    let registered = Registered::Certificate(Thumbprint::from_bytes([thumbprint; 32]).into());
    ApplicationSpec::new(
        format!("client-{id}"),
        AuthMethod::SelfSignedTls,
        vec![CredentialSpec::new("one", registered)],
    )
}

fn changed(id: u8, thumbprint: u8) -> Update {
    Update::changed(spec(id, thumbprint)).unwrap()
}

fn removed(id: u8) -> Update {
    Update::Removed(ClientId::new(format!("client-{id}")))
}

fn snapshot(applications: &[(u8, u8)]) -> Update {
    let application = |(id, thumbprint): &(u8, u8)| spec(*id, *thumbprint).try_into().unwrap();
    Update::Snapshot(applications.iter().map(application).collect())
}

fn source(number: u8) -> SourceName {
    SourceName::new(&format!("source-{number}"))
}

/// What is registered, as (client, thumbprint).
fn registered(merged: &Merged) -> BTreeSet<(String, u8)> {
    let of = |registry: &Registry| {
        let pair = |application: &std::sync::Arc<Application>| {
            let Some(RegisteredRef::Certificate(certificate)) =
                application.credential_at(0).map(|one| one.registered)
            else {
                panic!("not registered by a certificate: {application:?}");
            };
            let CertificateMatch::Thumbprint(thumbprint) = certificate.matches else {
                panic!("not registered by a thumbprint: {application:?}");
            };
            (application.client_id.to_string(), thumbprint.as_bytes()[0])
        };
        registry.applications().map(pair).collect::<BTreeSet<_>>()
    };
    let parts: BTreeSet<_> = merged.parts.values().flat_map(of).collect();
    let all = of(merged.registry());
    assert_eq!(parts, all, "the parts and the whole differ");
    all
}

#[test]
fn two_sources_register_together() {
    let merged = Merged::new(source(0), Registry::default());
    let merged = merged.updated(&source(0), snapshot(&[(1, 1), (2, 2)])).unwrap();
    let merged = merged.updated(&source(1), changed(3, 3)).unwrap();
    assert_eq!(merged.registry().len(), 3);
    // A snapshot replaces what its own source had, and nothing else.
    let merged = merged.updated(&source(0), snapshot(&[(2, 4)])).unwrap();
    assert_eq!(registered(&merged), [("client-2".into(), 4), ("client-3".into(), 3)].into());
}

#[test]
fn a_conflict_names_both_sources_and_changes_nothing() {
    let merged = Merged::new(source(0), Registry::default());
    let merged = merged.updated(&source(0), snapshot(&[(1, 1), (2, 2)])).unwrap();
    let merged = merged.updated(&source(1), changed(3, 3)).unwrap();
    for (from, update) in [
        (1, changed(1, 9)),
        (1, changed(4, 1)),
        (1, snapshot(&[(5, 5), (1, 9)])),
        (1, snapshot(&[(5, 5), (4, 2)])),
        (0, snapshot(&[(3, 9)])),
        (0, snapshot(&[(4, 3), (6, 6), (7, 7)])),
    ] {
        let before = registered(&merged);
        let conflict = merged.updated(&source(from), update).unwrap_err();
        assert_eq!(
            (&conflict.source_name, &conflict.other),
            (&source(from), &source(1 - from)),
            "{conflict}"
        );
        assert_eq!(registered(&merged), before);
    }
}

#[test]
fn a_new_registry_of_a_source_replaces_only_what_differs() {
    let registry = |applications: &[Arc<Application>]| {
        let mut registry = Registry::default();
        registry.replace(&[], applications).unwrap();
        registry
    };
    let applications: Vec<Arc<Application>> =
        (0..200).map(|id| Arc::new(spec(id, id).try_into().unwrap())).collect();
    let merged = Merged::new(source(0), registry(&applications));
    let merged = merged.updated(&source(1), changed(201, 201)).unwrap();
    let read = registry(&applications);
    assert_ne!(read.version(), merged.parts[&source(0)].version());
    let again = merged.with_registry(&source(0), &read).unwrap();
    assert_eq!(again.registry().version(), merged.registry().version(), "nothing has changed");

    let mut applications = applications;
    applications[7] = Arc::new(spec(7, 202).try_into().unwrap());
    applications.pop();
    let changed = merged.with_registry(&source(0), &registry(&applications)).unwrap();
    assert_eq!(merged.registry().differences(changed.registry()).count(), 2);
    assert_eq!(registered(&changed).len(), 200);
}

#[test]
fn a_snapshot_that_repeats_an_application_is_rejected() {
    let merged = Merged::new(source(0), Registry::default());
    let conflict = merged.updated(&source(1), snapshot(&[(1, 1), (1, 1)])).unwrap_err();
    assert_eq!(conflict.other, source(1));
}

#[test]
fn a_source_removes_only_its_own() {
    let merged = Merged::new(source(0), Registry::default());
    let merged = merged.updated(&source(0), snapshot(&[(1, 1)])).unwrap();
    let merged = merged.updated(&source(1), removed(1)).unwrap();
    assert_eq!(merged.registry().len(), 1);
    let merged = merged.updated(&source(0), removed(1)).unwrap();
    assert!(merged.registry().is_empty());
}

#[test]
fn a_failed_source_keeps_what_it_had() {
    let merged = Merged::new(source(0), Registry::default());
    let merged = merged.updated(&source(1), changed(1, 1)).unwrap();
    let merged = merged.updated(&source(1), Update::Failed(SourceError("gone".to_owned()))).unwrap();
    assert_eq!(merged.registry().len(), 1);
}

/// What a source may send, without its machinery.
#[derive(Clone, Debug)]
enum Sent {
    Snapshot(BTreeMap<u8, u8>),
    Changed(u8, u8),
    Removed(u8),
    Failed,
}

fn sent() -> impl Strategy<Value = (u8, Sent)> {
    let pair = || (0..6_u8, 0..8_u8);
    let snapshot = proptest::collection::btree_map(0..6_u8, 0..8_u8, 0..4).prop_map(Sent::Snapshot);
    let sent = prop_oneof![
        1 => snapshot,
        4 => pair().prop_map(|(id, thumbprint)| Sent::Changed(id, thumbprint)),
        2 => (0..6_u8).prop_map(Sent::Removed),
        1 => Just(Sent::Failed),
    ];
    (0..3_u8, sent)
}

/// The rule in its plainest form: each source has a map; an update is taken if no client_id and no certificate is in two.
fn model(sources: &mut BTreeMap<u8, BTreeMap<u8, u8>>, from: u8, sent: &Sent) -> bool {
    let mut next = sources.clone();
    let own = next.entry(from).or_default();
    match sent {
        Sent::Snapshot(all) => own.clone_from(all),
        Sent::Changed(id, thumbprint) => drop(own.insert(*id, *thumbprint)),
        Sent::Removed(id) => drop(own.remove(id)),
        Sent::Failed => {}
    }
    let all: Vec<_> = next.values().flatten().collect();
    let distinct = |of: BTreeSet<&u8>| of.len() == all.len();
    let fits = distinct(all.iter().map(|(id, _)| *id).collect())
        && distinct(all.iter().map(|(_, thumbprint)| *thumbprint).collect());
    if fits {
        *sources = next;
    }
    fits
}

proptest! {
    #[test]
    fn any_updates_of_several_sources_agree_with_the_model(updates in proptest::collection::vec(sent(), 0..40)) {
        let mut merged = Merged::new(source(0), Registry::default());
        let mut sources = BTreeMap::new();
        for (from, sent) in updates {
            // A registry cannot hold one certificate twice.
            if let Sent::Snapshot(all) = &sent
                && all.values().collect::<BTreeSet<_>>().len() < all.len()
            {
                continue;
            }
            let update = match &sent {
                Sent::Snapshot(all) => snapshot(&all.iter().map(|(id, one)| (*id, *one)).collect::<Vec<_>>()),
                Sent::Changed(id, thumbprint) => changed(*id, *thumbprint),
                Sent::Removed(id) => removed(*id),
                Sent::Failed => Update::Failed(SourceError("down".to_owned())),
            };
            let expected = model(&mut sources, from, &sent);
            match merged.updated(&source(from), update) {
                Ok(next) => {
                    prop_assert!(expected, "{from} {sent:?}");
                    merged = next;
                }
                Err(conflict) => prop_assert!(!expected, "{conflict}"),
            }
            let all = sources.values().flatten().map(|(id, one)| (format!("client-{id}"), *one)).collect();
            prop_assert_eq!(registered(&merged), all);
        }
    }
}
