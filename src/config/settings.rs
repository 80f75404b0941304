//! The typed content of `edge.toml` and `applications.toml`: with defaults, resolved names, and paths joined to the folder of the
//! file that contains them. The referenced files are not opened here; `load` opens them.

mod applications;
mod private_key;

use std::{
    collections::HashMap,
    fmt::{self, Display, Formatter},
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use http::HeaderName;
use ipnet::IpNet;

pub use applications::{
    Application, CertificateBound, Credential, KeyFile, Matcher, RequestKey, RequestRules, SecretHash,
};
pub use private_key::{PrivateKey, TokenKey};

use super::span::{Span, Spanned};
use crate::{
    access_token::TokenType,
    forward::{Address, ForwardedFor, Origin, OriginPolicy, UpstreamLimits},
    identity::{CrlDepth, Purpose, StaleCrl},
    observe::log::LogSettings,
    outbound::Schedule,
    site::{ClientNetworks, Limits, RouteSpec, SecurityProfile},
    tls::TlsSpec,
    trace::TraceSpec,
    trust::UnknownApplications,
    vouch::Encoding,
};

/// The content of `edge.toml`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `[listen]`.
    pub listen: Listen,
    /// `[admin]`.
    pub admin: Admin,
    /// `[limits]`.
    pub limits: Limits,
    /// `[log]`.
    pub log: LogSettings,
    /// `[trust]`.
    pub trust: Trust,
    /// `[traces]`. Default: no traces.
    pub traces: Option<Traces>,
    /// `[acme]`: present if the table is written.
    pub acme: Option<Acme>,
    /// `[[upstream]]`, at least one, names unique.
    pub upstreams: Vec<Upstream>,
    /// `[[domain]]`, at least one, names unique (compared without case).
    pub domains: Vec<Domain>,
    /// `[[token_issuer]]`, names unique. A route's [`TokenRule`](crate::site::TokenRule) has an index into it.
    pub token_issuers: Vec<TokenIssuer>,
    /// `[[header_profile]]`, names unique and different from those of the built-in profiles.
    pub header_profiles: Vec<CustomProfile>,
    /// The places of the keys of `[listen]`, `[admin]`, `[limits]`, `[log]` and `[trust]` by their path, such as `listen.admin`. The place of the table for
    /// keys that are not written.
    pub spans: HashMap<String, Span>,
}

/// `[listen]`: the sockets.
#[derive(Clone, Debug)]
pub struct Listen {
    /// Addresses for TLS connections from applications. Default `0.0.0.0:8443`.
    pub https: Vec<Spanned<SocketAddr>>,
    /// The plain-HTTP admin address; none if it is off. Default `127.0.0.1:9443`.
    pub admin: Spanned<Option<SocketAddr>>,
    /// The plain-HTTP address of health checks alone. Default none.
    pub health: Option<Spanned<SocketAddr>>,
    /// Host names that the admin listener accepts in requests, besides `localhost` and IP addresses. Default none.
    pub admin_hosts: Vec<String>,
    /// The number of worker threads. Default: one per core that the process may use.
    pub workers: Option<usize>,
    /// Peers whose `X-Forwarded-For` is extended, and whose PROXY header is trusted. Default none.
    pub trusted_proxies: Vec<IpNet>,
    /// The clients that are served, by their addresses.
    pub clients: ClientNetworks,
    /// Whether connections start with a PROXY protocol header (v1 or v2). If so, only [`Listen::trusted_proxies`] may connect, and
    /// there must be at least one. Default false.
    pub proxy_protocol: bool,
}

/// `[admin]`: who may use the admin address.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The token to present. Default none.
    pub token: Option<Spanned<SecretSource>>,
    /// The certificate of the admin address. Default none: plain HTTP.
    pub identity: Option<KeyPair>,
    /// PEM bundles of the CAs that issue to operators. Default none: no client certificate is needed.
    pub client_ca: Vec<Spanned<PathBuf>>,
}

