//! Cached chain verdicts: one per client, and a bounded cache of refusals per worker.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use crate::{
    clock::Timestamp,
    identity::{
        Authorities, AuthoritiesVersion, ChainRefusal, ChainVerdict, ClientCertificate, VerifiedPath,
        verify_chain,
    },
};

/// All valid paths of a chain (at least one), or why there is none.
pub type Verdict = Result<Vec<Rc<VerifiedPath>>, ChainRefusal>;

/// A verdict, and the state that it depends on.
#[derive(Clone, Debug)]
struct CachedVerdict {
    authorities: AuthoritiesVersion,
    /// The time of the verification.
    judged_at: Timestamp,
    verdict: Rc<Verdict>,
}

impl CachedVerdict {
    /// Whether a verification at `now` would give the same verdict: the authorities are the same, and either every path is
    /// within its validity, or the refusal does not depend on the time.
    fn is_current(&self, authorities: &Authorities, now: Timestamp) -> bool {
        self.authorities == authorities.version()
            && match &*self.verdict {
                Ok(paths) => paths.iter().all(|path| path.validity.contains(now)),
                Err(refusal) => refusal.is_lasting() || self.judged_at == now,
            }
    }
}

/// A cache for the last verdict on one client's chain.
#[derive(Debug, Default)]
pub struct ChainSlot(RefCell<Option<CachedVerdict>>);

/// Refused chains of one worker, so that a stranger who connects again costs no signature check.
///
/// Separate from the cache of authenticated clients, so that strangers cannot evict those.
#[derive(Debug, Default)]
pub struct RefusalCache(RefCell<HashMap<[u8; 32], CachedVerdict>>);

impl RefusalCache {
    /// The maximum number of entries. A full cache is cleared.
    const CAPACITY: usize = 1024;

    fn get(&self, chain: &[u8; 32]) -> Option<CachedVerdict> {
        self.0.borrow().get(chain).cloned()
    }

    fn insert(&self, chain: [u8; 32], refusal: CachedVerdict) {
        let mut refusals = self.0.borrow_mut();
        if refusals.len() >= Self::CAPACITY && !refusals.contains_key(&chain) {
            refusals.clear();
        }
        refusals.insert(chain, refusal);
    }
}

/// A presented certificate with the caches for its verdict.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// The certificate, with the intermediates that the client sent.
    pub certificate: &'a ClientCertificate,
    /// The client's cached verdict.
    pub chain: &'a ChainSlot,
    /// The worker's cache of refusals.
    pub refusals: &'a RefusalCache,
}

