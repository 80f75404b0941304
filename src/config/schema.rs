//! Every table and key of the two files, each with an example and with what messages may show of its value.

use super::suggest::quote;

/// A kind of table.
#[derive(Debug)]
pub(super) struct TableSchema {
    /// The prefix of its keys in messages, such as `domain.route`; empty for a whole file.
    pub(super) path: &'static str,
    /// How the table is opened, such as `[[domain.route]]`.
    pub(super) heading: &'static str,
    /// Its keys.
    pub(super) keys: &'static [Key],
}

/// A key of a table.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    /// A valid value; empty for a table.
    pub(super) example: &'static str,
    pub(super) shown: Shown,
}

/// What messages may show of a key's value. Values of other keys than those of the schema are never shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// The value; of a table, what its own schema allows.
    Value,
    /// The value, unless it is a URL with user information or a query, which may be secrets.
    Address,
    /// References to secrets, such as `{ file = "secrets/key" }`, and nothing else.
    References,
    /// The values of a table, not its keys: some servers treat a header's name as a secret.
    Encodings,
}

const fn key(name: &'static str, example: &'static str) -> Key {
    Key { name, example, shown: Shown::Value }
}

const fn address(name: &'static str, example: &'static str) -> Key {
    Key { name, example, shown: Shown::Address }
}

const fn references(name: &'static str, example: &'static str) -> Key {
    Key { name, example, shown: Shown::References }
}

const fn encodings(name: &'static str, example: &'static str) -> Key {
    Key { name, example, shown: Shown::Encodings }
}

impl TableSchema {
    /// The names of the keys.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name)
    }

    /// A key of this table.
    pub(super) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// A key's whole path, such as `domain.client_auth`.
    pub(super) fn path_of(&self, key: &str) -> String {
        match self.path {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }

    /// The example of a key.
    pub(super) fn example(&self, key: &str) -> &'static str {
        self.key(key).map_or("", |key| key.example)
    }
}

/// A key as TOML writes it: bare if possible, else in quotes.
pub(super) fn bare(key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if plain { key.to_owned() } else { quote(key) }
}

/// The table with this path.
pub(super) fn table_of(path: &str) -> Option<&'static TableSchema> {
    TABLES.iter().copied().find(|kind| kind.path == path)
}

/// `edge.toml` itself.
pub(super) const EDGE: &TableSchema = &TableSchema {
    path: "",
    heading: "the file",
    keys: &[
        key("listen", ""),
        key("limits", ""),
        key("log", ""),
        key("trust", ""),
        key("upstream", ""),
        key("domain", ""),
        key("header_profile", ""),
    ],
};

