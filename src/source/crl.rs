//! CRLs from URLs, a kind of fetched document.

mod lost;

use std::{path::PathBuf, sync::Arc};

use super::fetched::{Document, Fetcher, Location, Outcomes, fetch_once, get};
use crate::{
    clock::{Clock, Timestamp},
    config::{
        Problem, Severity,
        settings::{CrlSource, Trust},
    },
    identity::StaleCrl,
    load::{CachedCrl, CrlFault, cached_crl, judge_fetched},
    observe::{self, Reloads},
    trust,
};

/// A CRL of a source, judged by the trust that names it.
#[derive(Clone, Debug)]
struct Crl {
    trust: Arc<Trust>,
    source: Arc<CrlSource>,
    location: Location,
    clock: Clock,
}

impl Crl {
    fn all(trust: &Arc<Trust>, clock: &Clock) -> Vec<Self> {
        trust.crl_sources.iter().map(|source| Self::new(trust, source, clock)).collect()
    }

    fn new(trust: &Arc<Trust>, source: &CrlSource, clock: &Clock) -> Self {
        let CrlSource { url, file, schedule, ca, issuer: _ } = source;
        let location = Location {
            url: url.value.clone(),
            file: file.value.clone(),
            schedule: *schedule,
            ca: ca.as_ref().map(|ca| ca.value.clone()),
        };
        Self { trust: Arc::clone(trust), source: Arc::new(source.clone()), location, clock: clock.clone() }
    }
}

impl Document for Crl {
    /// With the `issuer`: another one is fetched for at once.
    type Key = (Location, Option<PathBuf>);

    const NAME: &'static str = "CRL";
    const ACCEPT: &'static str = "application/pkix-crl, application/x-pem-file, */*;q=0.1";
    const LARGEST: usize = 32 << 20;

    fn key(&self) -> Self::Key {
        (self.location.clone(), self.source.issuer.as_ref().map(|issuer| issuer.value.clone()))
    }

    fn location(&self) -> &Location {
        &self.location
    }

    fn is_cached(&self) -> bool {
        matches!(cached_crl(&self.trust, &self.source, self.clock.now()), CachedCrl::Valid)
    }

    fn help_without(&self) -> &'static str {
        help_without(self.trust.stale_crl)
    }

    fn judge(&self, fetched: &[u8]) -> Result<bool, String> {
        judge_fetched(&self.trust, &self.source, fetched, self.clock.now())
    }
}

/// As metrics and status show it.
fn shown(source: &CrlSource) -> observe::FetchSource {
    observe::FetchSource { url: source.url.value.to_string(), file: source.file.value.display().to_string() }
}

impl Outcomes<Crl> for Reloads {
    fn succeeded(&self, crl: &Crl) -> bool {
        self.fetches.succeeded(&shown(&crl.source))
    }

    fn failed(&self, crl: &Crl, why: &str) -> bool {
        self.fetches.failed(&shown(&crl.source), why)
    }

    fn overdue(&self, crl: &Crl) -> Option<observe::Overdue> {
        self.fetches.overdue(&shown(&crl.source))
    }
}

/// Fetches the CRLs of the configuration in the background, until it is dropped.
pub struct CrlFetcher {
    fetcher: Fetcher<Crl>,
    reloads: Arc<Reloads>,
    clock: Clock,
}

impl CrlFetcher {
    /// Fetches nothing yet.
    #[must_use]
    pub fn new(reloads: Arc<Reloads>, clock: Clock) -> Self {
        let outcomes = Arc::clone(&reloads) as Arc<dyn Outcomes<Crl>>;
        Self { fetcher: Fetcher::new(outcomes), reloads, clock }
    }

    /// From now on fetches the CRL sources of these. Each is judged by the first trust that names it.
    pub fn fetch_for(&mut self, trusts: &[&Trust]) {
        let sources: Vec<_> = trusts.iter().flat_map(|trust| &trust.crl_sources).map(shown).collect();
        self.reloads.fetches.only(&sources);
        let trusts = trusts.iter().map(|trust| Arc::new((*trust).clone()));
        self.fetcher.want(trusts.flat_map(|trust| Crl::all(&trust, &self.clock)).collect());
    }
}

