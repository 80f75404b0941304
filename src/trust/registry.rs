//! The registry: all applications, indexed by `client_id`, thumbprint and subject.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use super::{
    application::{Application, Binding, CertificateCredentials, ClientId, Keys, Method},
    credential::CertificateMatch,
    shared_map::SharedMap,
    subjects::{DuplicateSubject, Subjects},
};
use crate::identity::{ClientCertificate, Thumbprint};

/// Why an application cannot be registered beside those that are.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum RegistryError {
    /// Another application has registered the certificate.
    #[error("the thumbprint {thumbprint} is registered for \"{first}\" already")]
    DuplicateThumbprint {
        /// The certificate's thumbprint.
        thumbprint: Thumbprint,
        /// The application that has registered it first.
        first: ClientId,
        /// Index of the rejected application's credential.
        credential: usize,
    },
    /// Another application has registered the certificate's key.
    #[error("the public key is registered for \"{first}\" already")]
    DuplicatePublicKey {
        /// The application that has registered it first.
        first: ClientId,
        /// Index of the rejected application's credential.
        credential: usize,
    },
    /// Another application has registered the subject.
    #[error(transparent)]
    DuplicateSubject(#[from] DuplicateSubject),
    /// Another application has this `client_id`.
    #[error("the client_id \"{0}\" is registered already")]
    DuplicateClientId(ClientId),
}

impl RegistryError {
    /// How an operator fixes a certificate that is registered twice.
    pub const EACH_ONCE: &str = "register each certificate once: an application's key must be its own";

    /// Index of the rejected application's credential that causes the error.
    #[must_use]
    pub fn credential(&self) -> Option<usize> {
        match self {
            Self::DuplicateThumbprint { credential, .. }
            | Self::DuplicatePublicKey { credential, .. }
            | Self::DuplicateSubject(DuplicateSubject { credential, .. }) => Some(*credential),
            Self::DuplicateClientId(_) => None,
        }
    }

    /// How an operator fixes it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::DuplicateSubject(_) => DuplicateSubject::HELP,
            _ => Self::EACH_ONCE,
        }
    }
}

/// Identifies one state of a registry. Equal versions mean equal registries; every change makes a new version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegistryVersion(u64);

impl RegistryVersion {
    fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Relaxed) + 1)
    }
}

/// A change of one application's registration.
#[derive(Debug)]
pub enum Change {
    /// Registers the application, or replaces its registration.
    Put(Box<Application>),
    /// Removes the application.
    Remove(ClientId),
}

/// All applications. Lookups by `client_id`, thumbprint and subject take constant time.
///
/// A clone is cheap, and a change costs its own size, not the registry's: see [`Registry::apply`].
#[derive(Clone, Debug, Default)]
pub struct Registry {
    clients: SharedMap<ClientId, Arc<Application>>,
    certificates: SharedMap<CertificateMatch, Arc<Application>>,
    subjects: Subjects,
    /// How many applications have a `client_id` with upper-case letters and this lower-case form.
    lower_case: SharedMap<Box<str>, usize>,
    /// How many applications accept certificates that no client CA has issued.
    accept_self_signed: usize,
    /// How many applications authenticate without a certificate.
    without_certificate: usize,
    /// The applications whose published key set has no keys, or has not been fetched yet.
    without_keys: SharedMap<ClientId, Arc<Application>>,
    version: RegistryVersion,
}

