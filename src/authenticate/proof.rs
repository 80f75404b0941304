//! That a client is an application, by what, and for how long that holds.

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

/// That a client is an application, and by what.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The application.
    pub application: Arc<Application>,
    /// Which of its credentials matched: its position, see [`Application::credential_at`].
    pub credential: usize,
    /// What the proof rests on.
    pub basis: Basis,
    /// While the clock is within, the same trust would judge alike.
    pub valid: Validity,
}

/// What a proof rests on.
#[derive(Clone, Debug)]
pub enum Basis {
    /// The certificate's registered thumbprint (RFC 8705 section 2.2).
    Thumbprint,
    /// A verified path to a client CA (RFC 8705 section 2.1).
    Chain(Rc<VerifiedPath>),
}

impl Basis {
    /// The verified path, where it rests on one.
    #[must_use]
    pub fn path(&self) -> Option<&Rc<VerifiedPath>> {
        match self {
            Self::Thumbprint => None,
            Self::Chain(path) => Some(path),
        }
    }
}

impl Proof {
    /// Notes in the registry that the credential was used by this certificate, `now`.
    pub fn record_use(&self, certificate: &ClientCertificate, now: Timestamp) {
        if let Some(credential) = self.application.credential_at(self.credential) {
            credential.usage.record(now, certificate.validity().not_after);
        }
    }
}

/// The last proof of one client.
#[derive(Debug, Default)]
pub struct ProofSlot(RefCell<Option<CachedProof>>);

/// A proof, and what it was last known to hold under.
#[derive(Debug)]
struct CachedProof {
    proof: Proof,
    registry: Cell<RegistryVersion>,
    authorities: AuthoritiesVersion,
}

impl CachedProof {
    /// Whether the application is registered now as it was when it was judged.
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

    /// Whether a judgement under this trust would find the proof again, as long as it is valid.
    fn is_current(&self, trust: &Trust) -> bool {
        self.is_registered(trust)
            && match self.proof.basis {
                Basis::Thumbprint => true,
                Basis::Chain(_) => self.authorities == trust.authorities.version(),
            }
    }
}

impl ProofSlot {
    /// Remembers a proof that was found just now under this trust.
    pub fn remember(&self, trust: &Trust, proof: &Proof) {
        self.0.replace(Some(CachedProof {
            proof: proof.clone(),
            registry: Cell::new(trust.registry.version()),
            authorities: trust.authorities.version(),
        }));
    }

    /// The proof, if a judgement for this client under this trust would find it again `now`: the
    /// application is registered as before, and every certificate and CRL that the proof rests on is unchanged and valid.
    pub fn get(&self, trust: &Trust, client_id: &ClientId, now: Timestamp) -> Option<Proof> {
        let slot = self.0.borrow();
        let remembered = slot.as_ref()?;
        let Proof { application, valid, .. } = &remembered.proof;
        let is_current =
            application.client_id == *client_id && valid.contains(now) && remembered.is_current(trust);
        is_current.then(|| remembered.proof.clone())
    }

    /// Whether there ever was a proof.
    pub fn is_set(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Whether the application that was proved is registered as before.
    pub fn is_registered(&self, trust: &Trust) -> bool {
        self.0.borrow().as_ref().is_some_and(|remembered| remembered.is_registered(trust))
    }
}
