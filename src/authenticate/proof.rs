//! The result of a successful authentication, and the cache of those by certificate.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use crate::{
    clock::Timestamp,
    identity::{AuthoritiesVersion, ClientCertificate, Validity, VerifiedPath},
    trust::{Application, ClientId, RegisteredRef, RegistryVersion, Trust},
};

/// The result of judging a request: the application, and by which credential it authenticated.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The application.
    pub application: Arc<Application>,
    /// Index of the credential that matched, for [`Application::credential_at`]; `None` if none was verified.
    pub credential: Option<usize>,
    /// Whether the edge has verified a credential. Not for a public client, nor if only the authorization server knows the secret.
    pub is_authenticated: bool,
    /// What was verified about the connection's certificate; `None` if it is not vouched for.
    pub certificate: Option<Basis>,
    /// The period in which the same trust would give the same proof.
    pub valid: Validity,
}

/// What was verified about a certificate. Upstreams select the authentication method by it.
#[derive(Clone, Debug)]
pub enum Basis {
    /// The certificate's registered thumbprint or key (RFC 8705 section 2.2), or only possession of its key, if tokens are bound to
    /// any certificate.
    Thumbprint,
    /// A verified path to a client CA (RFC 8705 section 2.1).
    Chain(Rc<VerifiedPath>),
}

impl Basis {
    /// The verified path, if authentication is based on one.
    #[must_use]
    pub fn path(&self) -> Option<&Rc<VerifiedPath>> {
        match self {
            Self::Thumbprint => None,
            Self::Chain(path) => Some(path),
        }
    }
}

impl Proof {
    /// A period without an end.
    const ALWAYS: Validity = Validity { not_before: Timestamp::MIN, not_after: Timestamp::MAX };

    /// Authentication by a certificate, which is vouched for.
    pub(super) fn by_certificate(
        application: &Arc<Application>,
        credential: usize,
        basis: Basis,
        valid: Validity,
    ) -> Self {
        let application = Arc::clone(application);
        Self {
            application,
            credential: Some(credential),
            is_authenticated: true,
            certificate: Some(basis),
            valid,
        }
    }

    /// Authentication of one request by another credential.
    pub(super) fn by_credential(application: &Arc<Application>, credential: usize) -> Self {
        Self { is_authenticated: true, ..Self::unproved(application, Some(credential)) }
    }

    /// Authentication of one request by a key that the application publishes, which is not a credential of its own.
    pub(super) fn by_published_key(application: &Arc<Application>) -> Self {
        Self { is_authenticated: true, ..Self::unproved(application, None) }
    }

    /// A request of a client that the edge cannot authenticate.
    pub(super) fn unproved(application: &Arc<Application>, credential: Option<usize>) -> Self {
        let application = Arc::clone(application);
        Self { application, credential, is_authenticated: false, certificate: None, valid: Self::ALWAYS }
    }

    /// Records the credential's use at `now`; `certificate` is the connection's.
    pub fn record_use(&self, certificate: Option<&ClientCertificate>, now: Timestamp) {
        let Some(credential) = self.credential.and_then(|index| self.application.credential_at(index)) else {
            return;
        };
        let is_certificate =
            matches!(credential.registered, RegisteredRef::Subject(_) | RegisteredRef::Certificate(_));
        let certificate = certificate.filter(|_| is_certificate);
        credential.usage.record(now, certificate.map(|certificate| certificate.validity().not_after));
    }
}

/// A cache for the last proof of one client.
#[derive(Debug, Default)]
pub struct ProofSlot(RefCell<Option<CachedProof>>);

/// A proof, and the versions that it depends on.
#[derive(Debug)]
struct CachedProof {
    proof: Proof,
    registry: Cell<RegistryVersion>,
    authorities: AuthoritiesVersion,
}

impl CachedProof {
    /// Whether the application's registration is unchanged.
    fn is_registered(&self, trust: &Trust) -> bool {
        let version = trust.registry.version();
        if self.registry.get() == version {
            return true;
        }
        let now = trust.registry.application(self.proof.application.client_id.as_str());
        let is_registered = now.is_some_and(|now| Arc::ptr_eq(now, &self.proof.application));
        if is_registered {
            self.registry.set(version);
        }
        is_registered
    }

    /// Whether authentication under this trust would give the same proof within its validity.
    fn is_current(&self, trust: &Trust) -> bool {
        self.is_registered(trust)
            && match self.proof.certificate {
                Some(Basis::Chain(_)) => self.authorities == trust.authorities.version(),
                Some(Basis::Thumbprint) | None => true,
            }
    }
}

impl ProofSlot {
    /// Caches a proof that was made under this trust.
    pub fn remember(&self, trust: &Trust, proof: &Proof) {
        self.0.replace(Some(CachedProof {
            proof: proof.clone(),
            registry: Cell::new(trust.registry.version()),
            authorities: trust.authorities.version(),
        }));
    }

    /// The cached proof, if authentication of this client under this trust would give it at `now`: the application's
    /// registration is unchanged, and so is every certificate and CRL that the proof depends on, all within their validity.
    pub fn get(&self, trust: &Trust, client_id: &ClientId, now: Timestamp) -> Option<Proof> {
        let slot = self.0.borrow();
        let cached = slot.as_ref()?;
        let Proof { application, valid, .. } = &cached.proof;
        let is_current =
            application.client_id == *client_id && valid.contains(now) && cached.is_current(trust);
        is_current.then(|| cached.proof.clone())
    }

    /// Whether the client has ever authenticated.
    pub fn is_set(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// The application that authenticated, if its registration is unchanged.
    pub fn registered(&self, trust: &Trust) -> Option<ClientId> {
        let slot = self.0.borrow();
        let cached = slot.as_ref().filter(|cached| cached.is_registered(trust))?;
        Some(cached.proof.application.client_id.clone())
    }
}
