//! The example of the design document, value by value: the names of its keys and their meaning are a contract.

use std::{fs, path::Path, time::Duration};

use http::Method;

use crate::config::{
    Parsed, Spanned, render,
    settings::{self, *},
    testing::{NO_PROBLEM, all_applications},
};

use crate::{
    forward::{Address, Balance, Origin, UpstreamLimits},
    identity::{CrlDepth, Purpose, StaleCrl},
    observe::log::LogFormat,
    site::{Authenticate, ClientNetworks, Limits, PathPattern, RouteSpec, SignedRequest},
    tls::{CipherSuites, ClientAuth, MinVersion, TlsSpec},
    trust::{AuthMethod, UnknownApplications},
    vouch::{CertificateEncoding, ClientEncoding, Encoding},
};

const EDGE: &str = r#"
[listen]
https = ["0.0.0.0:8443"]
admin = "127.0.0.1:9443"            # /healthz /readyz /metrics /status; plain HTTP, loopback by default

[trust]
client_ca = ["certs/client-ca.pem"] # PEM bundles
crls = []                           # PEM or DER files
applications = "applications.toml"

[[upstream]]
name = "auth-server"
urls = ["http://127.0.0.1:3000"]    # http or https; several: balanced
host = "tenant.edge.example"        # Host sent upstream; absent: the domain's own name
ca = "certs/upstream-ca.pem"        # absent: the system's roots
headers = { cname-api-key = { file = "secrets/cname-api-key" } }  # or { env = "NAME" }; never logged

[[domain]]
name = "mtls.auth.example.com"
certificate = "certs/server.pem"
private_key = "certs/server.key"
client_auth = "required"            # required | optional | off
upstream = "auth-server"
header_profile = "auth0"

[[domain.route]]
path = "/oauth/token"               # exact; a trailing /* matches a subtree
methods = ["POST"]
authenticate = "client"             # client: the request's client_id must own the certificate
                                    # certificate: any registered certificate
                                    # none: forwarded without one (a browser's /authorize)

[[header_profile]]
name = "corp"
headers = { x-client-certificate = "pem-url", x-client-verified = "verdict" }
"#;

const APPLICATIONS: &str = r#"
[[application]]
client_id = "billing"
auth_method = "self_signed_tls_client_auth"
[[application.credential]]
name = "2026-q4"
thumbprint = "sha256 in hex, with or without colons, or base64url (x5t#S256)"
[[application.credential]]
name = "2027-q1"
certificate = "certs/billing-2027.pem"

[[application]]
client_id = "payments"
auth_method = "tls_client_auth"     # the names of OAuth's token_endpoint_auth_method registry; room for the others
[[application.credential]]
name = "prod"
subject_dn = "CN=payments,O=Example Bank,C=DE"
ca = "certs/corp-ca.pem"            # optional pin
"#;

#[test]
fn the_design_example_is_read_value_by_value() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("edge.toml"), EDGE).unwrap();
    fs::write(folder.join("applications.toml"), APPLICATIONS).unwrap();

    let Parsed { settings, problems, .. } = crate::config::settings(&folder.join("edge.toml").into());
    assert_eq!(render(&problems, false), NO_PROBLEM);
    // Destructured completely, so that a new field must be added here.
    let Settings {
        listen,
        admin,
        limits,
        log,
        trust,
        acme,
        upstreams,
        domains,
        token_issuers,
        header_profiles,
        traces,
        spans,
    } = settings.unwrap();
    assert!(acme.is_none());
    check_listen(&listen);
    assert!(admin.token.is_none() && admin.identity.is_none() && admin.client_ca.is_empty());
    check_default_limits(&limits);
    assert_eq!((log.format, log.level.as_str()), (LogFormat::Text, "info"));
    check_trust(&trust, folder);
    let [upstream] = upstreams.try_into().unwrap();
    check_upstream(&upstream, folder);
    let [domain] = domains.try_into().unwrap();
    check_domain(&domain, folder);
    let [CustomProfile { name, headers }] = header_profiles.try_into().unwrap();
    assert!(token_issuers.is_empty() && traces.is_none());
    assert_eq!(name.value, "corp");
    let lines = ["listen.https", "listen.admin", "listen.workers"].map(|key| spans[key].line());
    assert_eq!(lines, [3, 4, 2], "an absent key has the span of its table");
    let headers: Vec<_> = headers.iter().map(|(name, encoding)| (name.value.as_str(), *encoding)).collect();
    assert_eq!(
        headers,
        [
            ("x-client-certificate", Encoding::Certificate(CertificateEncoding::PemUrl)),
            ("x-client-verified", Encoding::Client(ClientEncoding::Verdict))
        ]
    );

    let (applications, problems) = all_applications(&trust.applications.value, &trust.applications.span);
    assert_eq!(render(&problems, false), NO_PROBLEM);
    let [billing, payments] = applications.unwrap().try_into().unwrap();
    check_billing(billing, folder);
    check_payments(payments, folder);
}

