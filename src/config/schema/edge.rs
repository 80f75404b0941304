//! The tables of `edge.toml`.

use super::key::{Form, TableSchema, address, encodings, key, reference, references};

/// `edge.toml` itself.
pub(in crate::config) const EDGE: &TableSchema = &TableSchema {
    path: "",
    heading: "the file",
    keys: &[
        key("include", r#""edge.d""#).form(Form::TextOrTexts),
        key("listen", "").form(Form::Table(LISTEN)),
        key("admin", "").form(Form::Table(ADMIN)),
        key("limits", "").form(Form::Table(LIMITS)),
        key("log", "").form(Form::Table(LOG)),
        key("trust", "").form(Form::Table(TRUST)),
        key("traces", "").form(Form::Table(TRACES)),
        key("acme", "").form(Form::Table(ACME)),
        key("upstream", "").form(Form::Tables(UPSTREAM)),
        key("domain", "").form(Form::Tables(DOMAIN)),
        key("header_profile", "").form(Form::Tables(HEADER_PROFILE)),
        key("token_issuer", "").form(Form::Tables(TOKEN_ISSUER)),
    ],
};

/// A file that `edge.toml` includes: the tables of which there can be several.
pub(in crate::config) const INCLUDED: &TableSchema = &TableSchema {
    path: "",
    heading: "an included file",
    keys: &[
        key("upstream", "").form(Form::Tables(UPSTREAM)),
        key("domain", "").form(Form::Tables(DOMAIN)),
        key("header_profile", "").form(Form::Tables(HEADER_PROFILE)),
        key("token_issuer", "").form(Form::Tables(TOKEN_ISSUER)),
    ],
};

/// `[listen]`.
pub(in crate::config) const LISTEN: &TableSchema = &TableSchema {
    path: "listen",
    heading: "[listen]",
    keys: &[
        key("https", r#"["0.0.0.0:8443"]"#),
        key("admin", r#""127.0.0.1:9443""#),
        key("health", r#""0.0.0.0:9080""#),
        key("admin_hosts", r#"["edge.internal"]"#),
        key("workers", "4"),
        key("trusted_proxies", r#"["10.0.0.0/8"]"#),
        key("proxy_protocol", "true"),
        key("allow", r#"["203.0.113.0/24"]"#),
        key("deny", r#"["198.51.100.7"]"#),
    ],
};

/// `[admin]`.
pub(in crate::config) const ADMIN: &TableSchema = &TableSchema {
    path: "admin",
    heading: "[admin]",
    keys: &[
        reference("token", r#"{ file = "secrets/admin" }"#).form(Form::Table(ADMIN_TOKEN)),
        key("certificate", r#""certs/admin.pem""#),
        key("private_key", r#""certs/admin.key""#),
        reference("private_key_password", r#"{ file = "secrets/admin.pass" }"#)
            .form(Form::Table(ADMIN_PASSWORD)),
        key("client_ca", r#"["certs/operators-ca.pem"]"#),
    ],
};

/// The token of the admin address.
pub(in crate::config) const ADMIN_TOKEN: &TableSchema = &TableSchema {
    path: "admin.token",
    heading: "a secret's reference",
    keys: &[key("file", r#""secrets/admin""#), key("env", r#""ADMIN_TOKEN""#)],
};

/// The password of the private key in `[admin]`.
pub(in crate::config) const ADMIN_PASSWORD: &TableSchema = &TableSchema {
    path: "admin.private_key_password",
    heading: "a secret's reference",
    keys: &[key("file", r#""secrets/admin.pass""#), key("env", r#""ADMIN_KEY_PASSWORD""#)],
};

/// `[limits]`.
pub(in crate::config) const LIMITS: &TableSchema = &TableSchema {
    path: "limits",
    heading: "[limits]",
    keys: &[
        key("connections", "10000"),
        key("connections_per_address", "1000"),
        key("handshakes", "5000"),
        key("handshakes_per_address", "500"),
        key("memory_bytes", "943718400"),
        key("requests_per_second_per_address", "100"),
        key("requests_per_second_per_application", "50"),
        key("request_burst", r#""10s""#),
        key("handshake_timeout", r#""10s""#),
        key("head_timeout", r#""10s""#),
        key("body_timeout", r#""30s""#),
        key("request_timeout", r#""120s""#),
        key("idle_timeout", r#""60s""#),
        key("drain_delay", r#""10s""#),
        key("drain_timeout", r#""30s""#),
        key("header_bytes", "32768"),
        key("headers", "100"),
        key("body_bytes", "1048576"),
        key("client_id_body_bytes", "65536"),
        key("buffered_bytes", "268435456"),
        key("http2_streams", "100"),
        key("assertion_ids", "1000000"),
    ],
};

/// `[log]`.
pub(in crate::config) const LOG: &TableSchema = &TableSchema {
    path: "log",
    heading: "[log]",
    keys: &[
        key("format", r#""json""#).choice(&["text", "json"]),
        key("access_format", r#""common""#),
        key("level", r#""info""#),
        key("file", r#""/var/log/mtls-edge/edge.log""#),
        key("to", r#""both""#).choice(&["stderr", "file", "both"]),
        key("successes", "0.1"),
    ],
};

/// `[trust]`.
pub(in crate::config) const TRUST: &TableSchema = &TableSchema {
    path: "trust",
    heading: "[trust]",
    keys: &[
        key("client_ca", r#"["certs/client-ca.pem"]"#).form(Form::TextsOrTables(CLIENT_CA)),
        key("crls", r#"["certs/client-ca.crl"]"#).form(Form::TextsOrTables(CRL_SOURCE)),
        key("stale_crl", r#""refuse""#).choice(&["refuse", "report"]),
        key("crl_depth", r#""chain""#).choice(&["chain", "leaf"]),
        key("applications", r#""applications.toml""#),
        key("unknown_applications", r#""refuse""#).choice(&["refuse", "forward"]),
    ],
};

/// `[traces]`.
pub(in crate::config) const TRACES: &TableSchema = &TableSchema {
    path: "traces",
    heading: "[traces]",
    keys: &[
        address("endpoint", r#""http://127.0.0.1:4318""#),
        key("sample", "0.01"),
        key("service", r#""mtls-edge""#),
        key("resource", r#"{ "deployment.environment.name" = "production" }"#).form(Form::TextByName),
        references("headers", r#"{ authorization = { file = "secrets/collector" } }"#)
            .form(Form::TableByName(TRACES_SECRET)),
        address("ca", r#""certs/collector-ca.pem""#),
        key("interval", r#""5s""#),
        key("timeout", r#""10s""#),
    ],
};

/// A header's value in `[traces] headers`.
pub(in crate::config) const TRACES_SECRET: &TableSchema = &TableSchema {
    path: "traces.headers",
    heading: "a secret's reference",
    keys: &[key("file", r#""secrets/collector""#), key("env", r#""COLLECTOR_AUTHORIZATION""#)],
};

/// A client CA and its purpose, in `[trust] client_ca`.
pub(in crate::config) const CLIENT_CA: &TableSchema = &TableSchema {
    path: "trust.client_ca",
    heading: "a client CA",
    keys: &[
        key("file", r#""certs/psd2.pem""#),
        key("eku", r#""client-or-server""#).choice(&["client", "client-or-server", "any"]),
    ],
};

/// A CRL that is fetched, in `[trust] crls`.
pub(in crate::config) const CRL_SOURCE: &TableSchema = &TableSchema {
    path: "trust.crls",
    heading: "a CRL source",
    keys: &[
        address("url", r#""http://crl.example.com/corp.crl""#),
        address("file", r#""state/corp.crl""#),
        key("refresh", r#""1h""#),
        key("timeout", r#""10s""#),
        address("ca", r#""certs/crl-server-ca.pem""#),
        address("issuer", r#""certs/issuing-ca.pem""#),
    ],
};

/// `[acme]`.
pub(in crate::config) const ACME: &TableSchema = &TableSchema {
    path: "acme",
    heading: "[acme]",
    keys: &[
        address("directory", r#""https://acme-v02.api.letsencrypt.org/directory""#),
        key("terms_of_service_agreed", "true"),
        key("contact", r#"["mailto:ops@example.com"]"#),
        key("state", r#""state/acme""#),
        key("profile", r#""shortlived""#),
        address("ca", r#""certs/acme-server-ca.pem""#),
        key("eab_key_id", r#""kid-1""#),
        reference("eab_key", r#"{ file = "secrets/eab" }"#).form(Form::Table(EAB_KEY)),
    ],
};

/// The key of `[acme] eab_key_id`.
pub(in crate::config) const EAB_KEY: &TableSchema = &TableSchema {
    path: "acme.eab_key",
    heading: "a secret's reference",
    keys: &[key("file", r#""secrets/eab""#), key("env", r#""EAB_KEY""#)],
};

/// `[[upstream]]`.
pub(in crate::config) const UPSTREAM: &TableSchema = &TableSchema {
    path: "upstream",
    heading: "[[upstream]]",
    keys: &[
        address("name", r#""auth-server""#),
        address("urls", r#"["https://auth.internal.example:8443"]"#),
        address("host", r#""tenant.edge.example""#),
        address("ca", r#""certs/upstream-ca.pem""#),
        address("server_name", r#""auth.internal.example""#),
        address("client_certificate", r#""certs/edge.pem""#),
        address("private_key", r#""certs/edge.key""#),
        reference("private_key_password", r#"{ file = "secrets/edge.pass" }"#)
            .form(Form::Table(UPSTREAM_PASSWORD)),
        references("headers", r#"{ cname-api-key = { file = "secrets/cname-api-key" } }"#)
            .form(Form::TableByName(SECRET)),
        address("client_ip_header", r#""true-client-ip""#),
        key("forwarded", "true"),
        key("forwarded_for", r#""list""#).choice(&["client", "list"]),
        key("connect_timeout", r#""5s""#),
        key("response_timeout", r#""30s""#),
        key("idle_timeout", r#""30s""#),
        key("connections", "1024"),
        key("balance", r#""round-robin""#).choice(&["least-request", "round-robin"]),
        key("eject_after", "5"),
        key("dns_refresh", r#""30s""#),
        address("health_check", r#"{ path = "/health" }"#).form(Form::Table(HEALTH_CHECK)),
    ],
};

/// `[[upstream]] health_check`.
pub(in crate::config) const HEALTH_CHECK: &TableSchema = &TableSchema {
    path: "upstream.health_check",
    heading: "a health check",
    keys: &[
        address("path", r#""/health""#),
        key("interval", r#""5s""#),
        key("timeout", r#""2s""#),
        key("expect", "200"),
    ],
};

/// A header's value in `[[upstream]] headers`.
pub(in crate::config) const SECRET: &TableSchema = &TableSchema {
    path: "upstream.headers",
    heading: "a secret's reference",
    keys: &[key("file", r#""secrets/cname-api-key""#), key("env", r#""CNAME_API_KEY""#)],
};

/// The password of the private key in `[[upstream]]`.
pub(in crate::config) const UPSTREAM_PASSWORD: &TableSchema = &TableSchema {
    path: "upstream.private_key_password",
    heading: "a secret's reference",
    keys: &[key("file", r#""secrets/edge.pass""#), key("env", r#""EDGE_KEY_PASSWORD""#)],
};

/// `[[domain]]`.
pub(in crate::config) const DOMAIN: &TableSchema = &TableSchema {
    path: "domain",
    heading: "[[domain]]",
    keys: &[
        key("name", r#""mtls.auth.example.com""#),
        key("certificate", r#""certs/server.pem""#).form(Form::TextOrTexts),
        key("private_key", r#""certs/server.key""#).form(Form::TextOrTexts),
        reference("private_key_password", r#"{ file = "secrets/server.pass" }"#)
            .form(Form::Table(DOMAIN_PASSWORD)),
        key("acme", "true"),
        key("client_auth", r#""required""#).choice(&["required", "optional", "off"]),
        key("min_tls_version", r#""1.3""#).choice(&["1.2", "1.3"]),
        key("cipher_suites", r#""default""#).choice(&["default", "fapi"]),
        key("key_exchange_groups", r#"["X25519MLKEM768", "X25519"]"#).form(Form::Choices(&[
            "X25519MLKEM768",
            "X25519",
            "x25519",
            "secp256r1",
            "secp384r1",
        ])),
        key("session_lifetime", r#""1h""#),
        key("ticket_keys", r#""secrets/tickets.keys""#),
        key("ca_hints", "false"),
        key("upstream", r#""auth-server""#),
        key("header_profile", r#""auth0""#),
        address("issuer", r#""https://auth.example.com/""#),
        address("audiences", r#"["https://auth.example.com/oauth/token"]"#),
        key("profile", r#""fapi2""#).choice(&["fapi2"]),
        key("route", "").form(Form::Tables(ROUTE)),
    ],
};

/// The password of the private key in `[[domain]]`.
pub(in crate::config) const DOMAIN_PASSWORD: &TableSchema = &TableSchema {
    path: "domain.private_key_password",
    heading: "a secret's reference",
    keys: &[key("file", r#""secrets/server.pass""#), key("env", r#""SERVER_KEY_PASSWORD""#)],
};

/// `[[domain.route]]`.
pub(in crate::config) const ROUTE: &TableSchema = &TableSchema {
    path: "domain.route",
    heading: "[[domain.route]]",
    keys: &[
        key("path", r#""/oauth/token""#),
        key("methods", r#"["POST"]"#),
        key("authenticate", r#""client""#).choice(&["client", "certificate", "token", "none"]),
        key("signed_request", r#""verify""#).choice(&["off", "verify", "require"]),
        key("request_timeout", r#""0s""#),
        key("token_issuer", r#""as""#),
        key("allow_unbound", "false"),
    ],
};

/// `[[header_profile]]`.
pub(in crate::config) const HEADER_PROFILE: &TableSchema = &TableSchema {
    path: "header_profile",
    heading: "[[header_profile]]",
    keys: &[
        key("name", r#""corp""#),
        encodings("headers", r#"{ x-client-certificate = "pem-url", x-client-verified = "verdict" }"#)
            .form(Form::EncodingByName),
    ],
};

/// `[[token_issuer]]`.
pub(in crate::config) const TOKEN_ISSUER: &TableSchema = &TableSchema {
    path: "token_issuer",
    heading: "[[token_issuer]]",
    keys: &[
        key("name", r#""as""#),
        address("issuer", r#""https://auth.example.com/""#),
        address("audience", r#"["https://api.example.com"]"#),
        key("typ", r#""at+jwt""#).choice(&["at+jwt", "jwt"]),
        address("jwks", r#"{ url = "https://auth.example.com/jwks", file = "state/jwks.json" }"#).form(Form::Table(TOKEN_ISSUER_JWKS)),
        address(
            "introspection",
            r#"{ url = "https://auth.example.com/introspect", client_id = "edge", secret = { file = "secrets/introspection" } }"#,
        ).form(Form::Table(INTROSPECTION)),
    ],
};

/// The key set of a token issuer.
pub(in crate::config) const TOKEN_ISSUER_JWKS: &TableSchema = &TableSchema {
    path: "token_issuer.jwks",
    heading: "a key set",
    keys: &[
        address("url", r#""https://auth.example.com/jwks""#),
        address("file", r#""state/jwks.json""#),
        key("refresh", r#""1h""#),
        key("timeout", r#""10s""#),
        address("ca", r#""certs/auth-server-ca.pem""#),
    ],
};

/// The introspection endpoint of a token issuer.
pub(in crate::config) const INTROSPECTION: &TableSchema = &TableSchema {
    path: "token_issuer.introspection",
    heading: "an introspection endpoint",
    keys: &[
        address("url", r#""https://auth.example.com/introspect""#),
        key("client_id", r#""edge""#),
        reference("secret", r#"{ file = "secrets/introspection" }"#).form(Form::Table(INTROSPECTION_SECRET)),
        key("timeout", r#""5s""#),
        address("ca", r#""certs/auth-server-ca.pem""#),
    ],
};

/// The secret of an introspection endpoint.
pub(in crate::config) const INTROSPECTION_SECRET: &TableSchema = &TableSchema {
    path: "token_issuer.introspection.secret",
    heading: "a secret's reference",
    keys: &[key("file", r#""secrets/introspection""#), key("env", r#""INTROSPECTION_SECRET""#)],
};
