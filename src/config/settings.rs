//! The typed configuration: what `edge.toml` and `applications.toml` say, defaults filled in, names
//! resolved, paths joined to the folder of the file that names them. No file that the
//! configuration names has been opened yet: that is `trust`'s and `tls`'s job.

use std::{
    collections::HashMap,
    fmt::{self, Display, Formatter},
    net::SocketAddr,
    path::PathBuf,
};

use http::HeaderName;
use ipnet::IpNet;

use super::span::{Span, Spanned};
use crate::{
    forward::{ForwardedFor, Origin, UpstreamLimits},
    identity::{CrlDepth, Purpose, StaleCrl},
    observe::log::LogSettings,
    outbound::Schedule,
    site::{Limits, RouteSpec},
    tls::TlsSpec,
    trust::AuthMethod,
    vouch::Encoding,
};

/// The whole of `edge.toml`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `[listen]`.
    pub listen: Listen,
    /// `[limits]`.
    pub limits: Limits,
    /// `[log]`.
    pub log: LogSettings,
    /// `[trust]`.
    pub trust: Trust,
    /// `[[upstream]]`, at least one, names unique.
    pub upstreams: Vec<Upstream>,
    /// `[[domain]]`, at least one, names unique (compared without case).
    pub domains: Vec<Domain>,
    /// `[[header_profile]]`, names unique and none that of a built-in profile.
    pub header_profiles: Vec<CustomProfile>,
    /// Where keys of `[listen]`, `[limits]` and `[log]` are written, by their path; where their table is, if they are not.
    pub spans: HashMap<String, Span>,
}

/// `[listen]`: the sockets.
#[derive(Clone, Debug)]
pub struct Listen {
    /// Addresses that speak TLS to applications. Default `0.0.0.0:8443`.
    pub https: Vec<Spanned<SocketAddr>>,
    /// The plain-HTTP admin address. Default `127.0.0.1:9443`.
    pub admin: Spanned<SocketAddr>,
    /// Names by which the admin address may be called, besides `localhost` and any address. Default none.
    pub admin_hosts: Vec<String>,
    /// Worker threads; absent: the cores that the process may use.
    pub workers: Option<usize>,
    /// Peers whose `X-Forwarded-For` is appended to, and whose PROXY header is believed. Default none.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether connections start with a PROXY protocol header (v1 or v2); then only
    /// [`Listen::trusted_proxies`] may connect, and the list must not be empty. Default false.
    pub proxy_protocol: bool,
}

/// The registry's file if none is configured, in the folder of `edge.toml`.
pub const DEFAULT_APPLICATIONS: &str = "applications.toml";

/// `[trust]`: the client CAs, their CRLs, the registry.
#[derive(Clone, Debug)]
pub struct Trust {
    /// PEM bundles of client CAs. Default none.
    pub client_ca: Vec<ClientCa>,
    /// CRLs, PEM or DER; those that are kept of [`Trust::crl_sources`] among them. Default none.
    pub crls: Vec<Spanned<PathBuf>>,
    /// Where lists are fetched from in the background.
    pub crl_sources: Vec<CrlSource>,
    /// Default `refuse`.
    pub stale_crl: StaleCrl,
    /// Default `chain`.
    pub crl_depth: CrlDepth,
    /// The registry's file. Default `applications.toml`, needed only if a route authenticates.
    pub applications: Spanned<PathBuf>,
}

/// Client CAs, and which of their certificates are for clients.
#[derive(Clone, Debug)]
pub struct ClientCa {
    /// A PEM bundle.
    pub file: Spanned<PathBuf>,
    /// What extendedKeyUsage must say. Default `client`.
    pub eku: Purpose,
}

/// A CRL that is fetched and kept in a file.
#[derive(Clone, Debug)]
pub struct CrlSource {
    /// Where from.
    pub url: Spanned<Url>,
    /// Where it is kept: the file that trust is built from.
    pub file: Spanned<PathBuf>,
    /// When it is fetched.
    pub schedule: Schedule,
    /// PEM roots for https; absent: the system's.
    pub ca: Option<Spanned<PathBuf>>,
    /// Certificates of CAs that sign its lists, besides the client CAs. Default none.
    pub issuer: Option<Spanned<PathBuf>>,
}

/// An http or https URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Url {
    /// Scheme, host and port.
    pub origin: Origin,
    /// Path and query, which may hold a secret.
    pub target: String,
}

impl Display for Url {
    /// Without the query.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let scheme = if self.origin.tls { "https" } else { "http" };
        let path = self.target.split('?').next().unwrap_or_default();
        write!(f, "{scheme}://{}{path}", self.origin.authority())
    }
}

