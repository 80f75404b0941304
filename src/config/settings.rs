//! The typed configuration: what `edge.toml` and `applications.toml` say, defaults filled in, names
//! resolved, paths joined to the folder of the file that names them. No file that the
//! configuration names has been opened yet: that is `trust`'s and `tls`'s job.

use std::{
    collections::HashMap,
    fmt::{self, Display, Formatter},
    net::SocketAddr,
    path::PathBuf,
    time::Duration,
};

use http::{HeaderName, Method};
use ipnet::IpNet;

use super::span::{Span, Spanned};

/// The whole of `edge.toml`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `[listen]`.
    pub listen: Listen,
    /// `[limits]`.
    pub limits: Limits,
    /// `[log]`.
    pub log: Log,
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

/// `[limits]`: what bounds a peer. Durations are written as `"10s"`, `"500ms"`, `"2m"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections in all. Default 10,000.
    pub connections: usize,
    /// Those of one client address (of one /64 of IPv6). Absent: a tenth of the connections that may be open, at least 16.
    pub connections_per_address: Option<usize>,
    /// From accept to the end of the TLS handshake. Default 10 s.
    pub handshake_timeout: Duration,
    /// From the first byte of a request's head to its last. Default 10 s.
    pub head_timeout: Duration,
    /// From the head to the last byte of the body. Default 30 s.
    pub body_timeout: Duration,
    /// A connection without a request in flight. Default 60 s.
    pub idle_timeout: Duration,
    /// How long requests in flight may take to finish after SIGTERM. Default 30 s.
    pub drain_timeout: Duration,
    /// Bytes of a request's head: HTTP/1.1 buffer, HTTP/2 header list. Default 32 KiB, at least 8 KiB.
    pub header_bytes: usize,
    /// Number of header fields. Default 100.
    pub headers: usize,
    /// Bytes of a request's body. Default 1 MiB.
    pub body_bytes: u64,
    /// Bytes of a body that is buffered to find `client_id`. Default 64 KiB.
    pub client_id_body_bytes: usize,
    /// Bytes of bodies that are buffered at once, all workers together. Default 256 MiB.
    pub buffered_bytes: u64,
    /// Streams open at once on one HTTP/2 connection. Default 100.
    pub http2_streams: u32,
}

/// `[log]`: what is written to standard error.
#[derive(Clone, Debug)]
pub struct Log {
    /// `text` or `json`. Default `text`.
    pub format: LogFormat,
    /// A `tracing` filter such as `info` or `mtls_edge=debug`; `RUST_LOG` wins. Default `info`.
    pub level: String,
}

/// The shape of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One line for a person.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// `[trust]`: who may vouch for an application.
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
    pub eku: Eku,
}

/// What the extendedKeyUsage of a client's certificate, where there is one, must say (RFC 5280 section 4.2.1.12).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Eku {
    /// clientAuth.
    #[default]
    Client,
    /// clientAuth or serverAuth.
    ClientOrServer,
    /// Anything.
    Any,
}

/// A CRL that is fetched and kept in a file.
#[derive(Clone, Debug)]
pub struct CrlSource {
    /// Where from.
    pub url: Spanned<Url>,
    /// Where it is kept: the file that trust is built from.
    pub file: Spanned<PathBuf>,
    /// From one fetch to the next. Default 1 h.
    pub refresh: Duration,
    /// For a whole fetch. Default 10 s.
    pub timeout: Duration,
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

/// What becomes of certificates whose CA's CRL is past its nextUpdate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaleCrl {
    /// They are refused.
    Refuse,
    /// They are judged by the old list, and that is reported.
    Report,
}

/// Which certificates of a path the CRLs are asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrlDepth {
    /// The client's and those of the CAs between it and the client CA.
    Chain,
    /// The client's alone.
    Leaf,
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
    /// TCP connect and TLS handshake. Default 5 s.
    pub connect_timeout: Duration,
    /// From the request's last byte to the response's head, and between bytes of the response. Default 30 s.
    pub response_timeout: Duration,
    /// How long a connection is kept unused. Default 30 s.
    pub idle_timeout: Duration,
    /// Requests in flight at once, over all workers. Default 1,024.
    pub connections: usize,
}

/// What an upstream gets in `X-Forwarded-For`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedFor {
    /// The client's address alone.
    Client,
    /// Each hop's, as far as trusted proxies said, the connection's own peer last.
    List,
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

/// Scheme, host and port of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Whether the scheme is https.
    pub tls: bool,
    /// DNS name or address; an IPv6 address without brackets.
    pub host: String,
    /// Port; 80 or 443 where the URL has none.
    pub port: u16,
}

impl Origin {
    /// Host and port as they stand in a URL; the port is left out where it is the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == if self.tls { 443 } else { 80 } { host } else { format!("{host}:{}", self.port) }
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
    /// Default `required`.
    pub client_auth: ClientAuth,
    /// Default `default`.
    pub cipher_suites: CipherSuites,
    /// How long a TLS session can be resumed, from its full handshake on. Default 1 h.
    pub session_lifetime: Duration,
    /// Keys of session tickets, shared between edges. Default: random ones, of this process alone.
    pub ticket_keys: Option<Spanned<PathBuf>>,
    /// Whether the client CAs' names are sent to clients, so that they find their certificate by it. Default true.
    pub ca_hints: bool,
    /// Index into [`Settings::upstreams`]. Default: the only one.
    pub upstream: usize,
    /// A built-in profile or one of [`Settings::header_profiles`]. Default `auth0`.
    pub header_profile: Spanned<String>,
    /// `[[domain.route]]`. Default: `/oauth/token` and `/oauth/par` by POST, the client's own certificate.
    pub routes: Vec<Route>,
}

/// Whether the TLS handshake asks for a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// Asked for; the handshake ends without one.
    Required,
    /// Asked for; routes decide.
    Optional,
    /// Never asked for.
    Off,
}

/// Which cipher suites a domain offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CipherSuites {
    /// rustls' own list.
    Default,
    /// FAPI 2.0 section 5.2.2: AES-GCM only.
    Fapi,
}

/// `[[domain.route]]`: a path that may be called.
#[derive(Clone, Debug)]
pub struct Route {
    /// Exact path, or a subtree (`/*` at the end). Default `/oauth/token`.
    pub path: Spanned<PathPattern>,
    /// Default `POST`.
    pub methods: Vec<Method>,
    /// Default `client`.
    pub authenticate: Authenticate,
}

/// A route's path, in its literal bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathPattern {
    /// The whole path.
    Exact(String),
    /// The prefix with its final slash: `/a/*` is `/a/`.
    Subtree(String),
}

/// Whom a route asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authenticate {
    /// The request's `client_id` must own the certificate.
    Client,
    /// Any registered certificate.
    Certificate,
    /// Nobody.
    None,
}

/// `[[header_profile]]`: names and encodings of the operator's choice.
#[derive(Clone, Debug)]
pub struct CustomProfile {
    /// The name that domains use.
    pub name: Spanned<String>,
    /// Header name and the encoding's name, in the order written. Header names may be secrets: not logged.
    pub headers: Vec<(Spanned<HeaderName>, Spanned<String>)>,
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

/// OAuth's `token_endpoint_auth_method`, as far as the edge serves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// RFC 8705 section 2.2.
    SelfSignedTlsClientAuth,
    /// RFC 8705 section 2.1.
    TlsClientAuth,
}

impl AuthMethod {
    /// Its name in OAuth's registry.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SelfSignedTlsClientAuth => "self_signed_tls_client_auth",
            Self::TlsClientAuth => "tls_client_auth",
        }
    }
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
