//! Everything that a request is judged by and forwarded with, built once from the configuration: one
//! immutable snapshot, read through one atomic pointer.

mod admin_rules;
mod changes;
mod client_networks;
mod limits;
mod routes;
mod token_issuer;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use ipnet::IpNet;

pub use admin_rules::{AdminRules, AdminToken};
pub use changes::Changes;
pub use client_networks::ClientNetworks;
pub use limits::Limits;
pub use routes::{Authenticate, PathPattern, Route, RouteError, RouteSpec, Routes, SignedRequest, TokenRule};

pub use token_issuer::{IntrospectionEndpoint, PublishedKeys, RefreshRequest, TokenIssuer, Verification};

use crate::{
    clock::Timestamp,
    forward::{ForwardedFor, Target},
    identity::ClientCertificate,
    tls::{Challenges, ClientAuth, DomainTls, KeyType, ServerConfigs, Unserved},
    trace::Traces,
    trust::{Issuer, Registry, Trust},
    vouch,
};

/// The number of a site, which increases with every change while the edge runs. Nothing that is cached depends on it, but on the
/// versions of the parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation(u64);

impl Generation {
    /// The number of the site with which the edge starts.
    pub const FIRST: Self = Self(1);

    /// The number of the site that replaces this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Everything by which a request is judged and forwarded. A clone shares domains, authorities and applications.
#[derive(Clone, Debug)]
pub struct Site {
    /// This site's number.
    pub generation: Generation,
    /// Client CAs and applications.
    pub trust: Trust,
    /// Domains by name: lower case, no trailing dot. Most sites have few: to find one costs less than a hash.
    pub domains: BTreeMap<Box<str>, Arc<Domain>>,
    /// The names of domains that have no certificate yet: it is ordered by ACME.
    pub awaiting: BTreeSet<Box<str>>,
    /// The pending ACME validations of domains. Each site has those of the previous one.
    pub challenges: Challenges,
    /// The issuers of access tokens, in the order of the configuration.
    pub token_issuers: Vec<Arc<TokenIssuer>>,
    /// Header names that no client may set.
    pub reserved: vouch::Reserved,
    /// The proxies whose `X-Forwarded-For` or PROXY header is trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// The clients that are served, by their addresses.
    pub clients: ClientNetworks,
    /// Whether connections start with a PROXY protocol header.
    pub proxy_protocol: bool,
    /// Who may use the admin address.
    pub admin: AdminRules,
    /// Limits on what a peer may use.
    pub limits: Limits,
    /// See [`stall_timeout`].
    pub stall_timeout: Duration,
    /// Traces, if they are on.
    pub traces: Option<Arc<Traces>>,
}

impl Site {
    /// The upstreams that domains use.
    pub fn targets(&self) -> impl Iterator<Item = &Arc<Target>> {
        self.domains.values().map(|domain| &domain.target)
    }

    /// The upstreams that domains use, and the introspection endpoints.
    pub fn pooled_targets(&self) -> impl Iterator<Item = &Arc<Target>> {
        let endpoints = self.token_issuers.iter().filter_map(|issuer| match &issuer.verification {
            Verification::Introspection(endpoint) => Some(&endpoint.target),
            Verification::Keys(_) => None,
        });
        self.targets().chain(endpoints)
    }

    /// The end of the validity of each client certificate that the edge shows to an upstream, by the upstream's name.
    #[must_use]
    pub fn upstream_certificates(&self) -> BTreeMap<&str, Timestamp> {
        let end = |target: &Target| {
            let leaf = target.client_identity()?.credential.cert.get(..1)?;
            Some(ClientCertificate::from_chain(leaf).ok()?.validity().not_after)
        };
        self.targets().filter_map(|target| Some((target.spec.name.as_str(), end(target)?))).collect()
    }

    /// The TLS configurations for new connections with this server name.
    ///
    /// # Errors
    ///
    /// If there is no such domain, or it has no certificate yet.
    pub fn server_configs(&self, name: &str) -> Result<&ServerConfigs, Unserved> {
        match self.domains.get(name) {
            Some(domain) => Ok(self.configs_of(domain)),
            None if self.awaiting.contains(name) => Err(Unserved::NoCertificate),
            None => Err(Unserved::Unknown),
        }
    }

    /// CA names would make clients hide self-signed certificates (RFC 8705 section 7.2).
    fn configs_of<'a>(&self, domain: &'a Domain) -> &'a ServerConfigs {
        domain.tls.configs(!self.trust.registry.accepts_self_signed())
    }

    /// The site with other applications and another number. Costs nothing per application.
    #[must_use]
    pub fn with_registry(self, registry: Registry, generation: Generation) -> Self {
        let trust = Trust { registry, ..self.trust };
        Self { generation, trust, ..self }
    }
}

/// How long requests in flight may make no progress: longer than every timeout of a single request to these domains.
pub(crate) fn stall_timeout<'a>(limits: &Limits, domains: impl IntoIterator<Item = &'a Domain>) -> Duration {
    let of_upstream = |domain: &Domain| {
        let limits = &domain.target.spec.limits;
        limits.response_timeout + limits.connect_timeout * 4
    };
    let upstream = domains.into_iter().map(of_upstream).max().unwrap_or_default();
    limits.body_timeout + upstream + Duration::from_secs(10)
}

/// One domain, ready to serve.
#[derive(Clone, Debug)]
pub struct Domain {
    /// Lower case, no trailing dot.
    pub name: Box<str>,
    /// The name as the value of `Host`.
    pub authority: http::HeaderValue,
    /// Its own TLS configuration, with its own tickets.
    pub tls: DomainTls,
    /// The key types of its certificates that do not name it.
    pub misnamed: Box<[KeyType]>,
    /// Whether its certificate is ordered by ACME.
    pub renews_itself: bool,
    /// Whether the handshake must present a client certificate.
    pub client_auth: ClientAuth,
    /// Its routes.
    pub routes: Routes,
    /// The upstream.
    pub target: Arc<Target>,
    /// The contents of `X-Forwarded-For` towards the upstream.
    pub forwarded_for: ForwardedFor,
    /// The header profile.
    pub profile: vouch::Profile,
    /// To whom assertions and request objects are addressed.
    pub issuer: Option<Issuer>,
    /// The security profile whose rules are enforced.
    pub security_profile: Option<SecurityProfile>,
}

impl Domain {
    /// What messages call one of its certificates: the domain's name, and the key's type if there are several.
    #[must_use]
    pub fn certificate_name(&self, key_type: KeyType) -> String {
        if self.tls.has_several_certificates() {
            format!("{} ({})", self.name, key_type.as_str())
        } else {
            self.name.to_string()
        }
    }
}

/// A security profile that a domain enforces in addition to the configured rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecurityProfile {
    /// The FAPI 2.0 Security Profile.
    Fapi2,
}

/// The pointer through which workers see the current site.
pub type SiteHandle = Arc<ArcSwap<Site>>;
