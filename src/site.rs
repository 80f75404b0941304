//! Everything that a request is judged by and forwarded with, built once from the configuration: one
//! immutable snapshot, read through one atomic pointer.

mod changes;
mod limits;
mod routes;

use std::{collections::HashMap, fmt, sync::Arc};

use arc_swap::ArcSwap;
use ipnet::IpNet;
use rustls::ServerConfig;

pub use changes::Changes;
pub use limits::Limits;
pub use routes::{Authenticate, PathPattern, Route, RouteError, RouteSpec, Routes};

use crate::{
    forward::{ForwardedFor, Target},
    tls::{ClientAuth, DomainTls},
    trust::{Registry, Trust},
    vouch,
};

/// The number of a site, which increases with every change while the edge runs. For the log and the status only: what is cached
/// depends on the versions of the parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation(u64);

impl Generation {
    /// That of the site with which the edge starts.
    pub const FIRST: Self = Self(1);

    /// That of the site which replaces this one.
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

/// Everything that one request is judged by and forwarded with. A clone shares domains, authorities and applications.
#[derive(Clone, Debug)]
pub struct Site {
    /// This site's number.
    pub generation: Generation,
    /// Client CAs and applications.
    pub trust: Trust,
    /// Domains by name: lower case, no trailing dot.
    pub domains: HashMap<Box<str>, Arc<Domain>>,
    /// Header names that no client may set.
    pub reserved: vouch::Reserved,
    /// Whose word on the application's address counts.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether connections start with a PROXY protocol header.
    pub proxy_protocol: bool,
    /// Names by which the admin address may be called, besides `localhost` and addresses.
    pub admin_hosts: Vec<String>,
    /// What bounds a peer.
    pub limits: Limits,
}

impl Site {
    /// The upstreams that domains use.
    pub fn targets(&self) -> impl Iterator<Item = &Arc<Target>> {
        self.domains.values().map(|domain| &domain.target)
    }

    /// The TLS configuration for new connections with this server name; none if there is no such domain.
    #[must_use]
    pub fn server_config(&self, name: &str) -> Option<&Arc<ServerConfig>> {
        self.domains.get(name).map(|domain| self.config_of(domain))
    }

    /// CA names would make clients hide self-signed certificates (RFC 8705 section 7.2).
    fn config_of<'a>(&self, domain: &'a Domain) -> &'a Arc<ServerConfig> {
        domain.tls.config(!self.trust.registry.accepts_self_signed())
    }

    /// The same with other applications, under another number. Costs nothing per application.
    #[must_use]
    pub fn with_registry(self, registry: Registry, generation: Generation) -> Self {
        let trust = Trust { registry, ..self.trust };
        Self { generation, trust, ..self }
    }
}

/// One domain, ready to serve.
#[derive(Clone, Debug)]
pub struct Domain {
    /// Lower case, no trailing dot.
    pub name: Box<str>,
    /// The same as `Host`.
    pub authority: http::HeaderValue,
    /// Its own TLS configuration, with its own tickets.
    pub tls: DomainTls,
    /// Whether the handshake must have brought a certificate.
    pub client_auth: ClientAuth,
    /// What may be called.
    pub routes: Routes,
    /// Where it goes.
    pub target: Arc<Target>,
    /// What `X-Forwarded-For` has there.
    pub forwarded_for: ForwardedFor,
    /// How clients are vouched for.
    pub profile: vouch::Profile,
}

/// The pointer through which workers see the current site.
pub type SiteHandle = Arc<ArcSwap<Site>>;
