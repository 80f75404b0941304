//! JSON Web Key Sets from URLs, a kind of fetched document: of token issuers, and of applications with `jwks_uri`.

use std::sync::Arc;

use super::fetched::{Document, Fetcher, Location, Outcomes, fetch_once, get};
use crate::{
    config::{Problem, settings::KeySetSource},
    load::{CachedKeySet, WantedKeySet, cached_key_set, judge_fetched_key_set},
    observe::{self, Reloads},
    site::RefreshRequest,
};

/// What to do, and what happens meanwhile, without a key set.
const WITHOUT: &str = "what it verifies is refused until it has been fetched; restore connectivity, or place the key set in the file manually";

#[derive(Clone, Debug)]
struct FetchedKeySet {
    source: Arc<KeySetSource>,
    location: Location,
    refresh: Option<RefreshRequest>,
}

impl FetchedKeySet {
    fn new(WantedKeySet { source, refresh }: &WantedKeySet) -> Self {
        let KeySetSource { url, file, schedule, ca } = source;
        let location = Location {
            url: url.value.clone(),
            file: file.value.clone(),
            schedule: *schedule,
            ca: ca.as_ref().map(|ca| ca.value.clone()),
        };
        Self { source: Arc::new(source.clone()), location, refresh: refresh.clone() }
    }
}

impl Document for FetchedKeySet {
    type Key = Location;

    const NAME: &'static str = "key set";
    const ACCEPT: &'static str = "application/jwk-set+json, application/json";
    const LARGEST: usize = 1 << 20;

    fn key(&self) -> Location {
        self.location.clone()
    }

    fn location(&self) -> &Location {
        &self.location
    }

    fn is_cached(&self) -> bool {
        matches!(cached_key_set(&self.source), CachedKeySet::Valid(_))
    }

    fn help_without(&self) -> &'static str {
        WITHOUT
    }

    fn refresh(&self) -> Option<&RefreshRequest> {
        self.refresh.as_ref()
    }

    fn judge(&self, fetched: &[u8]) -> Result<bool, String> {
        judge_fetched_key_set(&self.source, fetched)
    }
}

/// As metrics and status show it.
fn shown(source: &KeySetSource) -> observe::FetchSource {
    observe::FetchSource { url: source.url.value.to_string(), file: source.file.value.display().to_string() }
}

impl Outcomes<FetchedKeySet> for Reloads {
    fn succeeded(&self, set: &FetchedKeySet) -> bool {
        self.key_sets.succeeded(&shown(&set.source))
    }

    fn failed(&self, set: &FetchedKeySet, why: &str) -> bool {
        self.key_sets.failed(&shown(&set.source), why)
    }

    fn overdue(&self, set: &FetchedKeySet) -> Option<observe::Overdue> {
        self.key_sets.overdue(&shown(&set.source))
    }
}

/// Fetches the key sets of the configuration in the background, until it is dropped.
pub struct KeySetFetcher {
    fetcher: Fetcher<FetchedKeySet>,
    reloads: Arc<Reloads>,
}

impl KeySetFetcher {
    /// Fetches nothing yet.
    #[must_use]
    pub fn new(reloads: Arc<Reloads>) -> Self {
        let outcomes = Arc::clone(&reloads) as Arc<dyn Outcomes<FetchedKeySet>>;
        Self { fetcher: Fetcher::new(outcomes), reloads }
    }

    /// From now on fetches these.
    pub fn fetch<'a>(&mut self, wanted: impl Iterator<Item = &'a WantedKeySet> + Clone) {
        let sources = wanted.clone().map(|wanted| shown(&wanted.source));
        self.reloads.key_sets.only(&sources.collect::<Vec<_>>());
        self.fetcher.want(wanted.map(FetchedKeySet::new).collect());
    }
}

/// Fetches a key set, and judges it as a fetch in the background does, without using it.
///
/// # Errors
///
/// Why it is rejected, or cannot be fetched.
pub async fn probe(wanted: &WantedKeySet) -> Result<(), String> {
    get(&FetchedKeySet::new(wanted)).await.map(drop)
}

fn lacking(wanted: &[WantedKeySet]) -> impl Iterator<Item = &WantedKeySet> {
    wanted.iter().filter(|wanted| !matches!(cached_key_set(&wanted.source), CachedKeySet::Valid(_)))
}

/// Whether a key set is missing or invalid.
#[must_use]
pub fn lacks_any(wanted: &[WantedKeySet]) -> bool {
    lacking(wanted).next().is_some()
}

/// Fetches the missing key sets before the first site is built. Failures are warnings: until a later fetch succeeds, what would be verified
/// by the key set is refused. The edge serves everything else, through which the key set itself may be fetched.
#[must_use]
pub fn fetch_missing(wanted: &[WantedKeySet]) -> Vec<Problem> {
    let missing: Vec<&WantedKeySet> = lacking(wanted).collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let documents: Vec<FetchedKeySet> = missing.iter().map(|wanted| FetchedKeySet::new(wanted)).collect();
    let failed = missing.iter().zip(fetch_once(&documents));
    failed.filter_map(|(wanted, outcome)| Some(without_keys(&wanted.source, &outcome.err()?))).collect()
}

fn without_keys(source: &KeySetSource, why: &str) -> Problem {
    let (url, file) = (&source.url.value, source.file.value.display());
    let what = format!("no key set from {url}, and none is cached in {file}: {why}");
    Problem::warning(&source.url.span, "jwks.url", what).help(WITHOUT)
}
