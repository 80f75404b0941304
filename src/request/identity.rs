//! A client's certificate, with the cached results of judging and encoding it.

use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::Rc,
};

use http::{HeaderName, HeaderValue};

use crate::{
    authenticate::{Basis, ChainSlot, Presented, Proof, ProofSlot, RefusalCache},
    clock::Timestamp,
    identity::{ClientCertificate, IdentityError, VerifiedPath},
    observe::access::{Fragment, Value},
    trust::{ClientId, RegistryVersion, Trust},
    vouch::{Facts, Profile, TooLarge, Verdict, not_verified},
};

/// A client, identified by its certificate, with its caches. Each cached value has the version that it depends on: the chain
/// verdict that of the authorities, the proof the application's registration, the headers the profile.
#[derive(Debug)]
pub struct ClientIdentity {
    /// The parsed certificate, or why it cannot be parsed.
    pub certificate: Result<ClientCertificate, IdentityError>,
    chain: ChainSlot,
    proof: ProofSlot,
    headers: RefCell<Option<Encoded>>,
    log_fields: OnceCell<Fragment>,
    /// The same, and what only the line of a request that was answered with 401 has.
    refused_log_fields: OnceCell<Fragment>,
    /// The first application that has registered the certificate, and the registry that this depends on.
    candidate: RefCell<Option<(RegistryVersion, Option<ClientId>)>>,
    /// Whether the worker's [`IdentityCache`](super::IdentityCache) contains it.
    pub(super) is_cached: Cell<bool>,
}

/// The vouching headers of a client, or that the certificate is too large for its header.
pub type Headers = Result<Vec<(HeaderName, HeaderValue)>, TooLarge>;

/// Encoded headers, and what they depend on.
#[derive(Debug)]
struct Encoded {
    profile: Profile,
    /// The verified path; `None` for a registered thumbprint.
    path: Option<Rc<VerifiedPath>>,
    headers: Rc<Headers>,
}

impl Encoded {
    fn is_for(&self, profile: &Profile, basis: &Basis) -> bool {
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
            refused_log_fields: OnceCell::new(),
            candidate: RefCell::default(),
            is_cached: Cell::default(),
        }
    }

    /// The certificate and its caches, for [`crate::authenticate`]; an error if it cannot be parsed.
    pub fn presented<'a>(&'a self, refusals: &'a RefusalCache) -> Result<Presented<'a>, &'a IdentityError> {
        let certificate = self.certificate.as_ref()?;
        Ok(Presented { certificate, chain: &self.chain, refusals })
    }

    /// Caches a proof that was made under this trust.
    pub(super) fn remember(&self, trust: &Trust, proof: &Proof) {
        self.proof.remember(trust, proof);
    }

    /// The cached proof, see [`ProofSlot::get`].
    pub fn proof(&self, trust: &Trust, client_id: &ClientId, now: Timestamp) -> Option<Proof> {
        self.proof.get(trust, client_id, now)
    }

    /// Whether it has ever authenticated.
    pub fn has_authenticated(&self) -> bool {
        self.proof.is_set()
    }

    /// Whether an application has registered the certificate's thumbprint, key, subject or one of its SANs. Otherwise the client is a
    /// stranger.
    pub fn is_candidate(&self, trust: &Trust) -> bool {
        self.candidate(trust).is_some()
    }

    /// The application that has authenticated with the certificate, while it is registered, or else the first that has registered it.
    pub(super) fn candidate(&self, trust: &Trust) -> Option<ClientId> {
        if let Some(client_id) = self.proof.registered(trust) {
            return Some(client_id);
        }
        let version = trust.registry.version();
        let mut slot = self.candidate.borrow_mut();
        if let Some((of, candidate)) = &*slot
            && *of == version
        {
            return candidate.clone();
        }
        let certificate = self.certificate.as_ref().ok();
        let first = certificate.and_then(|certificate| trust.registry.candidates(certificate).next());
        let candidate = first.map(|application| application.client_id.clone());
        *slot = Some((version, candidate.clone()));
        candidate
    }

    /// The certificate's fields in the access log; `None` if it cannot be parsed. Its issuer, which mostly says nothing new, is named only if
    /// the request was answered with 401: the client may have renewed it at another CA.
    pub(super) fn log_fields(&self, is_unauthorized: bool) -> Option<&Fragment> {
        let certificate = self.certificate.as_ref().ok()?;
        let slot = if is_unauthorized { &self.refused_log_fields } else { &self.log_fields };
        Some(slot.get_or_init(|| {
            let (thumbprint, subject) = (certificate.thumbprint().to_string(), certificate.subject().shown());
            let issuer = is_unauthorized.then(|| certificate.issuer().shown());
            Fragment::of(&[
                ("thumbprint", Some(Value::Token(&thumbprint))),
                ("subject", Some(Value::Text(&subject))),
                ("issuer", issuer.as_deref().map(Value::Text)),
            ])
        }))
    }

    /// The vouching headers of this client. They are encoded once per profile and basis. `None` if the certificate cannot be
    /// parsed.
    pub fn headers(&self, profile: &Profile, basis: &Basis) -> Option<Rc<Headers>> {
        let certificate = self.certificate.as_ref().ok()?;
        let mut slot = self.headers.borrow_mut();
        if let Some(encoded) = slot.as_ref().filter(|encoded| encoded.is_for(profile, basis)) {
            return Some(Rc::clone(&encoded.headers));
        }
        let headers = Rc::new(vouching_headers(certificate, profile, basis));
        let path = basis.path().cloned();
        *slot = Some(Encoded { profile: profile.clone(), path, headers: Rc::clone(&headers) });
        Some(headers)
    }
}

/// The vouching headers of a certificate. Their verdict follows the credential that matched, since upstreams select the authentication
/// method by it: a certificate that is registered by thumbprint is reported as self-signed even if a client CA has issued it.
pub fn vouching_headers(certificate: &ClientCertificate, profile: &Profile, basis: &Basis) -> Headers {
    let (verdict, intermediates) = match basis {
        Basis::Thumbprint => (not_verified(certificate), &[][..]),
        Basis::Chain(path) => (Verdict::Verified, path.intermediates.as_slice()),
    };
    profile.headers(&Facts::of(certificate).evidence(verdict, intermediates))
}

#[cfg(test)]
mod tests;