/// The default name of the registry's file, in the folder of `edge.toml`.
pub const DEFAULT_APPLICATIONS: &str = "applications.toml";

/// `[trust]`: the client CAs, their CRLs, the registry.
#[derive(Clone, Debug)]
pub struct Trust {
    /// PEM bundles of client CAs. Default none.
    pub client_ca: Vec<ClientCa>,
    /// CRL files, PEM or DER, including the cached files of [`Trust::crl_sources`]. Default none.
    pub crls: Vec<Spanned<PathBuf>>,
    /// The URLs from which CRLs are fetched in the background.
    pub crl_sources: Vec<CrlSource>,
    /// How certificates are judged whose CA has a stale CRL. Default `refuse`.
    pub stale_crl: StaleCrl,
    /// Which certificates of a chain are checked for revocation. Default `chain`.
    pub crl_depth: CrlDepth,
    /// The registry's file. Default `applications.toml`, needed only if a route authenticates.
    pub applications: Spanned<PathBuf>,
    /// How requests of other applications are treated. Default `refuse`.
    pub unknown_applications: Spanned<UnknownApplications>,
}

/// `[traces]`: where traces are exported.
#[derive(Clone, Debug)]
pub struct Traces {
    /// The URL at which the collector takes traces.
    pub endpoint: Spanned<Url>,
    /// What is exported, and how often.
    pub spec: TraceSpec,
    /// Headers set on every export, with the sources of their secret values.
    pub headers: Vec<(Spanned<HeaderName>, Spanned<SecretSource>)>,
    /// PEM roots for https. Default: the system's roots.
    pub ca: Option<Spanned<PathBuf>>,
}

/// Client CAs, and the extendedKeyUsage that their client certificates must have.
#[derive(Clone, Debug)]
pub struct ClientCa {
    /// A PEM bundle.
    pub file: Spanned<PathBuf>,
    /// The required extendedKeyUsage. Default `client`.
    pub eku: Purpose,
}

/// A CRL that is fetched and cached in a file.
#[derive(Clone, Debug)]
pub struct CrlSource {
    /// The URL to fetch it from.
    pub url: Spanned<Url>,
    /// The cached file, from which trust is built.
    pub file: Spanned<PathBuf>,
    /// When to fetch it.
    pub schedule: Schedule,
    /// PEM roots for https. Default: the system's roots.
    pub ca: Option<Spanned<PathBuf>>,
    /// Certificates of CAs that sign its CRLs, besides the client CAs. Default none.
    pub issuer: Option<Spanned<PathBuf>>,
}

/// A JSON Web Key Set (RFC 7517 section 5) that is fetched and cached in a file.
#[derive(Clone, Debug)]
pub struct KeySetSource {
    /// The URL to fetch it from.
    pub url: Spanned<Url>,
    /// The cached file, from which the keys are loaded.
    pub file: Spanned<PathBuf>,
    /// When to fetch it.
    pub schedule: Schedule,
    /// PEM roots for https. Default: the system's roots.
    pub ca: Option<Spanned<PathBuf>>,
}

/// `[[token_issuer]]`: an authorization server whose access tokens are verified.
#[derive(Clone, Debug)]
pub struct TokenIssuer {
    /// The name that routes use.
    pub name: Spanned<String>,
    /// Its issuer identifier (RFC 8414), compared byte by byte with `iss`.
    pub issuer: Spanned<String>,
    /// The values of `aud` of which a token must have one. Empty only with introspection: then `aud` is not checked.
    pub audience: Vec<String>,
    /// The accepted `typ` of JWT access tokens. Default `at+jwt`.
    pub typ: TokenType,
    /// How its tokens are verified.
    pub verification: TokenVerification,
}

