//! Every metric of the edge: name, type, labels and help text, each written once.
//!
//! To add a metric that workers count while they serve requests: one line in `worker_metrics!`, and
//! `metrics.NAME.increment()` where it happens. To add a value that is read when `/metrics` is scraped: one
//! [`Descriptor`], and [`Families::set`] in the [`Collector`] of the module that has the value. Both also need a row in
//! `docs/observe.md`; a test compares the two.

mod acme;
mod cells;
mod expiries;
mod family;
mod handshakes;
mod kept;
mod process;
mod recorder;
mod refusals;
mod registry;
mod series;
mod totals;
mod traffic;

use http::StatusCode;

pub(crate) use acme::{ACME_ORDERS, ACME_RENEWAL};
pub use cells::{Buckets, Counter, Counters, Gauge, Histogram, Label};
pub(crate) use expiries::{
    ADMIN_CERTIFICATE_EXPIRY, CLIENT_CA_EXPIRY, CREDENTIAL_SOONEST_EXPIRY, CREDENTIALS_EXPIRED, CRL_AGE,
    CRL_NEXT_UPDATE, SERVER_CERTIFICATE_EXPIRY, UPSTREAM_CERTIFICATE_EXPIRY,
};
pub use family::{Descriptor, Distribution, Families, Family, Kind, Value};
pub use handshakes::{HandshakeFailure, KeyExchange, TlsSession};
pub(in crate::observe) use kept::KeptFile;
pub use process::Process;
pub(in crate::observe) use process::{bytes_after, resident, status};
pub use recorder::Recorder;
pub use refusals::RefusalCode;
pub use registry::{Collector, Registry};
pub use totals::Totals;
pub use traffic::{Answer, Responses, RouteSeries};

recorder::worker_metrics! {
    /// Requests by outcome.
    requests: Counters<Outcome> = "mtls_edge_requests_total",
    /// Refused requests by reason code, also those that an upstream failed to answer.
    refusals: Counters<RefusalCode> = "mtls_edge_refusals_total",
    /// Requests whose response has not begun.
    requests_in_flight: Gauge = "mtls_edge_requests_in_flight",
    /// Authorization requests on routes with `signed_request`, by outcome.
    authorization_requests: Counters<AuthorizationRequest> = "mtls_edge_authorization_requests_total",
    /// Connections accepted.
    connections_accepted: Counter = "mtls_edge_connections_accepted_total",
    /// Connections closed on arrival because `[limits] connections` was reached.
    connections_over_bound: Counter = "mtls_edge_connections_over_bound_total",
    /// Connections closed by the edge, by reason.
    connections_closed: Counters<CloseReason> = "mtls_edge_connections_closed_total",
    /// Responses broken off because `request_timeout` was over.
    responses_timed_out: Counter = "mtls_edge_responses_timed_out_total",
    /// Responses broken off by their upstream, by what caused that.
    responses_broken_off: Counters<BreakOff> = "mtls_edge_responses_broken_off_total",
    /// Access tokens by outcome.
    access_tokens: Counters<TokenOutcome> = "mtls_edge_access_tokens_total",
    /// Introspection requests by outcome.
    introspections: Counters<Introspection> = "mtls_edge_introspections_total",
    /// TLS handshakes completed.
    handshakes: Counter = "mtls_edge_handshakes_total",
    /// TLS handshakes that failed or were rejected.
    handshakes_failed: Counter = "mtls_edge_handshakes_failed_total",
    /// TLS handshakes that failed or were rejected, by reason.
    handshake_failures: Counters<HandshakeFailure> = "mtls_edge_handshake_failures_total",
    /// TLS handshakes completed, by TLS version, key exchange group and whether a session was resumed.
    tls_sessions: Counters<TlsSession> = "mtls_edge_tls_sessions_total",
    /// ACME validations (TLS-ALPN-01) answered.
    acme_validations: Counter = "mtls_edge_acme_validations_total",
    /// Connections closed by the peer before it sent anything.
    probes: Counter = "mtls_edge_probes_total",
}

cells::label! {
    /// The outcome of a request.
    pub enum Outcome: "outcome" {
        /// The upstream responded.
        Forwarded = "forwarded",
        /// The client is not authenticated (401).
        Unauthenticated = "unauthenticated",
        /// The request was refused with another 4xx status, or 501.
        Refused = "refused",
        /// No complete response of an upstream (502, 503, 504).
        UpstreamFailed = "upstream_failed",
        /// It ended before it was answered: the client ended it, or the edge broke off its connection.
        Cancelled = "cancelled",
    }
}

