//! An upstream as the request path uses it: origins, TLS, secret headers, and its shared state.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use rustls::{
    ClientConfig,
    pki_types::{ServerName, TrustAnchor},
    sign::CertifiedKey,
};

use super::{
    Address, Failure, FailureKind, ForwardedFor, OriginPolicy, UpstreamLimits, failure::is_gateway_error,
    health::UpstreamHealth,
};
use crate::clock::Timestamp;

/// An upstream. `Debug` shows no secret.
///
/// Equal targets can share connections: a reload keeps those of an unchanged upstream.
#[derive(PartialEq, Eq)]
pub struct Target {
    /// What it was made from. Its headers are marked as sensitive.
    pub spec: TargetSpec,
    pub(super) in_flight: InFlightCount,
    pub(super) health: UpstreamHealth,
    pub(super) retries: RetryCount,
}

/// The state of an origin.
#[derive(Clone, Debug)]
pub struct OriginState {
    /// Its URL.
    pub url: String,
    /// Why it is failing.
    pub failing: Option<FailureKind>,
    /// Since when it is.
    pub failing_since: Option<Timestamp>,
    /// The last time that a connection, a response or a health check failed; it may have recovered since.
    pub last_failure: Option<Failure>,
    /// Since when its host name cannot be looked up, and why.
    pub lookup_failure: Option<Failure>,
    /// Whether it has ever accepted a connection or passed a health check. If not, and it is not failing, nothing is known of it.
    pub has_worked: bool,
    /// Whether its responses failed, and it has accepted a connection since, but no request has tried it.
    pub is_unproven: bool,
    /// Its requests in flight; 0 if the upstream has no other origin.
    pub in_flight: usize,
    /// How often requests began to avoid it.
    pub ejections: u64,
}

impl OriginState {
    /// A word for `/status`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self { failing: Some(_), .. } => "failing",
            Self { has_worked: true, is_unproven: false, .. } => "ok",
            Self { .. } => "untried",
        }
    }
}

/// The number of retries, over all workers. Ignored by comparisons of targets.
#[derive(Debug, Default)]
pub(super) struct RetryCount(AtomicU64);

impl RetryCount {
    pub(super) fn increment(&self) {
        self.0.fetch_add(1, Relaxed);
    }
}

impl PartialEq for RetryCount {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for RetryCount {}

/// The number of requests in flight, over all workers. Ignored by comparisons of targets.
#[derive(Debug, Default)]
pub(super) struct InFlightCount(pub(super) AtomicUsize);

impl PartialEq for InFlightCount {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for InFlightCount {}

/// TLS towards an upstream, compared by the roots that it trusts and by its client certificate.
#[derive(Clone)]
pub struct ClientTls {
    /// Verifies servers by `roots`.
    pub config: Arc<ClientConfig>,
    /// The trusted roots.
    pub roots: Vec<TrustAnchor<'static>>,
    /// Whether these are the system's.
    pub has_system_roots: bool,
    /// The certificate that the edge shows.
    pub identity: Option<ClientIdentity>,
}

/// A client certificate with its key.
#[derive(Clone)]
pub struct ClientIdentity {
    /// Its chain and key.
    pub credential: Arc<CertifiedKey>,
    /// The SHA-256 hash of the key's file.
    pub key_file: [u8; 32],
}

impl PartialEq for ClientIdentity {
    fn eq(&self, other: &Self) -> bool {
        self.credential.cert == other.credential.cert && self.key_file == other.key_file
    }
}

impl Eq for ClientIdentity {}

impl PartialEq for ClientTls {
    fn eq(&self, other: &Self) -> bool {
        self.roots == other.roots && self.identity == other.identity
    }
}

impl Eq for ClientTls {}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("name", &self.spec.name)
            .field("origins", &self.spec.origins)
            .finish_non_exhaustive()
    }
}

/// The parts of a target: the upstream's settings, with its secrets and roots loaded.
#[derive(PartialEq, Eq)]
pub struct TargetSpec {
    /// The operator's name for it.
    pub name: String,
    /// The servers, at least one.
    pub origins: Vec<Address>,
    /// `Host` sent upstream; absent: the domain's own name.
    pub host: Option<HeaderValue>,
    /// Secret headers to send.
    pub headers: HeaderMap,
    /// The name of a header with the client's address.
    pub client_ip_header: Option<HeaderName>,
    /// Whether `Forwarded` is sent.
    pub forwarded: bool,
    /// The content of `X-Forwarded-For`, if configured.
    pub forwarded_for: Option<ForwardedFor>,
    /// The TLS configuration of https origins.
    pub tls: Option<ClientTls>,
    /// The server name (SNI) that https origins must prove; if absent, the host of each origin's URL.
    pub server_name: Option<ServerName<'static>>,
    /// Timeouts, and the limit of requests in flight.
    pub limits: UpstreamLimits,
    /// How origins are chosen.
    pub policy: OriginPolicy,
}

impl Target {
    /// A target without requests in flight and failed origins. Marks its headers as sensitive, so that they are not logged.
    #[must_use]
    pub fn new(mut spec: TargetSpec) -> Self {
        spec.headers.values_mut().for_each(|value| value.set_sensitive(true));
        let health = UpstreamHealth::new(&spec.name, &spec.origins);
        Self { spec, in_flight: InFlightCount::default(), health, retries: RetryCount::default() }
    }

    /// The number of requests in flight, until their responses are complete.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.0.load(Relaxed)
    }

    /// The certificate that the edge shows to https origins, with its key.
    #[must_use]
    pub fn client_identity(&self) -> Option<&ClientIdentity> {
        self.spec.tls.as_ref()?.identity.as_ref()
    }

    /// How often a request was sent again, or to another origin.
    #[must_use]
    pub fn retries(&self) -> u64 {
        self.retries.0.load(Relaxed)
    }

    /// The URL of an origin, for the log.
    #[must_use]
    pub fn origin_url(&self, index: usize) -> Option<&str> {
        self.health.0.get(index).map(|health| &*health.url)
    }

    /// Records that an origin broke off a response with this status, after its head.
    pub fn record_broken_off(&self, origin: usize, status: StatusCode, why: &dyn fmt::Display) {
        // A head that failed counts once.
        if let Some(origin) = self.health.0.get(origin).filter(|_| !is_gateway_error(status)) {
            self.health.record_broken_off(origin, self.spec.policy.eject_after, &why.to_string());
        }
    }

    /// The state of each origin.
    pub fn origins(&self) -> impl Iterator<Item = OriginState> {
        let health = self.health.0.iter();
        self.spec.origins.iter().zip(health).map(|(origin, health)| {
            let (failing_since, last_failure) = health.failures();
            OriginState {
                url: origin.url(),
                failing: health.failing(),
                failing_since,
                last_failure,
                lookup_failure: health.addresses.failure(),
                has_worked: health.has_worked(),
                is_unproven: health.is_unproven(),
                in_flight: health.in_flight.load(Relaxed),
                ejections: health.ejections(),
            }
        })
    }
}
