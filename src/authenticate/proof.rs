//! The result of a successful authentication, and its cache.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use crate::{
    clock::Timestamp,
    identity::{AuthoritiesVersion, ClientCertificate, Validity, VerifiedPath},
    trust::{Application, ClientId, RegistryVersion, Trust},
};

/// The result of a successful authentication: the application, and by which credential it authenticated.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The authenticated application.
    pub application: Arc<Application>,
    /// Index of the credential that matched, for [`Application::credential_at`].
    pub credential: usize,
    /// What was verified.
    pub basis: Basis,
    /// The period in which the same trust would give the same proof.
    pub valid: Validity,
}

/// What was verified to authenticate a client. Upstreams select the authentication method by it.
#[derive(Clone, Debug)]
pub enum Basis {
    /// The certificate's registered thumbprint (RFC 8705 section 2.2).
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
    /// Records the credential's use by this certificate at `now`.
    pub fn record_use(&self, certificate: &ClientCertificate, now: Timestamp) {
        if let Some(credential) = self.application.credential_at(self.credential) {
            credential.usage.record(now, certificate.validity().not_after);
        }
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
            && match self.proof.basis {
                Basis::Thumbprint => true,
                Basis::Chain(_) => self.authorities == trust.authorities.version(),
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

    /// Whether the registration of the application that authenticated is unchanged.
    pub fn is_registered(&self, trust: &Trust) -> bool {
        self.0.borrow().as_ref().is_some_and(|cached| cached.is_registered(trust))
    }
}
