//! All registered applications, found by what a request names or presents.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use super::{
    RegisteredCertificate,
    application::{Application, ClientId},
    shared_map::SharedMap,
    subjects::{DuplicateSubject, Subjects},
};
use crate::identity::{ClientCertificate, Thumbprint};

/// Why a set of applications can't be registered together.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum RegistryError {
    /// One certificate would stand for two applications.
    #[error("the thumbprint {thumbprint} is registered for \"{first}\" already")]
    DuplicateThumbprint {
        /// The certificate.
        thumbprint: Thumbprint,
        /// Whose it is.
        first: ClientId,
        /// Which of the refused application's credentials, from 0.
        credential: usize,
    },
    /// One certificate would match two applications.
    #[error(transparent)]
    DuplicateSubject(#[from] DuplicateSubject),
    /// Two applications bear one identifier.
    #[error("the client_id \"{0}\" is registered already")]
    DuplicateClientId(ClientId),
}

impl RegistryError {
    /// What the operator can do about a certificate that is registered twice.
    pub const EACH_ONCE: &str = "register each certificate once: an application's key must be its own";

    /// The credential that is at fault, counted from 0 in its application.
    #[must_use]
    pub fn credential(&self) -> Option<usize> {
        match self {
            Self::DuplicateThumbprint { credential, .. }
            | Self::DuplicateSubject(DuplicateSubject { credential, .. }) => Some(*credential),
            Self::DuplicateClientId(_) => None,
        }
    }

    /// What the operator can do.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::DuplicateSubject(_) => DuplicateSubject::HELP,
            _ => Self::EACH_ONCE,
        }
    }
}

/// One state of a registry. Equal versions mean equal registries; a changed one has a version that none had before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegistryVersion(u64);

impl RegistryVersion {
    fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Relaxed) + 1)
    }
}

/// What becomes of one application.
#[derive(Debug)]
pub enum Change {
    /// It is registered like this, whether or not it was registered before.
    Put(Application),
    /// It is not registered any more.
    Remove(ClientId),
}

impl Change {
    /// Whose registration it is.
    #[must_use]
    pub const fn client_id(&self) -> &ClientId {
        match self {
            Self::Put(application) => &application.client_id,
            Self::Remove(client_id) => client_id,
        }
    }
}

/// All applications, found by identifier, by thumbprint and by subject in constant time.
///
/// A clone is cheap, and so is a change to it, however many applications there are: see [`Registry::apply`].
#[derive(Clone, Debug, Default)]
pub struct Registry {
    clients: SharedMap<ClientId, Arc<Application>>,
    thumbprints: SharedMap<Thumbprint, Arc<Application>>,
    subjects: Subjects,
    version: RegistryVersion,
}

impl Registry {
    /// Adds an application that was not registered before.
    ///
    /// # Errors
    ///
    /// If its identifier or one of its certificates is another's. The registry is then unchanged.
    pub fn insert(&mut self, application: Arc<Application>) -> Result<(), RegistryError> {
        if self.clients.get(&application.client_id).is_some() {
            return Err(RegistryError::DuplicateClientId(application.client_id.clone()));
        }
        for (credential, RegisteredCertificate { thumbprint, .. }) in application.certificates() {
            if let Some(first) = self.thumbprints.get(thumbprint) {
                let (thumbprint, first) = (*thumbprint, first.client_id.clone());
                return Err(RegistryError::DuplicateThumbprint { thumbprint, first, credential });
            }
        }
        self.subjects.insert(&application)?;
        for (_, RegisteredCertificate { thumbprint, .. }) in application.certificates() {
            self.thumbprints.insert(*thumbprint, Arc::clone(&application));
        }
        self.clients.insert(application.client_id.clone(), application);
        self.version = RegistryVersion::next();
        Ok(())
    }

    /// Applies one change. All other applications stay the same values; see [`Registry::apply_all`].
    ///
    /// # Errors
    ///
    /// As [`Registry::apply_all`].
    pub fn apply(&mut self, change: Change) -> Result<(), RegistryError> {
        self.apply_all(vec![change])
    }

    /// Applies changes of different applications as one: two may exchange their certificates. An application that is
    /// registered as before stays the same value, and a credential that stays keeps its last use.
    ///
    /// # Errors
    ///
    /// If two applications would have the same identifier or claim the same certificate. The registry is then unchanged.
    pub fn apply_all(&mut self, changes: Vec<Change>) -> Result<(), RegistryError> {
        let mut next = self.clone();
        for change in &changes {
            next.remove(change.client_id());
        }
        for change in changes {
            let Change::Put(application) = change else { continue };
            let before = self.application(application.client_id.as_str());
            next.insert(Self::continued(application, before))?;
        }
        *self = next;
        Ok(())
    }

