//! An upstream, ready to be called: origins, TLS, secrets.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicUsize},
};

use http::{HeaderMap, HeaderName, HeaderValue};
use rustls::{
    ClientConfig,
    pki_types::{ServerName, TrustAnchor},
};

use super::{ForwardedFor, Origin, UpstreamLimits, mark::Marks};
/// An upstream as the request path needs it. `Debug` shows no secret.
///
/// Equal targets can share connections, so that a reload that changes nothing keeps them.
#[derive(PartialEq, Eq)]
pub struct Target {
    /// The operator's name for it.
    pub name: String,
    /// At least one.
    pub origins: Vec<Origin>,
    /// `Host` sent upstream; absent: the domain's own name.
    pub host: Option<HeaderValue>,
    /// Secret headers, marked sensitive.
    pub headers: HeaderMap,
    /// A header that carries the client's address.
    pub client_ip_header: Option<HeaderName>,
    /// Whether `Forwarded` is sent.
    pub forwarded: bool,
    /// What `X-Forwarded-For` has, where that is configured.
    pub forwarded_for: Option<ForwardedFor>,
    /// For https origins.
    pub(super) tls: Option<ClientTls>,
    /// By what name https origins are called and must prove themselves; absent: each by the host of its URL.
    pub(super) server_name: Option<ServerName<'static>>,
    /// Timeouts, and how many requests at once.
    pub limits: UpstreamLimits,
    pub(super) in_flight: InFlight,
    pub(super) marks: Marks,
}

/// Requests in flight to an upstream, of all workers. Of no account where targets are compared.
#[derive(Debug, Default)]
pub(super) struct InFlight(pub(super) AtomicUsize);

impl PartialEq for InFlight {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for InFlight {}

/// TLS towards an upstream, compared by the roots that it trusts.
#[derive(Clone)]
pub struct ClientTls {
    /// Which verifies by the roots.
    pub config: Arc<ClientConfig>,
    /// The roots that it verifies by.
    pub roots: Vec<TrustAnchor<'static>>,
}

impl PartialEq for ClientTls {
    fn eq(&self, other: &Self) -> bool {
        self.roots == other.roots
    }
}

impl Eq for ClientTls {}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("name", &self.name)
            .field("origins", &self.origins)
            .finish_non_exhaustive()
    }
}

/// What a target is made from. Secrets and roots have been read.
pub struct TargetSpec {
    /// The operator's name for it.
    pub name: String,
    /// At least one.
    pub origins: Vec<Origin>,
    /// `Host` sent upstream; absent: the domain's own name.
    pub host: Option<HeaderValue>,
    /// Secret headers.
    pub headers: HeaderMap,
    /// A header that carries the client's address.
    pub client_ip_header: Option<HeaderName>,
    /// Whether `Forwarded` is sent.
    pub forwarded: bool,
    /// What `X-Forwarded-For` has, where that is configured.
    pub forwarded_for: Option<ForwardedFor>,
    /// For https origins.
    pub tls: Option<ClientTls>,
    /// By what name https origins are called and must prove themselves; absent: each by the host of its URL.
    pub server_name: Option<ServerName<'static>>,
    /// Timeouts, and how many requests at once.
    pub limits: UpstreamLimits,
}

impl Target {
    /// A target to which nothing was sent yet. Its headers are marked sensitive, so that no log shows them.
    #[must_use]
    pub fn new(spec: TargetSpec) -> Self {
        let TargetSpec {
            name,
            origins,
            host,
            mut headers,
            client_ip_header,
            forwarded,
            forwarded_for,
            tls,
            server_name,
            limits,
        } = spec;
        headers.values_mut().for_each(|value| value.set_sensitive(true));
        let marks = Marks::new(origins.len());
        let in_flight = InFlight::default();
        Self {
            name,
            origins,
            host,
            headers,
            client_ip_header,
            forwarded,
            forwarded_for,
            tls,
            server_name,
            limits,
            in_flight,
            marks,
        }
    }
}