impl Registry {
    /// Adds an application that is not registered yet.
    ///
    /// # Errors
    ///
    /// If its `client_id`, a certificate or a subject is registered already. The registry is then unchanged.
    pub fn insert(&mut self, application: Arc<Application>) -> Result<(), RegistryError> {
        if self.clients.get(&application.client_id).is_some() {
            return Err(RegistryError::DuplicateClientId(application.client_id.clone()));
        }
        for (credential, matches) in application.certificates() {
            if let Some(first) = self.certificates.get(&matches) {
                let first = first.client_id.clone();
                return Err(match matches {
                    CertificateMatch::Thumbprint(thumbprint) => {
                        RegistryError::DuplicateThumbprint { thumbprint, first, credential }
                    }
                    CertificateMatch::PublicKey(_) => RegistryError::DuplicatePublicKey { first, credential },
                });
            }
        }
        self.subjects.insert(&application)?;
        for (_, matches) in application.certificates() {
            self.certificates.insert(matches, Arc::clone(&application));
        }
        self.accept_self_signed += usize::from(accepts_self_signed(&application));
        self.without_certificate += usize::from(authenticates_without_certificate(&application));
        if let Some(lower_case) = lower_case(application.client_id.as_str()) {
            let others = self.lower_case.get(&lower_case).copied().unwrap_or_default();
            self.lower_case.insert(lower_case, others + 1);
        }
        if has_no_keys(&application) {
            self.without_keys.insert(application.client_id.clone(), Arc::clone(&application));
        }
        self.clients.insert(application.client_id.clone(), application);
        self.version = RegistryVersion::next();
        Ok(())
    }

    /// Applies one change. All other applications remain the same values; see [`Registry::apply_all`].
    ///
    /// # Errors
    ///
    /// See [`Registry::apply_all`].
    pub fn apply(&mut self, change: Change) -> Result<(), RegistryError> {
        self.apply_all(vec![change])
    }

    /// Applies changes of different applications as one, so that two can exchange their certificates. An application whose
    /// registration does not change remains the same value, and an unchanged credential keeps its last use.
    ///
    /// # Errors
    ///
    /// If two applications would have the same `client_id`, certificate or subject. The registry is then unchanged.
    pub fn apply_all(&mut self, changes: Vec<Change>) -> Result<(), RegistryError> {
        let (mut removed, mut put) = (Vec::new(), Vec::new());
        for change in changes {
            match change {
                Change::Put(application) => {
                    let before = self.application(application.client_id.as_str());
                    put.push(Self::continued(*application, before));
                }
                Change::Remove(client_id) => removed.push(client_id),
            }
        }
        self.replace(&removed, &put)
    }

    /// Removes and registers these applications as one change, by their very values.
    ///
    /// # Errors
    ///
    /// As [`Registry::apply_all`].
    pub fn replace(&mut self, removed: &[ClientId], put: &[Arc<Application>]) -> Result<(), RegistryError> {
        let is_known = |application: &Arc<Application>| {
            self.clients.get(&application.client_id).is_some_and(|known| Arc::ptr_eq(known, application))
        };
        let put: Vec<_> = put.iter().filter(|application| !is_known(application)).collect();
        let mut next = self.clone();
        for client_id in removed.iter().chain(put.iter().map(|application| &application.client_id)) {
            next.remove(client_id);
        }
        for application in put {
            next.insert(Arc::clone(application))?;
        }
        *self = next;
        Ok(())
    }