/// `[listen]`.
pub(super) const LISTEN: &TableSchema = &TableSchema {
    path: "listen",
    heading: "[listen]",
    keys: &[
        key("https", r#"["0.0.0.0:8443"]"#),
        key("admin", r#""127.0.0.1:9443""#),
        key("admin_hosts", r#"["edge.internal"]"#),
        key("workers", "4"),
        key("trusted_proxies", r#"["10.0.0.0/8"]"#),
        key("proxy_protocol", "true"),
    ],
};

/// `[limits]`.
pub(super) const LIMITS: &TableSchema = &TableSchema {
    path: "limits",
    heading: "[limits]",
    keys: &[
        key("connections", "10000"),
        key("connections_per_address", "1000"),
        key("handshake_timeout", r#""10s""#),
        key("head_timeout", r#""10s""#),
        key("body_timeout", r#""30s""#),
        key("idle_timeout", r#""60s""#),
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
pub(super) const LOG: &TableSchema = &TableSchema {
    path: "log",
    heading: "[log]",
    keys: &[key("format", r#""json""#), key("level", r#""info""#)],
};

/// `[trust]`.
pub(super) const TRUST: &TableSchema = &TableSchema {
    path: "trust",
    heading: "[trust]",
    keys: &[
        key("client_ca", r#"["certs/client-ca.pem"]"#),
        key("crls", r#"["certs/client-ca.crl"]"#),
        key("stale_crl", r#""refuse""#),
        key("crl_depth", r#""chain""#),
        key("applications", r#""applications.toml""#),
    ],
};

/// A client CA and its purpose, in `[trust] client_ca`.
pub(super) const CLIENT_CA: &TableSchema = &TableSchema {
    path: "trust.client_ca",
    heading: "a client CA",
    keys: &[key("file", r#""certs/psd2.pem""#), key("eku", r#""client-or-server""#)],
};

/// A CRL that is fetched, in `[trust] crls`.
pub(super) const CRL_SOURCE: &TableSchema = &TableSchema {
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

/// `[[upstream]]`.
pub(super) const UPSTREAM: &TableSchema = &TableSchema {
    path: "upstream",
    heading: "[[upstream]]",
    keys: &[
        address("name", r#""auth-server""#),
        address("urls", r#"["https://auth.internal.example:8443"]"#),
        address("host", r#""tenant.edge.example""#),
        address("ca", r#""certs/upstream-ca.pem""#),
        address("server_name", r#""auth.internal.example""#),
        references("headers", r#"{ cname-api-key = { file = "secrets/cname-api-key" } }"#),
        address("client_ip_header", r#""true-client-ip""#),
        key("forwarded", "true"),
        key("forwarded_for", r#""list""#),
        key("connect_timeout", r#""5s""#),
        key("response_timeout", r#""30s""#),
        key("idle_timeout", r#""30s""#),
        key("connections", "1024"),
    ],
};

/// A header's value in `[[upstream]] headers`.
pub(super) const SECRET: &TableSchema = &TableSchema {
    path: "upstream.headers",
    heading: "a secret's reference",
    keys: &[key("file", r#""secrets/cname-api-key""#), key("env", r#""CNAME_API_KEY""#)],
};

/// `[[domain]]`.
pub(super) const DOMAIN: &TableSchema = &TableSchema {
    path: "domain",
    heading: "[[domain]]",
    keys: &[
        key("name", r#""mtls.auth.example.com""#),
        key("certificate", r#""certs/server.pem""#),
        key("private_key", r#""certs/server.key""#),
        key("client_auth", r#""required""#),
        key("cipher_suites", r#""default""#),
        key("session_lifetime", r#""1h""#),
        key("ticket_keys", r#""secrets/tickets.keys""#),
        key("ca_hints", "false"),
        key("upstream", r#""auth-server""#),
        key("header_profile", r#""auth0""#),
        key("route", ""),
    ],
};

/// `[[domain.route]]`.
pub(super) const ROUTE: &TableSchema = &TableSchema {
    path: "domain.route",
    heading: "[[domain.route]]",
    keys: &[
        key("path", r#""/oauth/token""#),
        key("methods", r#"["POST"]"#),
        key("authenticate", r#""client""#),
    ],
};

/// `[[header_profile]]`.
pub(super) const HEADER_PROFILE: &TableSchema = &TableSchema {
    path: "header_profile",
    heading: "[[header_profile]]",
    keys: &[
        key("name", r#""corp""#),
        encodings("headers", r#"{ x-client-certificate = "pem-url", x-client-verified = "verdict" }"#),
    ],
};

/// `applications.toml` itself.
pub(super) const REGISTRY: &TableSchema =
    &TableSchema { path: "", heading: "the file", keys: &[key("application", "")] };

/// `[[application]]`.
pub(super) const APPLICATION: &TableSchema = &TableSchema {
    path: "application",
    heading: "[[application]]",
    keys: &[
        key("client_id", r#""billing""#),
        key("auth_method", r#""self_signed_tls_client_auth""#),
        key("credential", ""),
    ],
};

/// `[[application.credential]]`.
pub(super) const CREDENTIAL: &TableSchema = &TableSchema {
    path: "application.credential",
    heading: "[[application.credential]]",
    keys: &[
        key("name", r#""2026-q4""#),
        key("thumbprint", r#""Gsvs7xJ0kKfyGyNwAkhx7hDQW6WJGfPwJfoSgpm4wOI""#),
        key("certificate", r#""certs/billing.pem""#),
        key("subject_dn", r#""CN=payments,O=Example Bank,C=DE""#),
        key("san_dns", r#""payments.example.com""#),
        key("san_uri", r#""urn:example:payments""#),
        key("san_ip", r#""192.0.2.10""#),
        key("san_email", r#""payments@example.com""#),
        key("ca", r#""certs/corp-ca.pem""#),
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

/// Names of keys in other standards and programs (the metadata of RFC 7591 and RFC 8705, the members of a JWK, the output of
/// tools), with our names.
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
