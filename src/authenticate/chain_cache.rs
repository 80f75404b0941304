//! Chain verdicts kept for the generation of trust under which they were reached.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use crate::{
    clock::Timestamp,
    identity::{ChainVerdict, ClientCertificate, verify_chain},
    trust::{Generation, Trust},
};

/// How many refusals are kept.
const REFUSALS: usize = 1024;

/// A bounded memory of chains, one per worker, by the hash of the whole presented chain, so that a client that comes again costs
/// no signature check.
///
/// Verified chains and refusals are kept apart: nobody can push out a good chain with what they made up. A verdict ends with
/// the generation of trust; a verified chain also with its window of validity, and a refusal that time may change with the
/// second in which it was reached.
#[derive(Debug)]
pub struct ChainCache {
    bound: usize,
    kept: RefCell<Kept>,
}

#[derive(Debug)]
struct Kept {
    generation: Generation,
    verdicts: HashMap<[u8; 32], Rc<ChainVerdict>>,
    /// With the second in which each was reached.
    refusals: HashMap<[u8; 32], (Timestamp, Rc<ChainVerdict>)>,
}

impl Kept {
    /// The refusal of a chain, if it would be the same `now`.
    fn refusal(&self, key: &[u8; 32], now: Timestamp) -> Option<&Rc<ChainVerdict>> {
        let (reached, verdict) = self.refusals.get(key)?;
        let is_lasting = match verdict.as_ref() {
            ChainVerdict::Refused(refusal) => refusal.is_lasting(),
            ChainVerdict::Verified(_) => false,
        };
        (is_lasting || *reached == now).then_some(verdict)
    }
}

impl ChainCache {
    /// A cache of at most `bound` chains; when it is full it starts afresh.
    #[must_use]
    pub fn new(bound: usize) -> Self {
        let kept = Kept { generation: Generation(0), verdicts: HashMap::new(), refusals: HashMap::new() };
        Self { bound, kept: RefCell::new(kept) }
    }