/// How the tokens of an issuer are verified: exactly one of `jwks` and `introspection`.
#[derive(Clone, Debug)]
pub enum TokenVerification {
    /// `jwks`: signed JWTs, by the issuer's key set.
    KeySet(KeySetSource),
    /// `introspection`: the issuer is asked (RFC 7662).
    Introspection(Introspection),
}

/// `introspection`: the issuer's introspection endpoint, and the edge's own credentials there.
#[derive(Clone, Debug)]
pub struct Introspection {
    /// The endpoint.
    pub url: Spanned<Url>,
    /// The edge's `client_id`, sent by HTTP Basic.
    pub client_id: Spanned<String>,
    /// The edge's secret.
    pub secret: Spanned<SecretSource>,
    /// PEM roots for https. Default: the system's roots.
    pub ca: Option<Spanned<PathBuf>>,
    /// For a whole request.
    pub timeout: Duration,
}

impl Introspection {
    /// The default of [`Introspection::timeout`].
    pub const TIMEOUT: Duration = Duration::from_secs(5);
}

/// The default folder of ACME's files, in the folder of `edge.toml`.
pub const DEFAULT_ACME_STATE: &str = "state/acme";

/// `[acme]`: the CA that issues the certificates of domains with `acme = true` (RFC 8555).
#[derive(Clone, Debug)]
pub struct Acme {
    /// The URL of its directory.
    pub directory: Spanned<Url>,
    /// How the CA can reach the operator: `mailto:` URLs. Default none.
    pub contact: Vec<String>,
    /// The folder of the account's key, the certificates and their keys. Default [`DEFAULT_ACME_STATE`].
    pub state: PathBuf,
    /// The certificate profile to order, if the CA has several. Default: the CA's own choice.
    pub profile: Option<String>,
    /// PEM roots for the directory's server. Default: the system's roots.
    pub ca: Option<Spanned<PathBuf>>,
    /// The operator's account at the CA, for one that binds ACME accounts to it. Default none.
    pub external_account: Option<ExternalAccount>,
}

impl Acme {
    /// The file with the certificate and the key of a domain.
    #[must_use]
    pub fn file_of(state: &Path, domain: &str) -> PathBuf {
        // The name of a domain consists of letters, digits, dots, hyphens and underscores.
        state.join(format!("{domain}.pem"))
    }
}

/// The key that binds an ACME account to another one (RFC 8555 section 7.3.4).
#[derive(Clone, Debug)]
pub struct ExternalAccount {
    /// The key's identifier.
    pub key_id: Spanned<String>,
    /// The key, in base64url.
    pub key: Spanned<SecretSource>,
}

/// An http or https URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Url {
    /// Scheme, host and port.
    pub origin: Origin,
    /// Path and query. The query may contain a secret.
    pub target: String,
}

impl Display for Url {
    /// Writes the URL without its query, which may be secret.
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
    /// Origins (scheme, host, port) or Unix sockets, at least one. Requests are balanced across them.
    pub urls: Vec<Spanned<Address>>,
    /// The `Host` sent to the upstream. Default: the name of the domain.
    pub host: Option<Spanned<String>>,
    /// PEM roots for https. Default: the system's roots.
    pub ca: Option<Spanned<PathBuf>>,
    /// The edge's own certificate for https origins. Default: none.
    pub identity: Option<KeyPair>,
    /// The name for SNI and for verifying the certificate of https origins. Default: the host of each URL.
    pub server_name: Option<Spanned<String>>,
    /// Headers set on every request, with the sources of their secret values.
    pub headers: Vec<(Spanned<HeaderName>, Spanned<SecretSource>)>,
    /// A header that carries the client's address, such as `true-client-ip`.
    pub client_ip_header: Option<Spanned<HeaderName>>,
    /// Whether `Forwarded` (RFC 7239) is sent in addition to `X-Forwarded-*`. Default false.
    pub forwarded: bool,
    /// The content of `X-Forwarded-For`. Default: see [`Settings::forwarded_for`].
    pub forwarded_for: Option<ForwardedFor>,
    /// Timeouts, and limits on concurrent requests.
    pub limits: UpstreamLimits,
    /// How origins are chosen.
    pub policy: OriginPolicy,
}

