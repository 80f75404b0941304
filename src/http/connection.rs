//! What is fixed for a connection, computed when its handshake is done.

use std::{
    cell::{Cell, RefCell},
    net::IpAddr,
    rc::Rc,
    sync::Arc,
};

use http::{HeaderName, HeaderValue};
use tokio::sync::Notify;

use crate::{
    authenticate::Proof,
    identity::{ClientCertificate, IdentityError},
    site::Domain,
    trust::Generation,
    vouch::{Facts, TooLarge, Verdict, not_verified},
};

/// Who is at the other end of the TCP connection.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress {
    /// The application's address: the TCP peer's, or what a PROXY header says.
    pub ip: IpAddr,
    /// Whether `ip` is a trusted proxy's, so that an inbound `X-Forwarded-For` is believed.
    pub trusted_proxy: bool,
    /// The port on which the connection was accepted.
    pub local_port: u16,
}

/// One connection after its handshake.
#[derive(Debug)]
pub struct Connection {
    /// The application's address.
    pub address: ClientAddress,
    /// The domain that the handshake was made for: lower case, no trailing dot.
    pub server_name: Box<str>,
    /// The certificate whose key the peer proved to hold; absent where none was presented.
    pub peer: Option<Peer>,
    closing: Cell<bool>,
    lingers: Cell<bool>,
    close: Notify,
}

/// The client's certificate, and what was made of it under the newest snapshot that was asked.
#[derive(Debug)]
pub struct Peer {
    /// The facts, or why they can't be had.
    pub certificate: Result<ClientCertificate, IdentityError>,
    vouched: RefCell<Option<(VouchKey, Rc<Vouching>)>>,
}

type Vouching = Result<Vec<(HeaderName, HeaderValue)>, TooLarge>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct VouchKey {
    generation: Generation,
    domain: usize,
    /// The position of the verified path that matched; absent for a registered thumbprint.
    path: Option<usize>,
}

impl Connection {
    /// A connection of this domain; `chain` is what the peer presented, if anything.
    #[must_use]
    pub fn new(
        address: ClientAddress,
        server_name: Box<str>,
        chain: Option<&[rustls::pki_types::CertificateDer<'static>]>,
    ) -> Self {
        let peer = chain.filter(|chain| !chain.is_empty()).map(|chain| Peer {
            certificate: ClientCertificate::from_chain(chain),
            vouched: RefCell::default(),
        });
        Self {
            address,
            server_name,
            peer,
            closing: Cell::new(false),
            lingers: Cell::new(false),
            close: Notify::new(),
        }
    }

    /// Asks for the connection to be closed once the requests in flight are answered.
    pub fn close(&self) {
        if !self.closing.replace(true) {
            self.close.notify_one();
        }
    }

    /// Notes whether the last request was answered before its body was read, so that more of it may come.
    pub fn linger(&self, lingers: bool) {
        self.lingers.set(lingers);
    }

    /// What [`Connection::linger`] noted.
    #[must_use]
    pub fn lingers(&self) -> bool {
        self.lingers.get()
    }

    /// Waits until [`Connection::close`] is called.
    pub async fn close_asked(&self) {
        self.close.notified().await;
    }
}

impl Peer {
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