impl Outcome {
    /// The outcome of a refusal with this status.
    #[must_use]
    pub fn of(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED => Self::Unauthenticated,
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                Self::UpstreamFailed
            }
            _ => Self::Refused,
        }
    }
}

cells::label! {
    /// What caused an upstream to break off a response.
    pub enum BreakOff: "cause" {
        /// The origin itself.
        Origin = "origin",
        /// The origin, or a client that stalls: one that still sent its request, read slowly, or shared an HTTP/2 connection.
        Unclear = "unclear",
    }
}

cells::label! {
    /// What the check of an authorization request found, see `crate::authorization_request`.
    pub enum AuthorizationRequest: "outcome" {
        /// The request object is verified.
        Verified = "verified",
        /// The request object is verified, and parameters outside contradict it.
        Contradicted = "contradicted",
        /// The request refers to a pushed one.
        Pushed = "pushed",
        /// The request has no request object, and needs none.
        Unsigned = "unsigned",
        /// The application is not registered, so that its request object cannot be verified.
        Unverified = "unverified",
        /// Refused: neither signed nor pushed, where that is required.
        RefusedRequired = "refused_required",
        /// Refused: the parameters outside the request object.
        RefusedParameters = "refused_parameters",
        /// Refused: the encoding or the header of the request object.
        RefusedToken = "refused_token",
        /// Refused: no request key, or none that verifies the signature.
        RefusedSignature = "refused_signature",
        /// Refused: expired, not yet valid, or valid for too long.
        RefusedLifetime = "refused_lifetime",
        /// Refused: other claims.
        RefusedClaims = "refused_claims",
        /// Refused: a clause of the domain's security profile.
        RefusedProfile = "refused_profile",
    }
}

cells::label! {
    /// Why the edge closed a connection.
    pub enum CloseReason: "reason" {
        /// On arrival: `[limits] connections` was reached.
        Bound = "bound",
        /// On arrival: memory is short.
        Memory = "memory",
        /// On arrival: its address has `[limits] connections_per_address` already.
        Address = "address",
        /// On arrival: `[listen]` does not allow its address.
        Denied = "denied",
        /// On arrival: `[limits] handshakes` was reached.
        Handshakes = "handshakes",
        /// On arrival: its address has `[limits] handshakes_per_address` already.
        HandshakesOfAddress = "handshakes_per_address",
        /// To make room for others: no application had authenticated on it.
        Evicted = "evicted",
        /// In its handshake, to make room for another one: a limit on handshakes was reached.
        HandshakeEvicted = "handshake_evicted",
        /// The client cancelled most of its requests.
        Abandoning = "abandoning",
        /// No request for `idle_timeout`.
        Idle = "idle",
        /// A head, a body or a response made no progress.
        Stalled = "stalled",
        /// A response over HTTP/1.1 took longer than `request_timeout`.
        RequestTimeout = "request_timeout",
        /// A flood of HTTP/2 frames.
        Flood = "flood",
    }
}

cells::label! {
    /// The outcome of a request on a route that authenticates by access tokens.
    pub enum TokenOutcome: "outcome" {
        /// The token is valid, and bound to its user.
        Accepted = "accepted",
        /// No token.
        Missing = "missing",
        /// The request is malformed, or has a token in its query or body.
        Malformed = "malformed",
        /// The token itself is not valid.
        Invalid = "invalid",
        /// It is not bound.
        Unbound = "unbound",
        /// It is bound to another certificate or DPoP key.
        OtherHolder = "other_holder",
        /// The DPoP proof is not valid.
        Proof = "proof",
        /// Its issuer cannot be asked, or its keys are not known yet.
        Unavailable = "unavailable",
    }
}

cells::label! {
    /// The outcome of an introspection request.
    pub enum Introspection: "outcome" {
        /// The token is active and for this edge.
        Valid = "valid",
        /// It is not.
        Invalid = "invalid",
        /// The response cannot be used, or there is none.
        Failed = "failed",
    }
}