    /// Each application that differs between this registry and a later one, before and after. Parts that the two share are
    /// skipped, so that the cost is that of the changes.
    pub fn differences<'a>(
        &'a self,
        after: &'a Self,
    ) -> impl Iterator<Item = (Option<&'a Arc<Application>>, Option<&'a Arc<Application>>)> {
        let pairs = self.clients.differences(&after.clients);
        pairs.filter(|(before, after)| match (before, after) {
            (Some(before), Some(after)) => !Arc::ptr_eq(before, after),
            _ => true,
        })
    }

    /// The previous registration if nothing has changed, else the new one with the last uses of the previous one.
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
        for (_, matches) in application.certificates() {
            self.certificates.remove(&matches);
        }
        self.subjects.remove(&application);
        if let Some(lower_case) = lower_case(client_id.as_str()) {
            match self.lower_case.get(&lower_case).copied() {
                Some(others @ 2..) => self.lower_case.insert(lower_case, others - 1),
                _ => self.lower_case.remove(&lower_case),
            }
        }
        self.accept_self_signed -= usize::from(accepts_self_signed(&application));
        self.without_certificate -= usize::from(authenticates_without_certificate(&application));
        if has_no_keys(&application) {
            self.without_keys.remove(client_id);
        }
        self.clients.remove(client_id);
        self.version = RegistryVersion::next();
    }

    /// The current version, to detect changes.
    #[must_use]
    pub const fn version(&self) -> RegistryVersion {
        self.version
    }

    /// The applications that may have registered this subject.
    #[must_use]
    pub fn owners_of(&self, subject: &super::Subject) -> &[Arc<Application>] {
        self.subjects.owners_of(subject)
    }

    /// The application with this `client_id`.
    #[must_use]
    pub fn application(&self, client_id: &str) -> Option<&Arc<Application>> {
        self.clients.get(client_id)
    }

    /// Whether a server that ignores case could take an identifier that is not registered for one that is.
    #[must_use]
    pub fn resembles(&self, client_id: &str) -> bool {
        let folded = client_id.to_ascii_lowercase();
        self.clients.get(folded.as_str()).is_some() || self.lower_case.get(folded.as_str()).is_some()
    }

    /// Every application that may authenticate with this certificate: first by thumbprint or key, then by subject and SANs.
    pub fn candidates<'a>(
        &'a self,
        certificate: &'a ClientCertificate,
    ) -> impl Iterator<Item = &'a Arc<Application>> + 'a {
        let by_thumbprint = CertificateMatch::Thumbprint(certificate.thumbprint());
        let by_key = || CertificateMatch::PublicKey(certificate.spki_sha256());
        let keys = std::iter::once(by_thumbprint).chain(std::iter::once_with(by_key));
        keys.filter_map(|key| self.certificates.get(&key)).chain(self.subjects.owners(certificate))
    }

    /// Whether an application has registered this thumbprint.
    #[must_use]
    pub fn has_thumbprint(&self, thumbprint: &Thumbprint) -> bool {
        self.certificates.get(&CertificateMatch::Thumbprint(*thumbprint)).is_some()
    }

    /// The number of applications.
    #[must_use]
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Whether no application is registered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Whether any application presents a certificate that no client CA needs to have issued. The TLS handshake then sends no CA
    /// names, since clients would not present a certificate that none of these has issued (RFC 8705 section 7.2).
    #[must_use]
    pub const fn accepts_self_signed(&self) -> bool {
        self.accept_self_signed > 0
    }

    /// Whether any application authenticates by another way than its certificate. Otherwise a request on a connection without
    /// one cannot authenticate.
    #[must_use]
    pub const fn authenticates_without_certificate(&self) -> bool {
        self.without_certificate > 0
    }

    /// The applications whose published key set has no keys, or has not been fetched yet, in arbitrary order.
    pub fn without_keys(&self) -> impl Iterator<Item = &Arc<Application>> {
        self.without_keys.values()
    }

    /// All applications, in arbitrary order.
    pub fn applications(&self) -> impl Iterator<Item = &Arc<Application>> {
        self.clients.values()
    }
}

/// The lower-case form of an identifier that has upper-case letters.
fn lower_case(client_id: &str) -> Option<Box<str>> {
    client_id.bytes().any(|byte| byte.is_ascii_uppercase()).then(|| client_id.to_ascii_lowercase().into())
}

/// Whether it presents a certificate that no client CA needs to have issued.
fn accepts_self_signed(application: &Application) -> bool {
    let by_certificate = matches!(application.method, Method::Tls(CertificateCredentials::Certificates(_)));
    let bound_to_one = match &application.binding {
        Binding::None => false,
        Binding::AnyCertificate => true,
        Binding::Registered(registered) => matches!(**registered, CertificateCredentials::Certificates(_)),
    };
    by_certificate || bound_to_one
}

/// Whether its assertions cannot be verified: its key set is published, and has never been fetched.
fn has_no_keys(application: &Application) -> bool {
    match &application.method {
        Method::PrivateKeyJwt(Keys::Published(published)) => {
            published.keys.as_ref().is_none_or(|keys| keys.is_empty())
        }
        _ => false,
    }
}

fn authenticates_without_certificate(application: &Application) -> bool {
    !application.method.kind().is_tls()
}

#[cfg(test)]
mod tests;