fn values<T: Clone>(spanned: &[Spanned<T>]) -> Vec<T> {
    spanned.iter().map(|spanned| spanned.value.clone()).collect()
}

fn check_listen(listen: &Listen) {
    let Listen { https, admin, health, admin_hosts, workers, trusted_proxies, clients, proxy_protocol } =
        listen;
    assert_eq!(*clients, ClientNetworks::default());
    assert!(admin_hosts.is_empty() && health.is_none());
    assert_eq!(values(https), ["0.0.0.0:8443".parse().unwrap()]);
    assert_eq!(admin.value, "127.0.0.1:9443".parse().ok());
    assert_eq!((*workers, trusted_proxies.as_slice(), *proxy_protocol), (None, &[][..], false));
}

fn check_default_limits(limits: &Limits) {
    let Limits {
        connections,
        connections_per_address,
        handshakes,
        handshakes_per_address,
        memory_bytes,
        requests_per_second_per_address,
        requests_per_second_per_application,
        request_burst,
        handshake_timeout,
        head_timeout,
        body_timeout,
        request_timeout,
        idle_timeout,
        drain_delay,
        drain_timeout,
        header_bytes,
        headers,
        body_bytes,
        client_id_body_bytes,
        buffered_bytes,
        http2_streams,
        assertion_ids,
    } = *limits;
    assert_eq!(assertion_ids, 1_000_000);
    assert_eq!(buffered_bytes, 256 * 1024 * 1024);
    assert_eq!((connections, headers, http2_streams), (10_000, 100, 100));
    assert_eq!(memory_bytes, None);
    assert_eq!((connections_per_address, handshakes, handshakes_per_address), (None, None, None));
    assert_eq!((requests_per_second_per_address, requests_per_second_per_application), (None, None));
    assert_eq!(request_burst, Duration::from_secs(10));
    assert_eq!((header_bytes, body_bytes, client_id_body_bytes), (32_768, 1_048_576, 65_536));
    let timeouts =
        [handshake_timeout, head_timeout, body_timeout, request_timeout, idle_timeout, drain_timeout];
    assert_eq!(drain_delay, Duration::ZERO);
    assert_eq!(timeouts, [10, 10, 30, 120, 60, 30].map(Duration::from_secs));
}

fn check_trust(trust: &settings::Trust, folder: &Path) {
    let settings::Trust {
        client_ca,
        crls,
        crl_sources,
        stale_crl,
        crl_depth,
        applications,
        unknown_applications,
    } = trust;
    assert_eq!(unknown_applications.value, UnknownApplications::Refuse);
    let [ca] = &client_ca[..] else { panic!("{client_ca:?}") };
    assert_eq!(ca.file.value, folder.join("certs/client-ca.pem"));
    assert_eq!(ca.eku, Purpose::Client);
    assert!(crls.is_empty() && crl_sources.is_empty());
    assert_eq!((*stale_crl, *crl_depth), (StaleCrl::Refuse, CrlDepth::Chain));
    assert_eq!(applications.value, folder.join("applications.toml"));
}

