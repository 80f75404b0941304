//! The outcomes of fetches of one kind of document (CRLs, key sets), for metrics and `/status`.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::metrics::{
    CRL_FETCH_AGE, CRL_FETCHES, Collector, Descriptor, Families, KEY_SET_FETCH_AGE, KEY_SET_FETCHES,
};
use crate::clock::{Clock, Timestamp};

/// The sources with series of their own in the metrics: every application may have a key set.
const SERIES: usize = 1000;

/// Seconds for which every fetch of a document has failed when that is first a warning: what was fetched last stays in force.
const OVERDUE: i64 = 3600;
/// Seconds between two such warnings.
const OVERDUE_AGAIN: i64 = 86_400;

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
    /// The first failure since the last successful fetch.
    pub failing_since: Option<Timestamp>,
    /// The last warning that it has failed for long.
    warned: Option<Timestamp>,
}

/// A document that has not been fetched for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overdue {
    /// The first failure since the last successful fetch.
    pub failing_since: Timestamp,
    /// The last successful fetch since the start.
    pub last_fetched: Option<Timestamp>,
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
        (state.failing_since, state.warned) = (None, None);
        state.failure.take().is_some()
    }

    /// A fetch failed. Returns whether the previous one did not fail for the same reason: that is worth a log line.
    pub fn failed(&self, source: &FetchSource, why: &str) -> bool {
        let mut all = self.lock();
        let Some(state) = all.get_mut(source) else { return false };
        let now = self.clock.now();
        state.failed += 1;
        // The clock may have been set back since the first failure.
        state.failing_since = Some(state.failing_since.map_or(now, |since| since.min(now)));
        let before = state.failure.replace((now, why.to_owned()));
        before.is_none_or(|(_, before)| before != why)
    }

    /// Whether a document has failed for an hour, which is a warning then and once a day.
    pub fn overdue(&self, source: &FetchSource) -> Option<Overdue> {
        let now = self.clock.now();
        let mut all = self.lock();
        let state = all.get_mut(source)?;
        let failing_since = state.failing_since?;
        let is_due = now.seconds_since(failing_since) >= OVERDUE
            && state.warned.is_none_or(|warned| !(0..OVERDUE_AGAIN).contains(&now.seconds_since(warned)));
        is_due.then(|| {
            state.warned = Some(now);
            Overdue { failing_since, last_fetched: state.last }
        })
    }

    /// Since when the document at a URL cannot be fetched; none if the last fetch has succeeded, or there was none yet.
    #[must_use]
    pub fn failing_since(&self, url: &str) -> Option<Timestamp> {
        let all = self.lock();
        let first = FetchSource { url: url.to_owned(), file: String::new() };
        let of_url = all.range(first..).take_while(|(source, _)| source.url == url);
        of_url.filter_map(|(_, state)| state.failing_since).min()
    }

    /// The state of this many sources at most: those whose last fetch failed come first.
    #[must_use]
    pub fn states(&self, most: usize) -> Vec<(FetchSource, FetchState)> {
        let all = self.lock();
        let of =
            |is_failing: bool| all.iter().filter(move |(_, state)| state.failure.is_some() == is_failing);
        let shown = of(true).chain(of(false)).take(most);
        shown.map(|(source, state)| (source.clone(), state.clone())).collect()
    }

    /// How many sources there are whose last fetch failed.
    #[must_use]
    pub fn failing(&self) -> usize {
        self.lock().values().filter(|state| state.failure.is_some()).count()
    }
}

impl Collector for Fetches {
    fn collect(&self, families: &mut Families) {
        let all = self.lock();
        let (mut sources, mut before) = (all.iter().peekable(), None);
        for _ in 0..SERIES {
            let Some((source, state)) = sources.next() else { break };
            // Sources whose URLs differ only in the query, which is not shown, have different files. They are neighbours.
            let after = sources.peek().map(|(next, _)| next.url.as_str());
            let is_shared = [before, after].contains(&Some(source.url.as_str()));
            before = Some(source.url.as_str());
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
    use crate::{clock::FixedClock, export::prometheus};

    #[test]
    fn a_document_that_fails_for_an_hour_is_a_warning_once_a_day() {
        let at = Timestamp::from_unix;
        let clock = FixedClock::new(at(100));
        let source = FetchSource { url: "https://a".to_owned(), file: "a.json".to_owned() };
        let fetches = Fetches::of_key_sets(Clock::Fixed(clock.clone()));
        fetches.only(std::slice::from_ref(&source));
        fetches.succeeded(&source);
        let failed_at = |seconds| {
            clock.set(at(seconds));
            fetches.failed(&source, "refused");
            fetches.overdue(&source)
        };
        let overdue = Overdue { failing_since: at(1000), last_fetched: Some(at(100)) };
        for (seconds, expected) in [
            (1000, None),
            (4599, None),
            (4600, Some(overdue)),
            (4660, None),
            (90_999, None),
            (91_000, Some(overdue)),
            (91_060, None),
        ] {
            assert_eq!(failed_at(seconds), expected, "{seconds}");
        }
        fetches.succeeded(&source);
        assert_eq!(fetches.overdue(&source), None);
        let overdue = Overdue { failing_since: at(91_100), last_fetched: Some(at(91_060)) };
        assert_eq!(failed_at(91_100), None);
        assert_eq!(failed_at(94_700), Some(overdue));
    }

    #[test]
    fn a_clock_that_is_set_back_postpones_no_warning() {
        let at = Timestamp::from_unix;
        let clock = FixedClock::new(at(1_000_000));
        let source = FetchSource { url: "https://a".to_owned(), file: "a.json".to_owned() };
        let fetches = Fetches::of_key_sets(Clock::Fixed(clock.clone()));
        fetches.only(std::slice::from_ref(&source));
        let overdue = |failing_since| Some(Overdue { failing_since: at(failing_since), last_fetched: None });
        for (seconds, expected) in [
            (1_000_000, None),
            (1_003_600, overdue(1_000_000)),
            (1000, None),
            (4599, None),
            (4600, overdue(1000)),
            (4660, None),
        ] {
            clock.set(at(seconds));
            fetches.failed(&source, "refused");
            assert_eq!(fetches.overdue(&source), expected, "{seconds}");
        }
    }

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
        assert_eq!((fetches.states(2).len(), fetches.failing()), (2, 1));
        assert_eq!(fetches.states(1)[0].0, sources[1], "what fails is first");
        fetches.only(&sources[..1]);
        assert!(exported(&fetches).contains("{url=\"http://a/l\",outcome=\"taken\"} 1"));
    }
}
