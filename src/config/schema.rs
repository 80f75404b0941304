//! Every table and key of the two files, each with an example: for messages, and to tell an operator
//! to which table a misplaced key belongs.

use super::suggest::quote;

/// A kind of table.
#[derive(Debug)]
pub(super) struct TableSchema {
    /// The key's prefix in messages, as `domain.route`; empty for a whole file.
    pub(super) path: &'static str,
    /// How the table is opened, as `[[domain.route]]`.
    pub(super) heading: &'static str,
    /// Each key with an example of its value.
    pub(super) keys: &'static [(&'static str, &'static str)],
}

impl TableSchema {
    /// The names of the keys.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|(name, _)| *name)
    }

    /// A key's whole path, as `domain.client_auth`.
    pub(super) fn path_of(&self, key: &str) -> String {
        match self.path {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }

    /// The example of a key.
    pub(super) fn example(&self, key: &str) -> &'static str {
        self.keys.iter().find(|(name, _)| *name == key).map_or("", |(_, example)| *example)
    }
}

/// A key as TOML writes it: bare if possible, else in quotes.
pub(super) fn bare(key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if plain { key.to_owned() } else { quote(key) }
}

/// `edge.toml` itself.
pub(super) const EDGE: &TableSchema = &TableSchema {
    path: "",
    heading: "the file",
    keys: &[
        ("listen", ""),
        ("limits", ""),
        ("log", ""),
        ("trust", ""),
        ("upstream", ""),
        ("domain", ""),
        ("header_profile", ""),
    ],
};