    /// The chain's verdict under this trust at `now` (seconds since 1970).
    pub fn verdict(
        &self,
        certificate: &ClientCertificate,
        trust: &Trust,
        now: Timestamp,
    ) -> Rc<ChainVerdict> {
        let mut kept = self.kept.borrow_mut();
        if kept.generation != trust.generation {
            kept.verdicts.clear();
            kept.refusals.clear();
            kept.generation = trust.generation;
        }
        let key = certificate.chain_hash();
        if let Some(verdict) = kept.refusal(&key, now) {
            return Rc::clone(verdict);
        }
        let Kept { verdicts, refusals, .. } = &mut *kept;
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
        } else {
            if refusals.len() >= REFUSALS {
                refusals.clear();
            }
            refusals.insert(key, (now, Rc::clone(&verdict)));
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{SerialNumber, date_time_ymd};

    use super::*;
    use crate::{
        identity::{
            Authorities, StaleCrl,
            testing::{NOW, TestCa, client, trust, trust_with},
        },
        trust::Registry,
    };

    fn generation(number: u64, authorities: Authorities) -> Trust {
        Trust { generation: Generation(number), authorities, registry: Registry::default() }
    }

    fn is_verified(verdict: &ChainVerdict) -> bool {
        matches!(verdict, ChainVerdict::Verified(_))
    }

    #[test]
    fn a_chain_that_comes_again_is_not_verified_again() {
        let ca = TestCa::new("Client CA");
        let (certificate, trust) = (client(&[ca.leaf("payments", |_| {})]), generation(1, trust(&[&ca])));
        let chains = ChainCache::new(10);
        let first = chains.verdict(&certificate, &trust, NOW);
        assert!(is_verified(&first));
        // The same chain in another connection.
        let again = ClientCertificate::from_chain(&[certificate.der().clone()]).unwrap();
        assert!(Rc::ptr_eq(&first, &chains.verdict(&again, &trust, NOW)));
    }

    #[test]
    fn a_reload_forgets_it_at_once() {
        let (ca, other) = (TestCa::new("Client CA"), TestCa::new("Other CA"));
        let certificate = client(&[ca.leaf("payments", |_| {})]);
        let chains = ChainCache::new(10);
        assert!(is_verified(&chains.verdict(&certificate, &generation(1, trust(&[&ca])), NOW)));
        assert!(!is_verified(&chains.verdict(&certificate, &generation(2, trust(&[&other])), NOW)));
        assert!(is_verified(&chains.verdict(&certificate, &generation(3, trust(&[&ca])), NOW)));
    }

    #[test]
    fn a_crl_forgets_it_at_once_and_at_its_own_end() {
        let ca = TestCa::new("Client CA");
        let leaf = ca.leaf("payments", |params| params.serial_number = Some(SerialNumber::from(7u64)));
        let certificate = client(&[leaf]);
        let with = |number, serials: &[u64], next_update| {
            generation(number, trust_with(&[&ca], vec![ca.crl(serials, next_update)], StaleCrl::Refuse))
        };
        let chains = ChainCache::new(10);
        let fresh_until_2031 = with(1, &[], 2031);
        assert!(is_verified(&chains.verdict(&certificate, &fresh_until_2031, NOW)));
        // The same trust, after the list's nextUpdate.
        let in_2031 = Timestamp::from(date_time_ymd(2031, 1, 2));
        assert!(!is_verified(&chains.verdict(&certificate, &fresh_until_2031, in_2031)));
        assert!(is_verified(&chains.verdict(&certificate, &fresh_until_2031, NOW)));
        assert!(!is_verified(&chains.verdict(&certificate, &with(2, &[7], 2035), NOW)));
    }

    #[test]
    fn an_expiry_forgets_it_at_once() {
        let ca = TestCa::new("Client CA");
        let leaf = ca.leaf("payments", |params| params.not_after = date_time_ymd(2030, 6, 1));
        let (certificate, trust) = (client(&[leaf]), generation(1, trust(&[&ca])));
        let chains = ChainCache::new(10);
        let end = Timestamp::from(date_time_ymd(2030, 6, 1));
        assert!(is_verified(&chains.verdict(&certificate, &trust, NOW)));
        assert!(is_verified(&chains.verdict(&certificate, &trust, end)));
        assert!(!is_verified(&chains.verdict(&certificate, &trust, end.next())));
    }

    #[test]
    fn it_can_not_grow_without_bound_and_keeps_nothing_that_was_refused() {
        let (ca, other) = (TestCa::new("Client CA"), TestCa::new("Other CA"));
        let trust = generation(1, trust(&[&ca]));
        let chains = ChainCache::new(2);
        let kept = || chains.kept.borrow().verdicts.len();
        for number in 0..5 {
            let certificate = client(&[ca.leaf(&format!("client-{number}"), |_| {})]);
            assert!(is_verified(&chains.verdict(&certificate, &trust, NOW)));
            assert!((1..=2).contains(&kept()));
        }
        let before = kept();
        let stranger = client(&[other.leaf("stranger", |_| {})]);
        assert!(!is_verified(&chains.verdict(&stranger, &trust, NOW)));
        assert_eq!(kept(), before);
    }

    #[test]
    fn a_refusal_is_kept_apart_and_within_bounds() {
        let (ca, other) = (TestCa::new("Client CA"), TestCa::new("Other CA"));
        let known = generation(1, trust(&[&ca]));
        let chains = ChainCache::new(2);
        let stranger = client(&[other.leaf("stranger", |_| {})]);
        let first = chains.verdict(&stranger, &known, NOW);
        assert!(Rc::ptr_eq(
            &first,
            &chains.verdict(&stranger, &known, NOW + std::time::Duration::from_secs(3600))
        ));
        // Until its CA is trusted.
        assert!(is_verified(&chains.verdict(&stranger, &generation(2, trust(&[&other])), NOW)));

        chains.verdict(&stranger, &known, NOW);
        let der = stranger.der().clone();
        for junk in 0..2 * REFUSALS {
            let junk = rustls_pki_types::CertificateDer::from(junk.to_be_bytes().to_vec());
            chains.verdict(&client(&[der.clone(), junk]), &known, NOW);
            assert!(chains.kept.borrow().refusals.len() <= REFUSALS);
        }
    }

    #[test]
    fn a_refusal_that_time_can_change_is_judged_again_a_second_later() {
        let ca = TestCa::with("Client CA", |params| params.not_before = date_time_ymd(2031, 1, 1));
        let begins = Timestamp::from(date_time_ymd(2031, 1, 1));
        let (certificate, trust) = (client(&[ca.leaf("payments", |_| {})]), generation(1, trust(&[&ca])));
        let chains = ChainCache::new(2);
        let early = chains.verdict(&certificate, &trust, begins.previous());
        assert!(!is_verified(&early));
        assert!(Rc::ptr_eq(&early, &chains.verdict(&certificate, &trust, begins.previous())));
        assert!(is_verified(&chains.verdict(&certificate, &trust, begins)));
    }
}