fn check_upstream(upstream: &Upstream, folder: &Path) {
    let Upstream {
        name,
        urls,
        host,
        ca,
        identity,
        server_name,
        headers,
        client_ip_header,
        forwarded,
        forwarded_for,
        limits: UpstreamLimits { connect_timeout, response_timeout, idle_timeout, connections },
        policy,
    } = upstream;
    assert_eq!(name.value, "auth-server");
    assert_eq!(
        (policy.balance, policy.eject_after, policy.health_check.is_none()),
        (Balance::LeastRequest, 5, true)
    );
    assert_eq!(policy.dns_refresh, Duration::from_secs(30));
    assert_eq!(values(urls), [Address::Network(Origin { tls: false, host: "127.0.0.1".into(), port: 3000 })]);
    assert_eq!(host.as_ref().unwrap().value, "tenant.edge.example");
    assert_eq!(ca.as_ref().unwrap().value, folder.join("certs/upstream-ca.pem"));
    let [(header, source)] = headers.as_slice() else { panic!("{headers:?}") };
    assert_eq!(header.value, "cname-api-key");
    assert_eq!(source.value, SecretSource::File(folder.join("secrets/cname-api-key")));
    assert_eq!((client_ip_header, *forwarded, *connections), (&None, false, 1024));
    assert!(forwarded_for.is_none() && server_name.is_none() && identity.is_none());
    let timeouts = [*connect_timeout, *response_timeout, *idle_timeout];
    assert_eq!(timeouts, [5, 30, 30].map(Duration::from_secs));
}

fn check_domain(domain: &Domain, folder: &Path) {
    let Domain {
        name,
        key_pairs,
        acme,
        tls:
            TlsSpec { client_auth, min_version, cipher_suites, key_exchange_groups, session_lifetime, ca_hints },
        ticket_keys,
        upstream,
        header_profile,
        routes,
        client_auth: place,
        issuer,
        audiences,
        security_profile,
    } = domain;
    assert_eq!(place.line(), 22);
    assert!(issuer.is_none() && audiences.is_empty() && security_profile.is_none());
    assert_eq!((*session_lifetime, ticket_keys, *ca_hints), (Duration::from_secs(3600), &None, true));
    assert_eq!(name.value, "mtls.auth.example.com");
    let [KeyPair { certificate, private_key, password: None }] = key_pairs.as_slice() else {
        panic!("{key_pairs:?}")
    };
    assert_eq!(certificate.value, folder.join("certs/server.pem"));
    assert_eq!((private_key.file().value.clone(), *acme), (folder.join("certs/server.key"), false));
    assert_eq!((*min_version, key_exchange_groups.len()), (MinVersion::Tls12, 0));
    assert_eq!((*client_auth, *cipher_suites), (ClientAuth::Required, CipherSuites::Default));
    assert_eq!((*upstream, header_profile.value.as_str()), (0, "auth0"));
    let [Route { spec: RouteSpec { path, methods, authenticate, signed_request, request_timeout }, .. }] =
        routes.as_slice()
    else {
        panic!("{routes:?}")
    };
    assert_eq!((*signed_request, *request_timeout), (SignedRequest::Off, None));
    assert_eq!(*path, PathPattern::Exact("/oauth/token".into()));
    assert_eq!((methods.as_slice(), *authenticate), (&[Method::POST][..], Authenticate::Client));
}

fn check_billing(application: Application, folder: &Path) {
    assert_eq!(
        (application.client_id.value.as_str(), application.auth_method.value),
        ("billing", AuthMethod::SelfSignedTls)
    );
    let [first, second] = application.credentials.try_into().unwrap();
    let Matcher::Thumbprint(thumbprint) = &first.matcher else { panic!("{first:?}") };
    assert_eq!(thumbprint.value, "sha256 in hex, with or without colons, or base64url (x5t#S256)");
    assert_eq!((first.name.value.as_str(), &first.ca), ("2026-q4", &None));
    let Matcher::Certificate(file) = &second.matcher else { panic!("{second:?}") };
    assert_eq!(file.value, folder.join("certs/billing-2027.pem"));
    assert_eq!((second.name.value.as_str(), &second.ca), ("2027-q1", &None));
}

fn check_payments(application: Application, folder: &Path) {
    assert_eq!(
        (application.client_id.value.as_str(), application.auth_method.value),
        ("payments", AuthMethod::PkiTls)
    );
    let [Credential { name, matcher, ca, expires_at }] = application.credentials.try_into().unwrap();
    assert_eq!((name.value.as_str(), expires_at), ("prod", None));
    let Matcher::SubjectDn(dn) = &matcher else { panic!("{matcher:?}") };
    assert_eq!(dn.value, "CN=payments,O=Example Bank,C=DE");
    assert_eq!(ca.unwrap().value, folder.join("certs/corp-ca.pem"));
}
