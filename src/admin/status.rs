//! The document of `/status`: what the page, the command and the JSON show.
//!
//! The names of the fields are a contract. They are added to, never renamed; a field that is added has a default, so that
//! `mtls-edge status` also reads the answer of an older edge.

mod applications;

use serde::{Deserialize, Serialize};

pub use applications::{Application, Credential, Registered};
pub(super) use applications::{Applications, RefusedApplication, RefusedApplications};

use crate::clock::{Relative, Timestamp};

/// The status of an edge.
#[derive(Debug, Serialize, Deserialize)]
pub struct Status {
    /// The number of the active site.
    pub generation: u64,
    /// Whether `/readyz` answers 200.
    pub ready: bool,
    /// The time by the clock of the edge.
    pub now: Timestamp,
    /// The state in one word, and the problems; `None` from an edge that does not report it.
    #[serde(default)]
    pub health: Option<Health>,
    /// The activation of the site, and the outcomes of reloads.
    pub trust: Trust,
    /// How the limit of open files is divided.
    pub limits: Limits,
    /// The log.
    pub log: Log,
    /// What has expired or will expire soon.
    pub expiring: Expiring,
    /// By name.
    pub domains: Vec<Domain>,
    /// The domains whose certificates are ordered by ACME, by name.
    #[serde(default)]
    pub acme: Vec<OrderedCertificate>,
    /// In the order of the configuration.
    pub client_cas: Vec<ClientCa>,
    /// A CA's newest first.
    pub crls: Vec<Crl>,
    /// Those that are fetched, at most 1,000: those that fail first.
    pub crl_sources: Vec<FetchedSource>,
    /// The key sets that are fetched, at most 1,000: those that fail first.
    #[serde(default)]
    pub key_set_sources: Vec<FetchedSource>,
    /// The sources of applications, by name.
    #[serde(default)]
    pub sources: Vec<Source>,
    /// Those that domains and token issuers use.
    #[serde(default)]
    pub upstreams: Vec<Upstream>,
    /// Those that were refused after they were last served.
    #[serde(default)]
    pub refused: RefusedApplications,
    /// One page of them.
    pub applications: Applications,
    /// Which edge this is.
    #[serde(default)]
    pub edge: Option<EdgeFacts>,
}

/// Which edge this is.
#[derive(Debug, Serialize, Deserialize)]
pub struct EdgeFacts {
    /// The version of the program.
    pub version: String,
    /// The name of its machine.
    pub host: String,
    /// When it started.
    pub started: Timestamp,
}

/// The state in one word, and the problems that explain it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Health {
    /// The level of the worst problem.
    pub state: Level,
    /// The worst first.
    pub problems: Vec<Problem>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing to do.
    Healthy,
    /// Everything is served; somebody should act within days.
    Warning,
    /// Something is not served, or a change of the configuration does not apply.
    Degraded,
}

impl Level {
    /// A word for metrics: that of the document.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Warning => "warning",
            Self::Degraded => "degraded",
        }
    }
}

/// Something that an operator should act on.
#[derive(Debug, Serialize, Deserialize)]
pub struct Problem {
    /// Not [`Level::Healthy`].
    pub level: Level,
    /// The kind of problem: a stable word.
    pub code: String,
    /// A sentence without its time.
    pub what: String,
    /// When it began or will begin, if known.
    pub at: Option<Timestamp>,
    /// How many problems the sentence is about: more than one if it sums up those that are not listed one by one.
    #[serde(default = "one")]
    pub count: usize,
}

impl Problem {
    /// When it began or will begin, as seen from `now`.
    #[must_use]
    pub fn seen_from(&self, now: Timestamp) -> Option<Relative> {
        let may_be_ahead = self.code.ends_with("_expiring") || self.code == "certificate_renewal";
        self.at.map(|at| if may_be_ahead { at.relative_to(now) } else { at.past_from(now) })
    }
}

/// The count of a problem of an edge that does not report it.
const fn one() -> usize {
    1
}

/// The active site, and reloads since the start.
#[derive(Debug, Serialize, Deserialize)]
pub struct Trust {
    /// When it was activated.
    pub in_force_since: Timestamp,
    /// Seconds since then.
    pub in_force_seconds: u64,
    /// Why it was activated.
    pub why: String,
    /// Successful reloads.
    pub reloads: u64,
    /// Rejected reloads.
    pub failed_reloads: u64,
    /// The last rejected reload, as long as the files are invalid.
    pub failure: Option<FailedReload>,
}

/// A reload that was rejected.
#[derive(Debug, Serialize, Deserialize)]
pub struct FailedReload {
    /// When the files were rejected first, since they were last valid.
    #[serde(default)]
    pub failing_since: Option<Timestamp>,
    /// When.
    pub at: Timestamp,
    /// Every problem, in one line.
    pub problems: String,
}

/// How the limit of open files is divided.
#[derive(Debug, Serialize, Deserialize)]
pub struct Limits {
    /// The limit.
    pub open_files: usize,
    /// Reserved for everything but connections.
    pub reserve: usize,
    /// The most open connections of applications.
    pub connections: usize,
    /// `[limits] connections`, which may be higher.
    pub connections_configured: usize,
    /// The most open connections to upstreams.
    pub upstream_connections: usize,
    /// The warning that was logged if the limit is too low.
    pub shortage: Option<String>,
}

/// The log.
#[derive(Debug, Serialize, Deserialize)]
pub struct Log {
    /// Lines that standard error did not accept.
    pub lines_dropped: u64,
}

/// What has expired or will expire soon.
#[derive(Debug, Serialize, Deserialize)]
pub struct Expiring {
    /// The number of days that counts as soon.
    pub within_days: i64,
    /// The number of all entries.
    pub total: usize,
    /// The first entries, soonest first.
    pub list: Vec<Expiry>,
}

