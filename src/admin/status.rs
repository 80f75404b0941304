//! The document of `/status`: what the page, the command and the JSON show.
//!
//! The names of the fields are a contract. They are added to, never renamed; a field that is added has a default, so that
//! `mtls-edge status` also reads the answer of an older edge.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

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
    /// In the order of the configuration.
    pub client_cas: Vec<ClientCa>,
    /// A CA's newest first.
    pub crls: Vec<Crl>,
    /// Those that are fetched.
    pub crl_sources: Vec<FetchedSource>,
    /// The key sets that are fetched, at most 1,000.
    #[serde(default)]
    pub key_set_sources: Vec<FetchedSource>,
    /// The sources of applications, by name.
    #[serde(default)]
    pub sources: Vec<Source>,
    /// Those that domains and token issuers use.
    #[serde(default)]
    pub upstreams: Vec<Upstream>,
    /// One page of them.
    pub applications: Applications,
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
    /// Its own certificate, if it can be read.
    pub certificate: Option<ServerCertificate>,
}

/// The certificate of a domain.
#[derive(Debug, Serialize, Deserialize)]
pub struct ServerCertificate {
    /// RFC 4514.
    pub subject: String,
    /// SHA-256, in hex.
    pub thumbprint: String,
    /// The end of its validity.
    pub not_after: Timestamp,
    /// Whole days, negative once it has expired.
    pub days_left: i64,
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
    /// `ok` or `failing`.
    pub state: String,
    /// Why it is failing: `unreachable`, `ejected` or `check_failing`.
    #[serde(default)]
    pub reason: Option<String>,
    /// Requests in flight; 0 if the upstream has no other origin.
    #[serde(default)]
    pub requests_in_flight: usize,
    /// How often requests began to avoid it.
    #[serde(default)]
    pub ejections: u64,
}

/// A page of applications.
#[derive(Debug, Serialize, Deserialize)]
pub struct Applications {
    /// On all pages.
    pub total: usize,
    /// This page, from 1.
    pub page: usize,
    /// At least 1.
    pub pages: usize,
    /// The most on one page.
    pub per_page: usize,
    /// By `client_id`.
    pub list: Vec<Application>,
}

/// An application.
#[derive(Debug, Serialize, Deserialize)]
pub struct Application {
    /// Its `client_id`.
    pub client_id: String,
    /// Its `token_endpoint_auth_method`.
    pub method: String,
    /// In the order of the configuration.
    pub credentials: Vec<Credential>,
    /// The certificates to which its tokens are bound, if they are registered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<Credential>,
    /// The keys of its request objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request_keys: Vec<Credential>,
}

/// A credential of an application.
#[derive(Debug, Serialize, Deserialize)]
pub struct Credential {
    /// The operator's name for it.
    pub name: String,
    /// The matcher; none if this is a newer edge's, of a kind that this command does not know.
    #[serde(flatten)]
    pub registered: Option<Registered>,
    /// Of the registered certificate.
    pub subject: Option<String>,
    /// The second from which on it is refused, if one is configured.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// The end of its certificate's validity, if known.
    pub not_after: Option<Timestamp>,
    /// Whole days until the earlier of the two, negative once it has passed.
    pub days_left: Option<i64>,
    /// The certificate from which that is known.
    pub known_from: Option<String>,
    /// The last request that it authenticated, since the start.
    pub last_used: Option<Timestamp>,
}

/// What a credential matches: a member under the name of the configuration key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Registered {
    /// SHA-256, in hex.
    Thumbprint(String),
    /// RFC 7638 thumbprint of a key, or SHA-256 of a certificate's SubjectPublicKeyInfo, in base64url.
    PublicKey(String),
    /// Nothing is shown of a secret.
    Secret(String),
    /// RFC 4514.
    SubjectDn(String),
    /// dNSName.
    SanDns(String),
    /// uniformResourceIdentifier.
    SanUri(String),
    /// iPAddress.
    SanIp(String),
    /// rfc822Name.
    SanEmail(String),
}

impl Application {
    /// What it has registered, each with its method, or what else it is for.
    pub fn registrations(&self) -> impl Iterator<Item = (&str, &Credential)> {
        let authentication = self.credentials.iter().map(|credential| (self.method.as_str(), credential));
        let certificates = self.certificates.iter().map(|credential| ("certificate", credential));
        let request_keys = self.request_keys.iter().map(|credential| ("request key", credential));
        authentication.chain(certificates).chain(request_keys)
    }
}

impl Credential {
    /// When it expires, if known.
    #[must_use]
    pub fn ends(&self) -> Option<Timestamp> {
        [self.expires_at, self.not_after].into_iter().flatten().min()
    }
}

impl Registered {
    /// The configuration key and its value.
    #[must_use]
    pub fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Thumbprint(value) => ("thumbprint", value),
            Self::PublicKey(value) => ("public_key", value),
            Self::Secret(value) => ("secret_sha256", value),
            Self::SubjectDn(value) => ("subject_dn", value),
            Self::SanDns(value) => ("san_dns", value),
            Self::SanUri(value) => ("san_uri", value),
            Self::SanIp(value) => ("san_ip", value),
            Self::SanEmail(value) => ("san_email", value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_has_a_member_named_for_its_key() {
        let json = r#"{"name":"a","subject_dn":"CN=a","subject":null,"expires_at":null,"not_after":null,"days_left":null,"known_from":null,"last_used":"2026-11-27T16:00:00Z"}"#;
        let credential: Credential = serde_json::from_str(json).unwrap();
        assert_eq!(credential.registered.as_ref().unwrap().parts(), ("subject_dn", "CN=a"));
        assert_eq!(serde_json::to_string(&credential).unwrap(), json);
        // Of a newer edge.
        let newer = json.replace("subject_dn", "jwks_uri");
        assert!(serde_json::from_str::<Credential>(&newer).unwrap().registered.is_none());
    }
}