/// Fetches the CRL of a source, and judges it as a fetch in the background does, without using it.
///
/// # Errors
///
/// Why it is rejected, or cannot be fetched.
pub async fn probe(trust: &Arc<Trust>, source: &CrlSource, clock: &Clock) -> Result<(), String> {
    get(&Crl::new(trust, source, clock)).await.map(drop)
}

/// The sources whose files contain no valid CRL, with the reason if there is one.
fn pending(trust: &Trust, now: Timestamp) -> Vec<(&CrlSource, Option<CrlFault>)> {
    let pending = trust.crl_sources.iter().filter_map(|source| match cached_crl(trust, source, now) {
        CachedCrl::Valid => None,
        CachedCrl::Missing => Some((source, None)),
        CachedCrl::Invalid(fault) => Some((source, Some(fault))),
    });
    pending.collect()
}

/// Whether a CRL that is to be fetched is missing or invalid.
#[must_use]
pub fn lacks_any(trust: &Trust, now: Timestamp) -> bool {
    !pending(trust, now).is_empty()
}

/// Fetches the missing CRLs, all at once, before trust is built for the first time. Failures are errors, or warnings if certificates
/// are judged without the CRL.
#[must_use]
pub fn fetch_missing(trust: &Trust, clock: &Clock) -> Vec<Problem> {
    let pending: Vec<&CrlSource> =
        pending(trust, clock.now()).into_iter().map(|(source, _)| source).collect();
    if pending.is_empty() {
        return Vec::new();
    }
    let shared = Arc::new(trust.clone());
    let documents: Vec<Crl> = pending.iter().map(|source| Crl::new(&shared, source, clock)).collect();
    let failed = pending.iter().zip(fetch_once(&documents));
    failed.filter_map(|(source, outcome)| Some(lacking(trust, source, &outcome.err()?))).collect()
}

/// The CRLs without which a site may not be used: those that are missing, if certificates are not to be judged without them, and in any
/// case invalid ones, since the active CRL is better.
#[must_use]
pub fn missing(trust: &Trust, now: Timestamp) -> Vec<Problem> {
    let problem = |(source, fault): (&CrlSource, Option<CrlFault>)| match fault {
        Some(CrlFault { why, ends }) => {
            Some(Problem { severity: Severity::Error, ends, ..lacking(trust, source, &why) })
        }
        None if trust.stale_crl == StaleCrl::Report => None,
        None => Some(lacking(trust, source, "it has not been fetched yet")),
    };
    pending(trust, now).into_iter().filter_map(problem).collect()
}

/// The CRLs without which a site may not replace the active one: those that are missing, or else those that it would lose by mistake.
#[must_use]
pub fn missing_after(
    trust: &Trust,
    next: &trust::Trust,
    active: &trust::Trust,
    now: Timestamp,
) -> Vec<Problem> {
    let missing = missing(trust, now);
    if !missing.is_empty() {
        return missing;
    }
    let to_fetch: Vec<_> = pending(trust, now).into_iter().map(|(source, _)| source).collect();
    lost::lost(trust, next, active, &to_fetch)
}

fn lacking(trust: &Trust, source: &CrlSource, why: &str) -> Problem {
    let (url, file) = (&source.url.value, source.file.value.display());
    let what = format!("no CRL from {url}, and none is cached in {file}: {why}");
    let (span, key) = (&source.url.span, "trust.crls.url");
    let problem = match trust.stale_crl {
        StaleCrl::Refuse => Problem::error(span, key, what),
        StaleCrl::Report => Problem::warning(span, key, what),
    };
    problem.help(help_without(trust.stale_crl))
}

/// What to do, or what happens meanwhile, without a CRL.
const fn help_without(stale: StaleCrl) -> &'static str {
    match stale {
        StaleCrl::Refuse => {
            "restore connectivity, place a CRL in the file manually, or set stale_crl = \"report\""
        }
        StaleCrl::Report => "its CA's certificates are judged without it until then (stale_crl = \"report\")",
    }
}