/// When something expires.
#[derive(Debug, Serialize, Deserialize)]
pub struct Expiry {
    /// The kind of thing.
    pub what: String,
    /// The name of the thing.
    pub name: String,
    /// The end of its validity.
    pub not_after: Timestamp,
    /// Whole days, negative once it has expired.
    pub days_left: i64,
}

/// A domain.
#[derive(Debug, Serialize, Deserialize)]
pub struct Domain {
    /// Its name.
    pub name: String,
    /// The header profile.
    pub header_profile: String,
    /// Its own certificate, if it can be read; of several, the preferred one.
    pub certificate: Option<ServerCertificate>,
    /// Its other certificates, by preference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further_certificates: Vec<ServerCertificate>,
}

/// The certificate of a domain.
#[derive(Debug, Serialize, Deserialize)]
pub struct ServerCertificate {
    /// RFC 4514.
    pub subject: String,
    /// SHA-256, in hex.
    pub thumbprint: String,
    /// The type of its key, such as `RSA`.
    #[serde(default)]
    pub key_type: String,
    /// The end of its validity.
    pub not_after: Timestamp,
    /// Whole days, negative once it has expired.
    pub days_left: i64,
}

/// The certificate of a domain that is ordered by ACME.
#[derive(Debug, Serialize, Deserialize)]
pub struct OrderedCertificate {
    /// The domain.
    pub domain: String,
    /// The end of the validity of the present one; `None` if there is none that can be used.
    pub not_after: Option<Timestamp>,
    /// When the next one is ordered.
    pub renewed_at: Option<Timestamp>,
    /// Certificates issued since the start.
    pub issued: u64,
    /// Orders that failed since the start.
    pub failed: u64,
    /// Why there is no newer one, if an order failed and none has succeeded since.
    pub failure: Option<FailedOrder>,
}

/// Orders that failed.
#[derive(Debug, Serialize, Deserialize)]
pub struct FailedOrder {
    /// When the first one failed.
    pub since: Timestamp,
    /// Why the last one failed.
    pub why: String,
    /// When the next one follows.
    pub next: Timestamp,
}

/// A client CA.
#[derive(Debug, Serialize, Deserialize)]
pub struct ClientCa {
    /// RFC 4514.
    pub subject: String,
    /// SHA-256, in hex.
    pub thumbprint: String,
    /// Which extendedKeyUsage its certificates need.
    pub eku: String,
    /// The end of its validity.
    pub not_after: Timestamp,
    /// Whole days, negative once it has expired.
    pub days_left: i64,
}

/// A CRL.
#[derive(Debug, Serialize, Deserialize)]
pub struct Crl {
    /// RFC 4514.
    pub issuer: String,
    /// When it was issued.
    pub this_update: Timestamp,
    /// When the next one is due.
    pub next_update: Timestamp,
    /// Whole days until then, negative once it is stale.
    pub days_left: i64,
    /// Whether the next one is overdue.
    pub stale: bool,
    /// Whether a client CA has signed it; otherwise an intermediate CA has.
    pub signed_by_client_ca: bool,
}

/// A document that is fetched.
#[derive(Debug, Serialize, Deserialize)]
pub struct FetchedSource {
    /// Without its query, which may be a secret.
    pub url: String,
    /// Where it is cached.
    pub file: String,
    /// Successful fetches.
    pub fetched: u64,
    /// Failed fetches.
    pub failed: u64,
    /// When the last successful fetch ended.
    pub last_fetched: Option<Timestamp>,
    /// The last fetch, if it failed.
    pub failure: Option<FailedFetch>,
}

/// A fetch that failed.
#[derive(Debug, Serialize, Deserialize)]
pub struct FailedFetch {
    /// When.
    pub at: Timestamp,
    /// The reason.
    pub why: String,
}

/// A source of applications.
#[derive(Debug, Serialize, Deserialize)]
pub struct Source {
    /// Its name: `files` for the configuration files.
    pub name: String,
    /// If it cannot be read. The applications that it published last stay registered.
    pub failure: Option<FailingSource>,
}

/// Why a source cannot be read.
#[derive(Debug, Serialize, Deserialize)]
pub struct FailingSource {
    /// When it began to fail.
    pub since: Timestamp,
    /// The latest error.
    pub error: String,
}

/// An upstream.
#[derive(Debug, Serialize, Deserialize)]
pub struct Upstream {
    /// Its name.
    pub name: String,
    /// In the order of the configuration.
    pub origins: Vec<UpstreamOrigin>,
}

/// An origin of an upstream.
#[derive(Debug, Serialize, Deserialize)]
pub struct UpstreamOrigin {
    /// Scheme, host and port.
    pub url: String,
    /// `ok`, `failing`, or `untried` before the first connection to it.
    pub state: String,
    /// Why it is failing: `unreachable`, `ejected`, `failing` or `check_failing`.
    #[serde(default)]
    pub reason: Option<String>,
    /// Since when it is failing.
    #[serde(default)]
    pub failing_since: Option<Timestamp>,
    /// The last failure of a connection, a response or a health check; it may have recovered since.
    #[serde(default)]
    pub last_failure: Option<OriginFailure>,
    /// The first lookup of its host name that failed, if all since then have failed, too.
    #[serde(default)]
    pub lookup_failure: Option<OriginFailure>,
    /// Requests in flight; 0 if the upstream has no other origin.
    #[serde(default)]
    pub requests_in_flight: usize,
    /// How often requests began to avoid it.
    #[serde(default)]
    pub ejections: u64,
}

/// A failure of an origin.
#[derive(Debug, Serialize, Deserialize)]
pub struct OriginFailure {
    /// When.
    pub at: Timestamp,
    /// The reason.
    pub why: String,
}