/// A certificate and its private key.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// The PEM chain, leaf first; or a PKCS#12 file with the key.
    pub certificate: Spanned<PathBuf>,
    /// Its private key; possibly in the file of the certificate.
    pub private_key: PrivateKey,
    /// The password of the private key or the PKCS#12 file. In a domain, it is the same for all certificates. Default: none is needed.
    pub password: Option<Spanned<SecretSource>>,
}

impl Settings {
    /// The upstreams that domains use.
    pub fn used_upstreams(&self) -> impl Iterator<Item = &Upstream> {
        let is_used = |index| self.domains.iter().any(|domain| domain.upstream == index);
        self.upstreams
            .iter()
            .enumerate()
            .filter(move |(index, _)| is_used(*index))
            .map(|(_, upstream)| upstream)
    }

    /// The content of `X-Forwarded-For` for the upstream of this index. The default is the client's address if one of the upstream's
    /// domains uses the profile `auth0`, since Auth0's documentation requires a single address; otherwise the list.
    #[must_use]
    pub fn forwarded_for(&self, upstream: usize) -> ForwardedFor {
        let is_auth0 =
            |domain: &Domain| domain.upstream == upstream && domain.header_profile.value == "auth0";
        let default =
            if self.domains.iter().any(is_auth0) { ForwardedFor::Client } else { ForwardedFor::List };
        self.upstreams.get(upstream).and_then(|upstream| upstream.forwarded_for).unwrap_or(default)
    }
}

/// The source of a secret. `Debug` shows the source, not the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// `{ file = "…" }`: the file's text, without surrounding whitespace.
    File(PathBuf),
    /// `{ env = "…" }`: an environment variable.
    Env(String),
}

/// `[[domain]]`: a DNS name that the edge serves.
#[derive(Clone, Debug)]
pub struct Domain {
    /// DNS name, lower case, no trailing dot.
    pub name: Spanned<String>,
    /// Its certificates with their keys, the preferred one first. At least one.
    pub key_pairs: Vec<KeyPair>,
    /// Whether the only one is ordered by ACME, and in the file [`Acme::file_of`].
    pub acme: bool,
    /// Client authentication, cipher suites and session settings.
    pub tls: TlsSpec,
    /// The place of `client_auth`.
    pub client_auth: Span,
    /// A file with session ticket keys, shared between edges. Default: random keys of this process.
    pub ticket_keys: Option<Spanned<PathBuf>>,
    /// Index into [`Settings::upstreams`]. The key may be omitted if there is only one upstream.
    pub upstream: usize,
    /// A built-in profile or one of [`Settings::header_profiles`]. Default `auth0`.
    pub header_profile: Spanned<String>,
    /// The issuer identifier: `aud` of assertions and request objects.
    pub issuer: Option<Spanned<String>>,
    /// Further values of `aud`. Default none.
    pub audiences: Vec<Spanned<String>>,
    /// The security profile that is enforced.
    pub security_profile: Option<Spanned<SecurityProfile>>,
    /// `[[domain.route]]`.
    pub routes: Vec<Route>,
}

/// `[[domain.route]]`.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its rule.
    pub spec: RouteSpec,
    /// The place of `authenticate`.
    pub authenticate: Span,
    /// The place of `signed_request`.
    pub signed_request: Span,
}

/// `[[header_profile]]`: a profile with custom header names and encodings.
#[derive(Clone, Debug)]
pub struct CustomProfile {
    /// The name that domains use.
    pub name: Spanned<String>,
    /// Header names and encodings, in the order of the file. The names may be secrets and are not logged.
    pub headers: Vec<(Spanned<HeaderName>, Encoding)>,
}