/// Connections from applications, of all workers.
pub(crate) static CONNECTIONS: Descriptor<0> =
    Descriptor::gauge("mtls_edge_connections", [], "Open connections.");
/// `[limits] connections`, or less if the limit of open files is too low.
pub(crate) static CONNECTIONS_LIMIT: Descriptor<0> =
    Descriptor::gauge("mtls_edge_connections_limit", [], "Connections that may be open.");
/// Of all workers.
pub(crate) static HANDSHAKES_IN_FLIGHT: Descriptor<0> =
    Descriptor::gauge("mtls_edge_handshakes_in_flight", [], "Connections whose handshake is not complete.");
/// `[limits] handshakes`.
pub(crate) static HANDSHAKES_LIMIT: Descriptor<0> =
    Descriptor::gauge("mtls_edge_handshakes_limit", [], "Handshakes that may be in flight.");
/// Connections of all workers' pools.
pub(crate) static UPSTREAM_CONNECTIONS: Descriptor<0> =
    Descriptor::gauge("mtls_edge_upstream_connections", [], "Open connections to upstreams.");
/// What the limit of open files leaves for upstreams.
pub(crate) static UPSTREAM_CONNECTIONS_LIMIT: Descriptor<0> = Descriptor::gauge(
    "mtls_edge_upstream_connections_limit",
    [],
    "Connections to upstreams that may be open.",
);
/// Of all workers.
pub(crate) static UPSTREAM_REQUESTS: Descriptor<1> = Descriptor::gauge(
    "mtls_edge_upstream_requests_in_flight",
    ["upstream"],
    "Requests in flight to an upstream, until their responses are complete.",
);
/// `[[upstream]] max_requests`.
pub(crate) static UPSTREAM_REQUESTS_LIMIT: Descriptor<1> = Descriptor::gauge(
    "mtls_edge_upstream_requests_limit",
    ["upstream"],
    "Requests that may be in flight to an upstream.",
);
/// Counted since the upstream's configuration was last changed.
pub(crate) static UPSTREAM_RETRIES: Descriptor<1> = Descriptor::counter(
    "mtls_edge_upstream_retries_total",
    ["upstream"],
    "Requests that were sent again, since an origin could not be reached or had not processed them.",
);
/// One series per origin.
pub(crate) static UPSTREAM_ORIGIN_FAILING: Descriptor<2> = Descriptor::gauge(
    "mtls_edge_upstream_origin_failing",
    ["upstream", "origin"],
    "1 while an origin is unreachable, ejected or fails its health check, else 0.",
);
/// Counted only if the upstream has several origins.
pub(crate) static UPSTREAM_ORIGIN_REQUESTS: Descriptor<2> = Descriptor::gauge(
    "mtls_edge_upstream_origin_requests_in_flight",
    ["upstream", "origin"],
    "Requests in flight to an origin of several, until their responses are complete.",
);
/// Counted since the upstream's configuration was last changed.
pub(crate) static UPSTREAM_EJECTIONS: Descriptor<2> = Descriptor::counter(
    "mtls_edge_upstream_ejections_total",
    ["upstream", "origin"],
    "Times at which requests began to avoid an origin of several.",
);
/// The bytes that count against `[limits] buffered_bytes`.
pub(crate) static BUFFERED_BYTES: Descriptor<0> =
    Descriptor::gauge("mtls_edge_buffered_bytes", [], "Buffered bytes of request bodies.");
/// `[limits] buffered_bytes`.
pub(crate) static BUFFERED_BYTES_LIMIT: Descriptor<0> =
    Descriptor::gauge("mtls_edge_buffered_bytes_limit", [], "Bytes of request bodies that may be buffered.");
/// Counted since the start of the process.
pub(crate) static LOG_LINES_DROPPED: Descriptor<0> = Descriptor::counter(
    "mtls_edge_log_lines_dropped_total",
    [],
    "Log lines dropped because an output was not read fast enough or could not be written.",
);

/// Counted since the start of the process: see `panics`.
pub(crate) static PANICS: Descriptor<0> = Descriptor::counter(
    "mtls_edge_panics_total",
    [],
    "Threads and tasks that were aborted by a panic, which is a defect of the edge.",
);

/// Counted since the start of the process: see `otlp`.
pub(crate) static SPANS_EXPORTED: Descriptor<0> =
    Descriptor::counter("mtls_edge_spans_exported_total", [], "Spans that the collector has accepted.");