    /// The former registration if nothing has changed, else the new one with the last uses of the former.
    #[must_use]
    pub fn continued(mut application: Application, before: Option<&Arc<Application>>) -> Arc<Application> {
        match before {
            Some(before) if **before == application => Arc::clone(before),
            Some(before) => {
                application.continue_usage(before);
                Arc::new(application)
            }
            None => Arc::new(application),
        }
    }

    fn remove(&mut self, client_id: &ClientId) {
        let Some(application) = self.clients.get(client_id).cloned() else { return };
        for (_, RegisteredCertificate { thumbprint, .. }) in application.certificates() {
            self.thumbprints.remove(thumbprint);
        }
        self.subjects.remove(&application);
        self.clients.remove(client_id);
        self.version = RegistryVersion::next();
    }

    /// Whether two registries are the same state of one registry.
    #[must_use]
    pub const fn version(&self) -> RegistryVersion {
        self.version
    }

    /// The applications that may have registered this subject.
    #[must_use]
    pub fn owners_of(&self, subject: &super::Subject) -> &[Arc<Application>] {
        self.subjects.owners_of(subject)
    }

    /// The application with this identifier.
    #[must_use]
    pub fn application(&self, client_id: &str) -> Option<&Arc<Application>> {
        self.clients.get(client_id)
    }

    /// Every application that may own this certificate: the one of its thumbprint first, then
    /// those of its subject and alternative names.
    pub fn candidates<'a>(
        &'a self,
        certificate: &'a ClientCertificate,
    ) -> impl Iterator<Item = &'a Arc<Application>> + 'a {
        let by_subject = self.subjects.owners(certificate);
        self.thumbprints.get(&certificate.thumbprint()).into_iter().chain(by_subject)
    }

    /// Whether an application has registered this certificate itself.
    #[must_use]
    pub fn has_thumbprint(&self, thumbprint: &Thumbprint) -> bool {
        self.thumbprints.get(thumbprint).is_some()
    }

    /// How many applications there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Whether nobody is registered: then nobody is let in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Whether any application presents a certificate that no CA need have issued. Then the TLS
    /// handshake sends no CA hints, by which clients would filter it out (RFC 8705 section 7.2).
    #[must_use]
    pub fn accepts_self_signed(&self) -> bool {
        !self.thumbprints.is_empty()
    }

    /// All applications, in no order.
    pub fn applications(&self) -> impl Iterator<Item = &Arc<Application>> {
        self.clients.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::{ApplicationSpec, AuthMethod, CredentialSpec, Registered};

    fn application(id: &str, thumbprints: &[[u8; 32]]) -> Arc<Application> {
        let credentials = thumbprints.iter().map(|bytes| CredentialSpec {
            name: format!("{bytes:?}"),
            registered: Registered::Certificate(Thumbprint::from_bytes(*bytes).into()),
        });
        let spec = ApplicationSpec {
            client_id: id.to_owned(),
            method: AuthMethod::SelfSignedTls,
            credentials: credentials.collect(),
        };
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
            "a refused application left a trace"
        );
    }

    fn put(id: &str, thumbprints: &[[u8; 32]]) -> Change {
        Change::Put(Arc::into_inner(application(id, thumbprints)).unwrap())
    }

    fn owner(registry: &Registry, thumbprint: u8) -> Option<&str> {
        let owner = registry.thumbprints.get(&Thumbprint::from_bytes([thumbprint; 32]));
        owner.map(|owner| owner.client_id.as_str())
    }

    #[test]
    fn a_change_leaves_all_others_the_same_values() {
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
    fn a_refused_change_changes_nothing() {
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
    fn a_credential_that_stays_keeps_its_last_use() {
        let at = crate::clock::Timestamp::from_unix;
        let mut registry = Registry::default();
        registry.apply(put("a", &[[1; 32]])).unwrap();
        registry.application("a").unwrap().credential_at(0).unwrap().usage.record(at(7), at(8));
        registry.apply(put("a", &[[2; 32], [1; 32]])).unwrap();
        let last = |index| registry.application("a").unwrap().credential_at(index).unwrap().usage.last();
        assert_eq!((last(0), last(1)), (None, Some(at(7))));
    }
}
