//! The tables of `applications.toml`.

use super::key::{Form, TableSchema, address, hidden, key};

const METHODS: &[&str] = &[
    "self_signed_tls_client_auth",
    "tls_client_auth",
    "private_key_jwt",
    "client_secret_basic",
    "client_secret_post",
    "none",
];

const ALGORITHMS: &[&str] = &["RS256", "RS384", "PS256", "ES256", "EdDSA"];

/// `applications.toml` itself.
pub(in crate::config) const REGISTRY: &TableSchema = &TableSchema {
    path: "",
    heading: "the file",
    keys: &[key("application", "").form(Form::Tables(APPLICATION))],
};

/// `[[application]]`.
pub(in crate::config) const APPLICATION: &TableSchema = &TableSchema {
    path: "application",
    heading: "[[application]]",
    keys: &[
        key("client_id", r#""billing""#),
        key("auth_method", r#""self_signed_tls_client_auth""#).choice(METHODS),
        address("jwks_uri", r#"{ url = "https://reports.example/jwks.json", file = "state/reports.json" }"#)
            .form(Form::Table(JWKS_URI)),
        key("certificate_bound", "true"),
        key("requests_per_second", "50"),
        key("require_signed_request", "true"),
        key("require_pushed_request", "true"),
        key("strict_request_objects", "true"),
        key("credential", "").form(Form::Tables(CREDENTIAL)),
        key("certificate", "").form(Form::Tables(CERTIFICATE)),
        key("request_key", "").form(Form::Tables(REQUEST_KEY)),
        key("upstream_credential", ""),
    ],
};

/// `[[application.credential]]`.
pub(in crate::config) const CREDENTIAL: &TableSchema = &TableSchema {
    path: "application.credential",
    heading: "[[application.credential]]",
    keys: &[
        key("name", r#""2026-q4""#),
        key("thumbprint", r#""Gsvs7xJ0kKfyGyNwAkhx7hDQW6WJGfPwJfoSgpm4wOI""#),
        key("certificate", r#""certs/billing.pem""#),
        key("public_key", r#""keys/reports.pem""#),
        key("subject_dn", r#""CN=payments,O=Example Bank,C=DE""#),
        key("san_dns", r#""payments.example.com""#),
        key("san_uri", r#""urn:example:payments""#),
        key("san_ip", r#""192.0.2.10""#),
        key("san_email", r#""payments@example.com""#),
        key("ca", r#""certs/corp-ca.pem""#),
        key("alg", r#""PS256""#).choice(ALGORITHMS),
        key("kid", r#""2026""#),
        hidden("secret_sha256", r#""9c1185a5c5e9fc54612808977ee8f548b2258d31e3a6d2a1f2d3ac7bd5e6dfd1""#),
        key("expires_at", "2099-06-30T00:00:00Z"),
    ],
};

/// `[[application.certificate]]`.
pub(in crate::config) const CERTIFICATE: &TableSchema = &TableSchema {
    path: "application.certificate",
    heading: "[[application.certificate]]",
    keys: &[
        key("name", r#""2026-q4""#),
        key("thumbprint", r#""Gsvs7xJ0kKfyGyNwAkhx7hDQW6WJGfPwJfoSgpm4wOI""#),
        key("certificate", r#""certs/billing.pem""#),
        key("public_key", r#""keys/reports.pem""#),
        key("subject_dn", r#""CN=payments,O=Example Bank,C=DE""#),
        key("san_dns", r#""payments.example.com""#),
        key("san_uri", r#""urn:example:payments""#),
        key("san_ip", r#""192.0.2.10""#),
        key("san_email", r#""payments@example.com""#),
        key("ca", r#""certs/corp-ca.pem""#),
        key("expires_at", "2099-06-30T00:00:00Z"),
    ],
};

/// `[[application.request_key]]`.
pub(in crate::config) const REQUEST_KEY: &TableSchema = &TableSchema {
    path: "application.request_key",
    heading: "[[application.request_key]]",
    keys: &[
        key("name", r#""jar""#),
        key("public_key", r#""keys/reports-jar.jwk""#),
        key("alg", r#""PS256""#).choice(ALGORITHMS),
        key("kid", r#""2026""#),
        key("expires_at", "2099-06-30T00:00:00Z"),
    ],
};

/// The key set of an application.
pub(in crate::config) const JWKS_URI: &TableSchema = &TableSchema {
    path: "application.jwks_uri",
    heading: "a key set",
    keys: &[
        address("url", r#""https://reports.example/jwks.json""#),
        address("file", r#""state/reports.json""#),
        key("refresh", r#""1h""#),
        key("timeout", r#""10s""#),
        address("ca", r#""certs/reports-ca.pem""#),
    ],
};