/// `[[upstream]]`: an authorization server.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// The name that domains use.
    pub name: Spanned<String>,
    /// Origins (scheme, host, port, nothing more), at least one; several are balanced.
    pub urls: Vec<Spanned<Origin>>,
    /// `Host` sent upstream; absent: the domain's own name.
    pub host: Option<Spanned<String>>,
    /// PEM roots for https; absent: the system's.
    pub ca: Option<Spanned<PathBuf>>,
    /// The name in the ClientHello and the certificate of https origins; absent: the host of each URL.
    pub server_name: Option<Spanned<String>>,
    /// Headers set on every request, by secret reference.
    pub headers: Vec<(Spanned<HeaderName>, Spanned<SecretSource>)>,
    /// A header that carries the client's address, such as `true-client-ip`.
    pub client_ip_header: Option<Spanned<HeaderName>>,
    /// Whether `Forwarded` (RFC 7239) is sent beside `X-Forwarded-*`. Default false.
    pub forwarded: bool,
    /// What `X-Forwarded-For` has. Default: see [`Settings::forwarded_for`].
    pub forwarded_for: Option<ForwardedFor>,
    /// Timeouts, and how many requests at once.
    pub limits: UpstreamLimits,
}

impl Settings {
    /// What the upstream of this index gets in `X-Forwarded-For`: what is configured; by default the client's address where
    /// one of its domains has the profile `auth0`, whose documentation asks for a single address, else the list.
    #[must_use]
    pub fn forwarded_for(&self, upstream: usize) -> ForwardedFor {
        let is_auth0 =
            |domain: &Domain| domain.upstream == upstream && domain.header_profile.value == "auth0";
        let default =
            if self.domains.iter().any(is_auth0) { ForwardedFor::Client } else { ForwardedFor::List };
        self.upstreams.get(upstream).and_then(|upstream| upstream.forwarded_for).unwrap_or(default)
    }
}

/// Where a header's value comes from. `Debug` shows the place, never the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// `{ file = "…" }`: the file's text, surrounding white space trimmed.
    File(PathBuf),
    /// `{ env = "…" }`: an environment variable.
    Env(String),
}

/// `[[domain]]`: one name on which the edge stands.
#[derive(Clone, Debug)]
pub struct Domain {
    /// DNS name, lower case, no trailing dot.
    pub name: Spanned<String>,
    /// PEM chain, leaf first.
    pub certificate: Spanned<PathBuf>,
    /// PEM key.
    pub private_key: Spanned<PathBuf>,
    /// Client authentication, cipher suites, sessions.
    pub tls: TlsSpec,
    /// Keys of session tickets, shared between edges. Default: random ones, of this process alone.
    pub ticket_keys: Option<Spanned<PathBuf>>,
    /// Index into [`Settings::upstreams`]. Default: the only one.
    pub upstream: usize,
    /// A built-in profile or one of [`Settings::header_profiles`]. Default `auth0`.
    pub header_profile: Spanned<String>,
    /// `[[domain.route]]`.
    pub routes: Vec<RouteSpec>,
}

/// `[[header_profile]]`: names and encodings of the operator's choice.
#[derive(Clone, Debug)]
pub struct CustomProfile {
    /// The name that domains use.
    pub name: Spanned<String>,
    /// Header name and encoding, in the order written. Header names may be secrets: not logged.
    pub headers: Vec<(Spanned<HeaderName>, Encoding)>,
}

/// `[[application]]`. Certificates, DNs and thumbprints are still text.
#[derive(Clone, Debug)]
pub struct Application {
    /// The OAuth client identifier.
    pub client_id: Spanned<String>,
    /// How it authenticates. Default: what its credentials imply.
    pub auth_method: AuthMethod,
    /// One or two, names unique within the application.
    pub credentials: Vec<Credential>,
}

/// `[[application.credential]]`.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The operator's name for it.
    pub name: Spanned<String>,
    /// What it matches.
    pub matcher: Matcher,
    /// Optional pin to a CA, PEM; only with a subject.
    pub ca: Option<Spanned<PathBuf>>,
}

/// What a credential matches, as written.
#[derive(Clone, Debug)]
pub enum Matcher {
    /// `thumbprint`.
    Thumbprint(Spanned<String>),
    /// `certificate`, a PEM or DER file whose thumbprint is registered.
    Certificate(Spanned<PathBuf>),
    /// `subject_dn`.
    SubjectDn(Spanned<String>),
    /// `san_dns`.
    SanDns(Spanned<String>),
    /// `san_uri`.
    SanUri(Spanned<String>),
    /// `san_ip`.
    SanIp(Spanned<String>),
    /// `san_email`.
    SanEmail(Spanned<String>),
}

impl Matcher {
    /// Where it was written.
    #[must_use]
    pub fn span(&self) -> &Span {
        match self {
            Self::Certificate(file) => &file.span,
            Self::Thumbprint(text)
            | Self::SubjectDn(text)
            | Self::SanDns(text)
            | Self::SanUri(text)
            | Self::SanIp(text)
            | Self::SanEmail(text) => &text.span,
        }
    }
}