/// `[listen]`.
pub(super) const LISTEN: &TableSchema = &TableSchema {
    path: "listen",
    heading: "[listen]",
    keys: &[
        ("https", r#"["0.0.0.0:8443"]"#),
        ("admin", r#""127.0.0.1:9443""#),
        ("admin_hosts", r#"["edge.internal"]"#),
        ("workers", "4"),
        ("trusted_proxies", r#"["10.0.0.0/8"]"#),
        ("proxy_protocol", "true"),
    ],
};

/// `[limits]`.
pub(super) const LIMITS: &TableSchema = &TableSchema {
    path: "limits",
    heading: "[limits]",
    keys: &[
        ("connections", "10000"),
        ("connections_per_address", "1000"),
        ("handshake_timeout", r#""10s""#),
        ("head_timeout", r#""10s""#),
        ("body_timeout", r#""30s""#),
        ("idle_timeout", r#""60s""#),
        ("drain_timeout", r#""30s""#),
        ("header_bytes", "32768"),
        ("headers", "100"),
        ("body_bytes", "1048576"),
        ("client_id_body_bytes", "65536"),
        ("buffered_bytes", "268435456"),
        ("http2_streams", "100"),
    ],
};

/// `[log]`.
pub(super) const LOG: &TableSchema =
    &TableSchema { path: "log", heading: "[log]", keys: &[("format", r#""json""#), ("level", r#""info""#)] };

/// `[trust]`.
pub(super) const TRUST: &TableSchema = &TableSchema {
    path: "trust",
    heading: "[trust]",
    keys: &[
        ("client_ca", r#"["certs/client-ca.pem"]"#),
        ("crls", r#"["certs/client-ca.crl"]"#),
        ("stale_crl", r#""refuse""#),
        ("crl_depth", r#""chain""#),
        ("applications", r#""applications.toml""#),
    ],
};

/// Client CAs with what they are trusted for, in `[trust] client_ca`.
pub(super) const CLIENT_CA: &TableSchema = &TableSchema {
    path: "trust.client_ca",
    heading: "a client CA",
    keys: &[("file", r#""certs/psd2.pem""#), ("eku", r#""client-or-server""#)],
};

/// A CRL that is fetched, in `[trust] crls`.
pub(super) const CRL_SOURCE: &TableSchema = &TableSchema {
    path: "trust.crls",
    heading: "a CRL source",
    keys: &[
        ("url", r#""http://crl.example.com/corp.crl""#),
        ("file", r#""state/corp.crl""#),
        ("refresh", r#""1h""#),
        ("timeout", r#""10s""#),
        ("ca", r#""certs/crl-server-ca.pem""#),
        ("issuer", r#""certs/issuing-ca.pem""#),
    ],
};

/// `[[upstream]]`.
pub(super) const UPSTREAM: &TableSchema = &TableSchema {
    path: "upstream",
    heading: "[[upstream]]",
    keys: &[
        ("name", r#""auth-server""#),
        ("urls", r#"["https://auth.internal.example:8443"]"#),
        ("host", r#""tenant.edge.example""#),
        ("ca", r#""certs/upstream-ca.pem""#),
        ("server_name", r#""auth.internal.example""#),
        ("headers", r#"{ cname-api-key = { file = "secrets/cname-api-key" } }"#),
        ("client_ip_header", r#""true-client-ip""#),
        ("forwarded", "true"),
        ("forwarded_for", r#""list""#),
        ("connect_timeout", r#""5s""#),
        ("response_timeout", r#""30s""#),
        ("idle_timeout", r#""30s""#),
        ("connections", "1024"),
    ],
};

/// A header's value in `[[upstream]] headers`.
pub(super) const SECRET: &TableSchema = &TableSchema {
    path: "upstream.headers",
    heading: "a secret's reference",
    keys: &[("file", r#""secrets/cname-api-key""#), ("env", r#""CNAME_API_KEY""#)],
};

/// `[[domain]]`.
pub(super) const DOMAIN: &TableSchema = &TableSchema {
    path: "domain",
    heading: "[[domain]]",
    keys: &[
        ("name", r#""mtls.auth.example.com""#),
        ("certificate", r#""certs/server.pem""#),
        ("private_key", r#""certs/server.key""#),
        ("client_auth", r#""required""#),
        ("cipher_suites", r#""default""#),
        ("session_lifetime", r#""1h""#),
        ("ticket_keys", r#""secrets/tickets.keys""#),
        ("ca_hints", "false"),
        ("upstream", r#""auth-server""#),
        ("header_profile", r#""auth0""#),
        ("route", ""),
    ],
};

/// `[[domain.route]]`.
pub(super) const ROUTE: &TableSchema = &TableSchema {
    path: "domain.route",
    heading: "[[domain.route]]",
    keys: &[("path", r#""/oauth/token""#), ("methods", r#"["POST"]"#), ("authenticate", r#""client""#)],
};

/// `[[header_profile]]`.
pub(super) const HEADER_PROFILE: &TableSchema = &TableSchema {
    path: "header_profile",
    heading: "[[header_profile]]",
    keys: &[
        ("name", r#""corp""#),
        ("headers", r#"{ x-client-certificate = "pem-url", x-client-verified = "verdict" }"#),
    ],
};

/// `applications.toml` itself.
pub(super) const REGISTRY: &TableSchema =
    &TableSchema { path: "", heading: "the file", keys: &[("application", "")] };

/// `[[application]]`.
pub(super) const APPLICATION: &TableSchema = &TableSchema {
    path: "application",
    heading: "[[application]]",
    keys: &[
        ("client_id", r#""billing""#),
        ("auth_method", r#""self_signed_tls_client_auth""#),
        ("credential", ""),
    ],
};

/// `[[application.credential]]`.
pub(super) const CREDENTIAL: &TableSchema = &TableSchema {
    path: "application.credential",
    heading: "[[application.credential]]",
    keys: &[
        ("name", r#""2026-q4""#),
        ("thumbprint", r#""Gsvs7xJ0kKfyGyNwAkhx7hDQW6WJGfPwJfoSgpm4wOI""#),
        ("certificate", r#""certs/billing.pem""#),
        ("subject_dn", r#""CN=payments,O=Example Bank,C=DE""#),
        ("san_dns", r#""payments.example.com""#),
        ("san_uri", r#""urn:example:payments""#),
        ("san_ip", r#""192.0.2.10""#),
        ("san_email", r#""payments@example.com""#),
        ("ca", r#""certs/corp-ca.pem""#),
    ],
};

/// All tables in which an operator may look for a key.
pub(super) const TABLES: &[&TableSchema] = &[
    LISTEN,
    LIMITS,
    LOG,
    TRUST,
    CLIENT_CA,
    CRL_SOURCE,
    UPSTREAM,
    DOMAIN,
    ROUTE,
    HEADER_PROFILE,
    APPLICATION,
    CREDENTIAL,
];

/// Keys by the names that other standards and programs have for them: the metadata of RFC 7591 and RFC 8705, the members of a
/// JWK, what tools print.
pub(super) const SYNONYMS: [(&str, &str); 27] = [
    ("x5t#S256", "thumbprint"),
    ("x5t", "thumbprint"),
    ("fingerprint", "thumbprint"),
    ("sha256", "thumbprint"),
    ("sha256_fingerprint", "thumbprint"),
    ("jwk", "thumbprint"),
    ("public_key", "thumbprint"),
    ("publicKey", "thumbprint"),
    ("x5c", "certificate"),
    ("crt", "certificate"),
    ("cert_file", "certificate"),
    ("cert", "certificate"),
    ("pem", "certificate"),
    ("spki", "thumbprint"),
    ("jwks", "thumbprint"),
    ("jwks_uri", "thumbprint"),
    ("subject", "subject_dn"),
    ("dn", "subject_dn"),
    ("tls_client_auth_subject_dn", "subject_dn"),
    ("tls_client_auth_san_dns", "san_dns"),
    ("tls_client_auth_san_uri", "san_uri"),
    ("tls_client_auth_san_ip", "san_ip"),
    ("tls_client_auth_san_email", "san_email"),
    ("token_endpoint_auth_method", "auth_method"),
    ("clientId", "client_id"),
    ("key", "private_key"),
    ("url", "urls"),
];
