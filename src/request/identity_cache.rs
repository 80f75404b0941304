//! The worker's cache of clients, so that a client that reconnects costs no parsing, verification or encoding.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use rustls::pki_types::CertificateDer;

use super::ClientIdentity;
use crate::{
    authenticate::{Proof, RefusalCache},
    identity::{ClientCertificate, chain_hash},
    trust::Trust,
};

/// Clients that have authenticated, by the hash of the presented chain, and refused chains.
///
/// Only authenticated clients are cached, so that strangers cannot fill it. A full cache is cleared.
#[derive(Debug, Default)]
pub struct IdentityCache {
    clients: RefCell<Clients>,
    /// Refused chains of any client.
    pub refusals: RefusalCache,
}

#[derive(Debug, Default)]
struct Clients {
    by_chain: HashMap<[u8; 32], Rc<ClientIdentity>>,
    /// The size of all chains in bytes.
    bytes: usize,
}

impl Clients {
    const MAX: usize = 8192;
    /// In bytes; a typical chain has 1 to 4 KB.
    const MAX_BYTES: usize = 16 * 1024 * 1024;

    fn insert(&mut self, certificate: &ClientCertificate, identity: &Rc<ClientIdentity>) {
        let intermediates = certificate.intermediates().iter().map(|der| der.len());
        let bytes = certificate.der().len() + intermediates.sum::<usize>();
        if self.by_chain.len() >= Self::MAX || self.bytes + bytes > Self::MAX_BYTES {
            *self = Self::default();
        }
        self.bytes += bytes;
        if self.by_chain.insert(certificate.chain_hash(), Rc::clone(identity)).is_some() {
            // Another connection has presented the same chain.
            self.bytes -= bytes;
        }
    }
}

impl IdentityCache {
    /// The client that presented this chain, cached or new; `None` for an empty chain.
    #[must_use]
    pub fn lookup(&self, chain: &[CertificateDer<'static>]) -> Option<Rc<ClientIdentity>> {
        if chain.is_empty() {
            return None;
        }
        let known = self.clients.borrow().by_chain.get(&chain_hash(chain)).map(Rc::clone);
        Some(known.unwrap_or_else(|| Rc::new(ClientIdentity::new(ClientCertificate::from_chain(chain)))))
    }

    /// Caches a client that has authenticated under this trust, with its proof.
    pub fn remember(&self, identity: &Rc<ClientIdentity>, trust: &Trust, proof: &Proof) {
        identity.remember(trust, proof);
        if let Ok(certificate) = &identity.certificate
            && !identity.is_cached.replace(true)
        {
            self.clients.borrow_mut().insert(certificate, identity);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::Ca;

    use crate::identity::testing::client;

    #[test]
    fn the_cache_is_bounded_in_clients_and_bytes() {
        let leaf = Ca::new("Client CA").leaf("a", |_| {});
        let mut clients = Clients::default();
        let mut insert = |number: u32, bytes: usize| {
            let other = [number.to_be_bytes().to_vec(), vec![0; bytes]].concat();
            let certificate = client(&[leaf.clone(), other.into()]);
            let identity = Rc::new(ClientIdentity::new(Ok(client(std::slice::from_ref(&leaf)))));
            clients.insert(&certificate, &identity);
            assert!(clients.bytes <= Clients::MAX_BYTES && clients.by_chain.len() <= Clients::MAX);
            clients.by_chain.len()
        };
        let large = (0..900).map(|number| insert(number, 40_000)).max().unwrap();
        assert!((300..420).contains(&large), "{large} of 40 KB");
        let most = (0..9000).map(|number| insert(number, 1)).max();
        assert_eq!(most, Some(Clients::MAX));
    }
}
