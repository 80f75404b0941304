//! The outcomes of fetches of one kind of document (CRLs, key sets), for metrics and `/status`.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::metrics::{
    CRL_FETCH_AGE, CRL_FETCHES, Collector, Descriptor, Families, KEY_SET_FETCH_AGE, KEY_SET_FETCHES,
};
use crate::clock::{Clock, Timestamp};

/// The sources with series of their own in the metrics: every application may have a key set.
const SERIES: usize = 1000;

/// The sources of one kind of document. Written by the thread that fetches, read by the admin address.
#[derive(Debug)]
pub struct Fetches {
    clock: Clock,
    count: &'static Descriptor<3>,
    age: &'static Descriptor<2>,
    sources: Mutex<BTreeMap<FetchSource, FetchState>>,
}

/// Identifies a source. Two can have the same `url`, since queries may be secrets and are not shown, but not the same `file`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FetchSource {
    /// The URL without its query.
    pub url: String,
    /// The file in which its document is cached.
    pub file: String,
}

/// The outcomes of the fetches from one source.
#[derive(Clone, Debug, Default)]
pub struct FetchState {
    /// Successful fetches.
    pub fetched: u64,
    /// Failed fetches.
    pub failed: u64,
    /// When the last successful fetch ended.
    pub last: Option<Timestamp>,
    /// When and why the last fetch failed, if it did.
    pub failure: Option<(Timestamp, String)>,
}

impl Fetches {
    pub(super) fn of_crls(clock: Clock) -> Self {
        Self { clock, count: &CRL_FETCHES, age: &CRL_FETCH_AGE, sources: Mutex::default() }
    }

    pub(super) fn of_key_sets(clock: Clock) -> Self {
        Self { clock, count: &KEY_SET_FETCHES, age: &KEY_SET_FETCH_AGE, sources: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<FetchSource, FetchState>> {
        // Every change is whole before anything can panic.
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on only these are sources.
    pub fn only(&self, sources: &[FetchSource]) {
        let mut all = self.lock();
        let mut before = std::mem::take(&mut *all);
        let kept = sources.iter().map(|source| (source.clone(), before.remove(source).unwrap_or_default()));
        *all = kept.collect();
    }

    /// A document was fetched and accepted. Returns whether the previous fetch had failed.
    pub fn succeeded(&self, source: &FetchSource) -> bool {
        let mut all = self.lock();
        let Some(state) = all.get_mut(source) else { return false };
        state.fetched += 1;
        state.last = Some(self.clock.now());
        state.failure.take().is_some()
    }

    /// A fetch failed. Returns whether the previous one did not fail for the same reason: that is worth a log line.
    pub fn failed(&self, source: &FetchSource, why: &str) -> bool {
        let mut all = self.lock();
        let Some(state) = all.get_mut(source) else { return false };
        state.failed += 1;
        let before = state.failure.replace((self.clock.now(), why.to_owned()));
        before.is_none_or(|(_, before)| before != why)
    }

    /// The state of each source now.
    #[must_use]
    pub fn states(&self) -> Vec<(FetchSource, FetchState)> {
        self.lock().clone().into_iter().collect()
    }
}

impl Collector for Fetches {
    fn collect(&self, families: &mut Families) {
        let all = self.lock().clone();
        let mut uses: HashMap<&str, usize> = HashMap::new();
        for source in all.keys() {
            *uses.entry(&source.url).or_default() += 1;
        }
        for (source, state) in all.iter().take(SERIES) {
            // Sources whose URLs differ only in the query, which is not shown, have different files.
            let is_shared = uses.get(source.url.as_str()).is_some_and(|uses| *uses > 1);
            let (url, file) = (source.url.as_str(), if is_shared { source.file.as_str() } else { "" });
            families.set(self.count, [url, "taken", file], state.fetched);
            families.set(self.count, [url, "failed", file], state.failed);
            if let Some(last) = state.last {
                families.set(self.age, [url, file], self.clock.age(last));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::prometheus;

    fn exported(fetches: &Fetches) -> String {
        let mut families = Families::default();
        fetches.collect(&mut families);
        prometheus::text(&families)
    }

    #[test]
    fn sources_that_differ_in_the_query_are_labelled_by_file() {
        let source = |url: &str, file: &str| FetchSource { url: url.to_owned(), file: file.to_owned() };
        let sources =
            [source("http://a/l", "b.crl"), source("http://a/l", "c.crl"), source("http://d", "d.crl")];
        let fetches = Fetches::of_crls(Clock::System);
        fetches.only(&sources);
        fetches.succeeded(&sources[0]);
        assert!(fetches.failed(&sources[1], "refused"));
        assert!(!fetches.failed(&sources[1], "refused"));
        let text = exported(&fetches);
        for line in [
            "mtls_edge_crl_fetches_total{url=\"http://a/l\",outcome=\"taken\",file=\"b.crl\"} 1",
            "mtls_edge_crl_fetches_total{url=\"http://a/l\",outcome=\"failed\",file=\"b.crl\"} 0",
            "mtls_edge_crl_fetches_total{url=\"http://a/l\",outcome=\"failed\",file=\"c.crl\"} 2",
            "mtls_edge_crl_fetches_total{url=\"http://d\",outcome=\"taken\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert_eq!(text.matches("crl_fetch_age_seconds{").count(), 1);
        assert_eq!(fetches.states().len(), 3);
        fetches.only(&sources[..1]);
        assert!(exported(&fetches).contains("{url=\"http://a/l\",outcome=\"taken\"} 1"));
    }
}
