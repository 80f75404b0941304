//! A client's certificate, read once by each worker: who connects again costs no parsing and no encoding.

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::Arc,
};

use http::{HeaderName, HeaderValue};
use rustls::pki_types::CertificateDer;

use crate::{
    authenticate::Proof,
    clock::Timestamp,
    identity::{ClientCertificate, IdentityError, chain_hash},
    site::Domain,
    trust::{ClientId, Generation, Trust},
    vouch::{Facts, TooLarge, Verdict, not_verified},
};

/// Peers that a worker remembers.
const PEERS: usize = 2048;
/// Bodies of strangers that a worker reads at once.
const STRANGERS: usize = 64;
/// The longest chain that is remembered, in bytes: ordinary ones have 1 to 4 KB.
const LONGEST: usize = 8 * 1024;

/// The client's certificate, and what was made of it under the newest snapshot that was asked.
#[derive(Debug)]
pub struct Peer {
    /// The facts, or why they can't be had.
    pub certificate: Result<ClientCertificate, IdentityError>,
    shown: OnceCell<Shown>,
    /// The proof that was found last, and under which trust.
    proved: RefCell<Option<(Generation, Proof)>>,
    vouched: RefCell<Option<(VouchKey, Rc<Vouching>)>>,
    is_kept: Cell<bool>,
    /// Whether the registry of this generation knows anything of the certificate.
    is_known: Cell<Option<(Generation, bool)>>,
}

/// What every line of the access log says of a certificate.
#[derive(Debug)]
pub struct Shown {
    /// In lower-case hex.
    pub thumbprint: String,
    /// In RFC 4514's form, bounded.
    pub subject: String,
}

type Vouching = Result<Vec<(HeaderName, HeaderValue)>, TooLarge>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct VouchKey {
    generation: Generation,
    domain: usize,
    /// The position of the verified path that matched; absent for a registered thumbprint.
    path: Option<usize>,
}

/// The peers of one worker that were proved to be somebody's, by the hash of what they presented.
///
/// What is kept are facts and encodings; a proof only with the generation of trust under which it holds. Nobody can fill it with what they made up.
#[derive(Debug, Default)]
pub struct Peers {
    kept: RefCell<HashMap<[u8; 32], Rc<Peer>>>,
    /// Held once for each body of a stranger's that is being read.
    strangers: Rc<()>,
}

impl Peers {
    /// The peer that presented this chain; none if it is empty.
    #[must_use]
    pub fn presented(&self, chain: &[CertificateDer<'static>]) -> Option<Rc<Peer>> {
        if chain.is_empty() {
            return None;
        }
        let kept = self.kept.borrow().get(&chain_hash(chain)).map(Rc::clone);
        Some(kept.unwrap_or_else(|| Rc::new(Peer::new(ClientCertificate::from_chain(chain)))))
    }

    /// A place for a body of a stranger's to be read; none if there are enough of them.
    pub fn stranger(&self) -> Option<Rc<()>> {
        (Rc::strong_count(&self.strangers) <= STRANGERS).then(|| Rc::clone(&self.strangers))
    }

    /// Remembers a peer that was proved just now, under this generation of trust. When there are too many, it starts afresh.
    pub fn keep(&self, peer: &Rc<Peer>, generation: Generation, proof: &Proof) {
        peer.proved.replace(Some((generation, proof.clone())));
        if peer.is_kept.replace(true) {
            return;
        }
        let Ok(certificate) = &peer.certificate else { return };
        let intermediates = certificate.intermediates().iter().map(|der| der.len());
        if certificate.der().len() + intermediates.sum::<usize>() > LONGEST {
            return;
        }
        let mut kept = self.kept.borrow_mut();
        if kept.len() >= PEERS {
            kept.clear();
        }
        kept.insert(certificate.chain_hash(), Rc::clone(peer));
    }
}

impl Peer {
    const fn new(certificate: Result<ClientCertificate, IdentityError>) -> Self {
        Self {
            certificate,
            shown: OnceCell::new(),
            proved: RefCell::new(None),
            vouched: RefCell::new(None),
            is_kept: Cell::new(false),
            is_known: Cell::new(None),
        }
    }

    /// The proof that was found last, if a judgement under this generation of trust would find it again `now`, in seconds since
    /// 1970: for the same client, while every certificate and list that it rests on is good.
    pub fn proof(&self, generation: Generation, client_id: &ClientId, now: Timestamp) -> Option<Proof> {
        let proved = self.proved.borrow();
        let (of, proof) = proved.as_ref()?;
        let holds =
            *of == generation && proof.application.client_id == *client_id && proof.valid.contains(now);
        holds.then(|| proof.clone())
    }

    /// Whether it was once proved to be some application's.
    pub fn was_proved(&self) -> bool {
        self.is_kept.get()
    }

    /// Whether an application is registered with the certificate's thumbprint, or with a name that it bears.
    pub fn may_be_somebodys(&self, trust: &Trust) -> bool {
        let generation = trust.generation;
        if self.proved.borrow().as_ref().is_some_and(|(of, _)| *of == generation) {
            return true;
        }
        if let Some((of, is_known)) = self.is_known.get()
            && of == generation
        {
            return is_known;
        }
        let certificate = self.certificate.as_ref();
        let is_known =
            certificate.is_ok_and(|certificate| trust.registry.candidates(certificate).next().is_some());
        self.is_known.set(Some((generation, is_known)));
        is_known
    }

    /// The certificate as the log shows it; none if it can't be read.
    pub fn shown(&self) -> Option<&Shown> {
        let certificate = self.certificate.as_ref().ok()?;
        Some(self.shown.get_or_init(|| Shown {
            thumbprint: certificate.thumbprint().to_string(),
            subject: certificate.subject().shown(),
        }))
    }

    /// The headers that vouch for this client under `domain`'s profile: encoded once, then kept for
    /// as long as the snapshot and the credential's kind are the same.
    pub fn vouching(
        &self,
        generation: Generation,
        domain: &Arc<Domain>,
        proof: &Proof,
    ) -> Option<Rc<Vouching>> {
        let certificate = self.certificate.as_ref().ok()?;
        let key = VouchKey {
            generation,
            domain: Arc::as_ptr(domain) as usize,
            path: proof.chain.as_ref().map(|(_, index)| *index),
        };
        if let Some((kept, headers)) = &*self.vouched.borrow()
            && *kept == key
        {
            return Some(Rc::clone(headers));
        }
        let headers = Rc::new(encode(certificate, domain, proof));
        *self.vouched.borrow_mut() = Some((key, Rc::clone(&headers)));
        Some(headers)
    }
}

/// The verdict follows the credential that matched, since upstreams pick the method by it: a certificate that is
/// registered by thumbprint is vouched for as self-signed even where a CA has issued it.
fn encode(certificate: &ClientCertificate, domain: &Domain, proof: &Proof) -> Vouching {
    let path = proof.path();
    let verdict = if path.is_some() { Verdict::Verified } else { not_verified(certificate) };
    let intermediates = path.map_or(&[][..], |path| path.intermediates.as_slice());
    domain.profile.headers(&Facts::of(certificate).evidence(verdict, intermediates))
}
