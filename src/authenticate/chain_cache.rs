//! Chain verdicts kept for the generation of trust under which they were reached.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use crate::{
    identity::{ChainVerdict, ClientCertificate, verify_chain},
    trust::{Generation, Trust},
};

/// A bounded memory of verified chains, one a worker, so that a client that comes again costs no signature check.
///
/// Only verified chains are kept (a peer can't fill it with what it made up), by the hash of the whole
/// presented chain. Their windows of validity are judged at every use, not here.
#[derive(Debug)]
pub struct ChainCache {
    bound: usize,
    kept: RefCell<Kept>,
}

#[derive(Debug)]
struct Kept {
    generation: Generation,
    verdicts: HashMap<[u8; 32], Rc<ChainVerdict>>,
}

impl ChainCache {
    /// A cache of at most `bound` chains; when it is full it starts afresh.
    #[must_use]
    pub fn new(bound: usize) -> Self {
        Self { bound, kept: RefCell::new(Kept { generation: Generation(0), verdicts: HashMap::new() }) }
    }

    /// The chain's verdict under this trust at `now` (seconds since 1970).
    pub fn verdict(&self, certificate: &ClientCertificate, trust: &Trust, now: i64) -> Rc<ChainVerdict> {
        let mut kept = self.kept.borrow_mut();
        let Kept { generation, verdicts } = &mut *kept;
        if *generation != trust.generation {
            verdicts.clear();
            *generation = trust.generation;
        }
        let key = certificate.chain_hash();
        if let Some(verdict) = verdicts.get(&key) {
            if let ChainVerdict::Verified(paths) = verdict.as_ref()
                && paths.iter().all(|path| path.validity.contains(now))
            {
                return Rc::clone(verdict);
            }
            verdicts.remove(&key);
        }
        let verdict = Rc::new(verify_chain(certificate, &trust.authorities, now));
        if matches!(*verdict, ChainVerdict::Verified(_)) {
            if verdicts.len() >= self.bound {
                verdicts.clear();
            }
            verdicts.insert(key, Rc::clone(&verdict));
        }
        verdict
    }
}