impl Presented<'_> {
    /// The verdict on the chain under these authorities at `now`. Verifies the chain only if no current verdict is cached.
    #[must_use]
    pub fn verdict(&self, authorities: &Authorities, now: Timestamp) -> Rc<Verdict> {
        let mut slot = self.chain.0.borrow_mut();
        if let Some(cached) = slot.as_ref().filter(|cached| cached.is_current(authorities, now)) {
            return Rc::clone(&cached.verdict);
        }
        let key = self.certificate.chain_hash();
        let refused = self.refusals.get(&key).filter(|refused| refused.is_current(authorities, now));
        let cached = refused.unwrap_or_else(|| {
            let verdict = match verify_chain(self.certificate, authorities, now) {
                ChainVerdict::Verified(paths) => Ok(paths.into_iter().map(Rc::new).collect()),
                ChainVerdict::Refused(refusal) => Err(refusal),
            };
            let cached = CachedVerdict {
                authorities: authorities.version(),
                judged_at: now,
                verdict: Rc::new(verdict),
            };
            if cached.verdict.is_err() {
                self.refusals.insert(key, cached.clone());
            }
            cached
        });
        Rc::clone(&slot.insert(cached).verdict)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{SerialNumber, date_time_ymd};
    use testkit::Ca;

    use super::*;
    use crate::identity::{
        StaleCrl,
        testing::{NOW, client, trust, trust_with, until},
    };

    fn day(year: i32, month: u8, day: u8) -> Timestamp {
        Timestamp::from_unix(date_time_ymd(year, month, day).unix_timestamp())
    }

    /// A client with the cache of one connection.
    struct Client(ClientCertificate, ChainSlot);

    impl Client {
        fn new(certificate: ClientCertificate) -> Self {
            Self(certificate, ChainSlot::default())
        }

        fn verdict(&self, refusals: &RefusalCache, authorities: &Authorities, now: Timestamp) -> Rc<Verdict> {
            Presented { certificate: &self.0, chain: &self.1, refusals }.verdict(authorities, now)
        }
    }

    #[test]
    fn a_chain_is_verified_once_under_the_same_authorities() {
        let ca = Ca::new("Client CA");
        let (client, refusals) =
            (Client::new(client(&[ca.leaf("payments", |_| {})])), RefusalCache::default());
        let first = client.verdict(&refusals, &trust(&[&ca]), NOW);
        assert!(first.is_ok());
        // Authorities that were loaded again from the same files have the same version.
        assert!(Rc::ptr_eq(&first, &client.verdict(&refusals, &trust(&[&ca]), NOW)));
    }

    #[test]
    fn other_authorities_void_a_verdict() {
        let (ca, other) = (Ca::new("Client CA"), Ca::new("Other CA"));
        let (client, refusals) =
            (Client::new(client(&[ca.leaf("payments", |_| {})])), RefusalCache::default());
        assert!(client.verdict(&refusals, &trust(&[&ca]), NOW).is_ok());
        assert!(client.verdict(&refusals, &trust(&[&other]), NOW).is_err());
        assert!(client.verdict(&refusals, &trust(&[&ca]), NOW).is_ok());
    }

    #[test]
    fn a_changed_or_stale_crl_voids_a_verdict() {
        let ca = Ca::new("Client CA");
        let leaf = ca.leaf("payments", |params| params.serial_number = Some(SerialNumber::from(7u64)));
        let (client, refusals) = (Client::new(client(&[leaf])), RefusalCache::default());
        let with = |serials: &[u64], next_update| {
            trust_with(&[&ca], vec![ca.crl_der(serials, until(next_update))], StaleCrl::Refuse)
        };
        let fresh_until_2031 = with(&[], 2031);
        assert!(client.verdict(&refusals, &fresh_until_2031, NOW).is_ok());
        // The same authorities, after the CRL's nextUpdate.
        let in_2031 = day(2031, 1, 2);
        assert!(client.verdict(&refusals, &fresh_until_2031, in_2031).is_err());
        assert!(client.verdict(&refusals, &fresh_until_2031, NOW).is_ok());
        assert!(client.verdict(&refusals, &with(&[7], 2035), NOW).is_err());
    }

    #[test]
    fn an_expiry_voids_a_verdict() {
        let ca = Ca::new("Client CA");
        let leaf = ca.leaf("payments", |params| params.not_after = date_time_ymd(2030, 6, 1));
        let (client, refusals) = (Client::new(client(&[leaf])), RefusalCache::default());
        let end = day(2030, 6, 1);
        let authorities = trust(&[&ca]);
        assert!(client.verdict(&refusals, &authorities, NOW).is_ok());
        assert!(client.verdict(&refusals, &authorities, end).is_ok());
        assert!(client.verdict(&refusals, &authorities, end.next()).is_err());
    }

    #[test]
    fn refusals_are_cached_across_connections_within_bounds() {
        let (ca, other) = (Ca::new("Client CA"), Ca::new("Other CA"));
        let (authorities, refusals) = (trust(&[&ca]), RefusalCache::default());
        let stranger = client(&[other.leaf("stranger", |_| {})]);
        let connect = |certificate: &ClientCertificate| Client::new(certificate.clone());
        let first = connect(&stranger).verdict(&refusals, &authorities, NOW);
        assert!(Rc::ptr_eq(
            &first,
            &connect(&stranger).verdict(&refusals, &authorities, NOW + Duration::from_secs(3600))
        ));
        // A refusal does not outlive the authorities that it depends on.
        assert!(connect(&stranger).verdict(&refusals, &trust(&[&other]), NOW).is_ok());

        let der = stranger.der().clone();
        for junk in 0..2 * RefusalCache::CAPACITY {
            let junk = rustls_pki_types::CertificateDer::from(junk.to_be_bytes().to_vec());
            let made_up = client(&[der.clone(), junk]);
            let _ = connect(&made_up).verdict(&refusals, &authorities, NOW);
            assert!(refusals.0.borrow().len() <= RefusalCache::CAPACITY);
        }
    }

    #[test]
    fn a_time_dependent_refusal_is_cached_for_one_second() {
        let ca = Ca::with("Client CA", |params| params.not_before = date_time_ymd(2031, 1, 1));
        let begins = day(2031, 1, 1);
        let (client, refusals) =
            (Client::new(client(&[ca.leaf("payments", |_| {})])), RefusalCache::default());
        let authorities = trust(&[&ca]);
        let early = client.verdict(&refusals, &authorities, begins.previous());
        assert!(early.is_err());
        assert!(Rc::ptr_eq(&early, &client.verdict(&refusals, &authorities, begins.previous())));
        assert!(client.verdict(&refusals, &authorities, begins).is_ok());
    }
}
