//! What a client presented in its handshake, and what was made of it.

use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::Rc,
};

use http::{HeaderName, HeaderValue};

use crate::{
    authenticate::{Basis, ChainSlot, Presented, Proof, ProofSlot, RefusalCache},
    clock::Timestamp,
    identity::{ClientCertificate, IdentityError, VerifiedPath},
    trust::{ClientId, RegistryVersion, Trust},
    vouch::{Facts, Profile, TooLarge, Verdict, not_verified},
};

/// A client, by its certificate. Each slot holds what was found last, and by what that holds: the verdict on its chain by the
/// authorities, its proof by the application's own registration, its headers by the profile.
#[derive(Debug)]
pub struct ClientIdentity {
    /// The facts, or why they cannot be read.
    pub certificate: Result<ClientCertificate, IdentityError>,
    chain: ChainSlot,
    proof: ProofSlot,
    headers: RefCell<Option<Encoded>>,
    log_fields: OnceCell<LogFields>,
    /// Whether this registry has anything of the certificate.
    candidate: Cell<Option<(RegistryVersion, bool)>>,
    /// Whether the worker's cache holds it.
    pub(super) is_cached: Cell<bool>,
}

/// What every line of the access log has of a certificate.
#[derive(Debug)]
pub struct LogFields {
    /// In lower-case hex.
    pub thumbprint: String,
    /// In RFC 4514 form, bounded.
    pub subject: String,
}

/// The headers that vouch for a client; or the certificate does not fit the header of its profile.
pub type Headers = Result<Vec<(HeaderName, HeaderValue)>, TooLarge>;

/// Headers, and what they were made of besides the certificate.
#[derive(Debug)]
struct Encoded {
    profile: Profile,
    /// The verified path; absent for a registered thumbprint.
    path: Option<Rc<VerifiedPath>>,
    headers: Rc<Headers>,
}

impl Encoded {
    fn is_of(&self, profile: &Profile, basis: &Basis) -> bool {
        let is_same_path = match (&self.path, basis.path()) {
            (Some(one), Some(other)) => Rc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        };
        is_same_path && self.profile.is_identical(profile)
    }
}

impl ClientIdentity {
    pub(super) fn new(certificate: Result<ClientCertificate, IdentityError>) -> Self {
        Self {
            certificate,
            chain: ChainSlot::default(),
            proof: ProofSlot::default(),
            headers: RefCell::default(),
            log_fields: OnceCell::new(),
            candidate: Cell::default(),
            is_cached: Cell::default(),
        }
    }

    /// What is to be judged; an error if the certificate cannot be read.
    pub fn presented<'a>(&'a self, refusals: &'a RefusalCache) -> Result<Presented<'a>, &'a IdentityError> {
        let certificate = self.certificate.as_ref()?;
        Ok(Presented { certificate, chain: &self.chain, refusals })
    }

    /// Remembers a proof that was found just now under this trust.
    pub(super) fn remember(&self, trust: &Trust, proof: &Proof) {
        self.proof.remember(trust, proof);
    }

    /// See [`ProofSlot::get`].
    pub fn proof(&self, trust: &Trust, client_id: &ClientId, now: Timestamp) -> Option<Proof> {
        self.proof.get(trust, client_id, now)
    }

    /// Whether it has authenticated as an application before.
    pub fn has_authenticated(&self) -> bool {
        self.proof.is_set()
    }

    /// Whether an application is registered with the certificate's thumbprint, or with a name that it has.
    pub fn is_candidate(&self, trust: &Trust) -> bool {
        if self.proof.is_registered(trust) {
            return true;
        }
        let version = trust.registry.version();
        if let Some((of, is_candidate)) = self.candidate.get()
            && of == version
        {
            return is_candidate;
        }
        let certificate = self.certificate.as_ref();
        let is_candidate =
            certificate.is_ok_and(|certificate| trust.registry.candidates(certificate).next().is_some());
        self.candidate.set(Some((version, is_candidate)));
        is_candidate
    }

    /// The certificate as the log shows it; none if it cannot be read.
    pub fn log_fields(&self) -> Option<&LogFields> {
        let certificate = self.certificate.as_ref().ok()?;
        Some(self.log_fields.get_or_init(|| LogFields {
            thumbprint: certificate.thumbprint().to_string(),
            subject: certificate.subject().shown(),
        }))
    }

    /// The headers that vouch for this client in this profile: encoded once, then kept while the profile and what the proof
    /// rests on are the same. None if the certificate cannot be read.
    pub fn headers(&self, profile: &Profile, basis: &Basis) -> Option<Rc<Headers>> {
        let certificate = self.certificate.as_ref().ok()?;
        let mut slot = self.headers.borrow_mut();
        if let Some(encoded) = slot.as_ref().filter(|encoded| encoded.is_of(profile, basis)) {
            return Some(Rc::clone(&encoded.headers));
        }
        let headers = Rc::new(encode(certificate, profile, basis));
        let path = basis.path().cloned();
        *slot = Some(Encoded { profile: profile.clone(), path, headers: Rc::clone(&headers) });
        Some(headers)
    }
}

/// The verdict follows the credential that matched, since upstreams choose the method by it: a certificate that is
/// registered by its thumbprint is vouched for as self-signed even where a CA has issued it.
fn encode(certificate: &ClientCertificate, profile: &Profile, basis: &Basis) -> Headers {
    let (verdict, intermediates) = match basis {
        Basis::Thumbprint => (not_verified(certificate), &[][..]),
        Basis::Chain(path) => (Verdict::Verified, path.intermediates.as_slice()),
    };
    profile.headers(&Facts::of(certificate).evidence(verdict, intermediates))
}

#[cfg(test)]
mod tests;