/// Counted since the start of the process.
pub(crate) static SPANS_DROPPED: Descriptor<1> = Descriptor::counter(
    "mtls_edge_spans_dropped_total",
    ["reason"],
    "Spans that were not exported, by reason.",
);

/// Of all workers: see `replay`.
pub(crate) static ASSERTION_IDS: Descriptor<0> = Descriptor::gauge(
    "mtls_edge_assertion_ids",
    [],
    "Used jti values of assertions that have not expired yet.",
);
/// `[limits] assertion_ids`.
pub(crate) static ASSERTION_IDS_LIMIT: Descriptor<0> = Descriptor::gauge(
    "mtls_edge_assertion_ids_limit",
    [],
    "Used jti values of assertions that the edge remembers at most.",
);
/// Counted since the start of the process.
pub(crate) static ASSERTION_IDS_REFUSED: Descriptor<1> = Descriptor::counter(
    "mtls_edge_assertion_ids_refused_total",
    ["reason"],
    "Assertions refused because of their jti, by reason.",
);

/// Counted since the start of the process.
pub(crate) static ADMIN_REFUSALS: Descriptor<1> = Descriptor::counter(
    "mtls_edge_admin_refusals_total",
    ["reason"],
    "Requests to the admin address, and TLS handshakes with it, that were refused, by reason.",
);

/// See `site::Generation`.
pub(crate) static TRUST_GENERATION: Descriptor<0> =
    Descriptor::gauge("mtls_edge_trust_generation", [], "Number of the active configuration, from 1.");
/// In whole seconds since the last successful reload.
pub(crate) static TRUST_AGE: Descriptor<0> =
    Descriptor::gauge("mtls_edge_trust_age_seconds", [], "Age of the active configuration.");
/// For alerts on the current state; [`RELOADS_FAILED`] counts events.
pub(crate) static RELOAD_FAILING: Descriptor<0> = Descriptor::gauge(
    "mtls_edge_reload_failing",
    [],
    "1 while the configuration files are rejected, else 0.",
);
/// The load at the start is not counted.
pub(crate) static RELOADS: Descriptor<0> =
    Descriptor::counter("mtls_edge_reloads_total", [], "Successful reloads.");
/// Each invalid state of the files is counted once.
pub(crate) static RELOADS_FAILED: Descriptor<0> =
    Descriptor::counter("mtls_edge_reloads_failed_total", [], "Rejected reloads.");

/// 1 or 0 for each source. The files never fail as a source: see [`RELOAD_FAILING`].
pub(crate) static SOURCE_FAILING: Descriptor<1> = Descriptor::gauge(
    "mtls_edge_source_failing",
    ["source"],
    "1 while a source of applications cannot be read or its latest update is rejected, else 0.",
);

/// A series for each kind of problem, also while there is none: alerts need no rule for a series that is absent.
pub(crate) static PROBLEMS: Descriptor<2> = Descriptor::gauge(
    "mtls_edge_problems",
    ["code", "level"],
    "Problems in /status by code and level, 0 for those that there are not.",
);

/// The label `file` is present only if the URLs of two sources differ in nothing but the query, which is not shown.
pub(crate) static CRL_FETCHES: Descriptor<3> = Descriptor::counter(
    "mtls_edge_crl_fetches_total",
    ["url", "outcome", "file"],
    "CRL fetches by outcome: taken or failed.",
);
/// `file` as with [`CRL_FETCHES`].
pub(crate) static CRL_FETCH_AGE: Descriptor<2> = Descriptor::gauge(
    "mtls_edge_crl_fetch_age_seconds",
    ["url", "file"],
    "Seconds since the last successful fetch of a CRL.",
);

/// `file` as with [`CRL_FETCHES`].
pub(crate) static KEY_SET_FETCHES: Descriptor<3> = Descriptor::counter(
    "mtls_edge_key_set_fetches_total",
    ["url", "outcome", "file"],
    "Key set fetches by outcome: taken or failed.",
);
/// `file` as with [`CRL_FETCHES`].
pub(crate) static KEY_SET_FETCH_AGE: Descriptor<2> = Descriptor::gauge(
    "mtls_edge_key_set_fetch_age_seconds",
    ["url", "file"],
    "Seconds since the last successful fetch of a key set.",
);
