//! Every table and key of the two files, each with an example and with what messages may show of its value.

mod applications;
mod descriptions;
mod document;
mod edge;
mod key;

pub use self::document::{applications_schema, edge_schema};
pub(super) use self::{
    applications::{APPLICATION, CERTIFICATE, CREDENTIAL, JWKS_URI, REGISTRY, REQUEST_KEY},
    edge::{
        ACME, ADMIN, ADMIN_TOKEN, CLIENT_CA, CRL_SOURCE, DOMAIN, EAB_KEY, EDGE, HEADER_PROFILE, HEALTH_CHECK,
        INCLUDED, INTROSPECTION, INTROSPECTION_SECRET, LIMITS, LISTEN, LOG, ROUTE, SECRET, TOKEN_ISSUER,
        TOKEN_ISSUER_JWKS, TRACES, TRACES_SECRET, TRUST, UPSTREAM,
    },
    key::{Key, Shown, TableSchema, bare},
};

#[cfg(test)]
pub(super) use self::{
    edge::{ADMIN_PASSWORD, DOMAIN_PASSWORD, UPSTREAM_PASSWORD},
    key::Form,
};

/// The table with this path.
pub(super) fn table_of(path: &str) -> Option<&'static TableSchema> {
    TABLES.iter().copied().find(|kind| kind.path == path)
}

/// All tables in which an operator may look for a key.
pub(super) const TABLES: &[&TableSchema] = &[
    LISTEN,
    ADMIN,
    LIMITS,
    LOG,
    TRUST,
    TRACES,
    ACME,
    CLIENT_CA,
    CRL_SOURCE,
    UPSTREAM,
    DOMAIN,
    ROUTE,
    HEADER_PROFILE,
    TOKEN_ISSUER,
    TOKEN_ISSUER_JWKS,
    HEALTH_CHECK,
    INTROSPECTION,
    APPLICATION,
    CREDENTIAL,
    CERTIFICATE,
    REQUEST_KEY,
    JWKS_URI,
];

/// Names of keys in other standards and programs (the metadata of RFC 7591, RFC 8705 and RFC 9101, the members of a JWK, the output
/// of tools), with our names.
pub(super) const SYNONYMS: [(&str, &str); 48] = [
    ("x5t#S256", "thumbprint"),
    ("x5t", "thumbprint"),
    ("fingerprint", "thumbprint"),
    ("sha256", "thumbprint"),
    ("sha256_fingerprint", "thumbprint"),
    ("jwk", "public_key"),
    ("jwks", "public_key"),
    ("publicKey", "public_key"),
    ("spki", "public_key"),
    ("x5c", "certificate"),
    ("crt", "certificate"),
    ("cert_file", "certificate"),
    ("cert", "certificate"),
    ("pem", "certificate"),
    ("subject", "subject_dn"),
    ("dn", "subject_dn"),
    ("tls_client_auth_subject_dn", "subject_dn"),
    ("tls_client_auth_san_dns", "san_dns"),
    ("tls_client_auth_san_uri", "san_uri"),
    ("tls_client_auth_san_ip", "san_ip"),
    ("tls_client_auth_san_email", "san_email"),
    ("token_endpoint_auth_method", "auth_method"),
    ("token_endpoint_auth_signing_alg", "alg"),
    ("request_object_signing_alg", "alg"),
    ("algorithm", "alg"),
    ("key_id", "kid"),
    ("client_secret", "secret_sha256"),
    ("secret", "secret_sha256"),
    ("secret_hash", "secret_sha256"),
    ("client_secret_expires_at", "expires_at"),
    ("expires", "expires_at"),
    ("exp", "expires_at"),
    ("not_after", "expires_at"),
    ("tls_client_certificate_bound_access_tokens", "certificate_bound"),
    ("require_signed_request_object", "require_signed_request"),
    ("require_pushed_authorization_requests", "require_pushed_request"),
    ("clientId", "client_id"),
    ("iss", "issuer"),
    ("aud", "audience"),
    ("aud", "audiences"),
    ("audience", "audiences"),
    ("jwks_uri", "jwks"),
    ("introspection_endpoint", "introspection"),
    ("key", "private_key"),
    ("key", "public_key"),
    ("key_password", "private_key_password"),
    ("passphrase", "private_key_password"),
    ("url", "urls"),
];
