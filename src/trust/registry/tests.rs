use super::*;
use crate::trust::{ApplicationSpec, AuthMethod, CredentialSpec, Registered};

fn application(id: &str, thumbprints: &[[u8; 32]]) -> Arc<Application> {
    let credentials = thumbprints.iter().map(|bytes| {
        let registered = Registered::Certificate(Thumbprint::from_bytes(*bytes).into());
        CredentialSpec::new(format!("{bytes:?}"), registered)
    });
    let spec = ApplicationSpec::new(id, AuthMethod::SelfSignedTls, credentials.collect());
    Arc::new(spec.try_into().unwrap())
}

#[test]
fn a_certificate_belongs_to_one_application() {
    let mut registry = Registry::default();
    registry.insert(application("a", &[[1; 32], [2; 32]])).unwrap();
    assert_eq!(
        registry.insert(application("b", &[[3; 32], [2; 32]])),
        Err(RegistryError::DuplicateThumbprint {
            thumbprint: Thumbprint::from_bytes([2; 32]),
            first: ClientId::new("a"),
            credential: 1
        })
    );
    assert_eq!(
        registry.insert(application("a", &[[4; 32]])),
        Err(RegistryError::DuplicateClientId(ClientId::new("a")))
    );
    assert!(
        !registry.has_thumbprint(&Thumbprint::from_bytes([3; 32])),
        "a rejected application left a thumbprint"
    );
}

fn put(id: &str, thumbprints: &[[u8; 32]]) -> Change {
    Change::Put(Box::new(Arc::into_inner(application(id, thumbprints)).unwrap()))
}

fn owner(registry: &Registry, thumbprint: u8) -> Option<&str> {
    let thumbprint = Thumbprint::from_bytes([thumbprint; 32]);
    let owner = registry.certificates.get(&CertificateMatch::Thumbprint(thumbprint));
    owner.map(|owner| owner.client_id.as_str())
}

#[test]
fn a_change_leaves_other_applications_the_same_values() {
    let mut registry = Registry::default();
    registry.apply_all(vec![put("a", &[[1; 32], [2; 32]]), put("b", &[[3; 32]])]).unwrap();
    let before = registry.clone();
    assert_eq!(before.version(), registry.version());
    registry.apply(put("a", &[[2; 32], [4; 32]])).unwrap();
    assert_ne!(before.version(), registry.version());
    let same = |id| Arc::ptr_eq(before.application(id).unwrap(), registry.application(id).unwrap());
    assert_eq!((same("a"), same("b")), (false, true));
    assert_eq!([1, 2, 3, 4].map(|one| owner(&registry, one)), [None, Some("a"), Some("b"), Some("a")]);
    assert_eq!([1, 2, 3, 4].map(|one| owner(&before, one)), [Some("a"), Some("a"), Some("b"), None]);

    registry.apply(Change::Remove(ClientId::new("a"))).unwrap();
    assert_eq!((registry.len(), owner(&registry, 2)), (1, None));
    registry.apply(Change::Remove(ClientId::new("a"))).unwrap();
    registry.apply(put("b", &[[3; 32]])).unwrap();
    assert!(Arc::ptr_eq(before.application("b").unwrap(), registry.application("b").unwrap()));
}

#[test]
fn a_rejected_change_leaves_the_registry_unchanged() {
    let mut registry = Registry::default();
    registry.apply_all(vec![put("a", &[[1; 32]]), put("b", &[[2; 32]])]).unwrap();
    let version = registry.version();
    let refused = registry.apply_all(vec![put("a", &[[3; 32]]), put("c", &[[2; 32]])]);
    assert!(matches!(refused, Err(RegistryError::DuplicateThumbprint { .. })));
    assert_eq!(registry.version(), version);
    assert_eq!([1, 2, 3].map(|one| owner(&registry, one)), [Some("a"), Some("b"), None]);
}

#[test]
fn two_applications_can_exchange_certificates() {
    let mut registry = Registry::default();
    registry.apply_all(vec![put("a", &[[1; 32]]), put("b", &[[2; 32]])]).unwrap();
    registry.apply_all(vec![put("a", &[[2; 32]]), put("b", &[[1; 32]])]).unwrap();
    assert_eq!([1, 2].map(|one| owner(&registry, one)), [Some("b"), Some("a")]);
}

#[test]
fn an_unchanged_credential_keeps_its_last_use() {
    let at = crate::clock::Timestamp::from_unix;
    let mut registry = Registry::default();
    registry.apply(put("a", &[[1; 32]])).unwrap();
    registry.application("a").unwrap().credential_at(0).unwrap().usage.record(at(7), Some(at(8)));
    registry.apply(put("a", &[[2; 32], [1; 32]])).unwrap();
    let last = |index| registry.application("a").unwrap().credential_at(index).unwrap().usage.last();
    assert_eq!((last(0), last(1)), (None, Some(at(7))));
}
