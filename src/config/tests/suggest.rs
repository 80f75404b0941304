//! The schema lists exactly the keys that are read, its examples are valid, and the documentation covers all keys.

use std::fmt::Write;

use crate::config::{
    Problem,
    schema::{
        ACME, ADMIN, ADMIN_PASSWORD, ADMIN_TOKEN, APPLICATION, CERTIFICATE, CLIENT_CA, CREDENTIAL,
        CRL_SOURCE, DOMAIN, DOMAIN_PASSWORD, EAB_KEY, EDGE, HEADER_PROFILE, HEALTH_CHECK, INTROSPECTION,
        INTROSPECTION_SECRET, JWKS_URI, Key, LIMITS, LISTEN, LOG, REGISTRY, REQUEST_KEY, ROUTE, SECRET,
        TABLES, TOKEN_ISSUER, TOKEN_ISSUER_JWKS, TRACES, TRACES_SECRET, TRUST, TableSchema, UPSTREAM,
        UPSTREAM_PASSWORD,
    },
    suggest::all_of,
    testing::{NO_PROBLEM, edge, registry},
};

use crate::vouch::{Encoding, Profile};

/// The schema of each table, with a file in which that table has one unknown key.
const KINDS: [(&TableSchema, &str); 32] = [
    (EDGE, "zzzzzzzz = 1\n"),
    (LISTEN, "[listen]\nzzzzzzzz = 1\n"),
    (ADMIN, "[admin]\nzzzzzzzz = 1\n"),
    (ADMIN_TOKEN, "[admin]\ntoken = { zzzzzzzz = 1 }\n"),
    (ADMIN_PASSWORD, "[admin]\nprivate_key_password = { zzzzzzzz = 1 }\n"),
    (LIMITS, "[limits]\nzzzzzzzz = 1\n"),
    (LOG, "[log]\nzzzzzzzz = 1\n"),
    (TRUST, "[trust]\nzzzzzzzz = 1\n"),
    (CLIENT_CA, "[trust]\nclient_ca = [{ zzzzzzzz = 1 }]\n"),
    (CRL_SOURCE, "[trust]\ncrls = [{ zzzzzzzz = 1 }]\n"),
    (TRACES, "[traces]\nzzzzzzzz = 1\n"),
    (TRACES_SECRET, "[traces]\nheaders = { k = { zzzzzzzz = 1 } }\n"),
    (ACME, "[acme]\nzzzzzzzz = 1\n"),
    (EAB_KEY, "[acme]\neab_key_id = \"k\"\neab_key = { zzzzzzzz = 1 }\n"),
    (UPSTREAM, "[[upstream]]\nname = \"a\"\nurls = [\"http://[::1]\"]\nzzzzzzzz = 1\n"),
    (
        UPSTREAM_PASSWORD,
        "[[upstream]]\nname = \"a\"\nurls = [\"http://[::1]\"]\nprivate_key_password = { zzzzzzzz = 1 }\n",
    ),
    (HEALTH_CHECK, "[[upstream]]\nhealth_check = { zzzzzzzz = 1 }\n"),
    (SECRET, "[[upstream]]\nheaders = { k = { zzzzzzzz = 1 } }\n"),
    (DOMAIN, "[[domain]]\nzzzzzzzz = 1\n"),
    (
        DOMAIN_PASSWORD,
        "[[domain]]\nname = \"a.example\"\ncertificate = \"c\"\nprivate_key = \"k\"\nprivate_key_password = { zzzzzzzz = 1 }\n",
    ),
    (ROUTE, "[[domain]]\n[[domain.route]]\nzzzzzzzz = 1\n"),
    (HEADER_PROFILE, "[[header_profile]]\nzzzzzzzz = 1\n"),
    (TOKEN_ISSUER, "[[token_issuer]]\nzzzzzzzz = 1\n"),
    (TOKEN_ISSUER_JWKS, "[[token_issuer]]\njwks = { zzzzzzzz = 1 }\n"),
    (INTROSPECTION, "[[token_issuer]]\nintrospection = { zzzzzzzz = 1 }\n"),
    (INTROSPECTION_SECRET, "[[token_issuer]]\nintrospection = { secret = { zzzzzzzz = 1 } }\n"),
    (REGISTRY, "zzzzzzzz = 1\n"),
    (APPLICATION, "[[application]]\nzzzzzzzz = 1\n"),
    (CREDENTIAL, "[[application]]\n[[application.credential]]\nzzzzzzzz = 1\n"),
    (CERTIFICATE, "[[application]]\n[[application.certificate]]\nzzzzzzzz = 1\n"),
    (REQUEST_KEY, "[[application]]\n[[application.request_key]]\nzzzzzzzz = 1\n"),
    (JWKS_URI, "[[application]]\njwks_uri = { zzzzzzzz = 1 }\n"),
];

fn problems(kind: &TableSchema, text: &str) -> Vec<Problem> {
    let is_registry = std::ptr::eq(kind, REGISTRY) || kind.path.starts_with("application");
    if is_registry { registry(text).1 } else { edge(text).1 }
}

#[test]
fn the_schema_lists_exactly_the_keys_that_are_read() {
    for kind in TABLES {
        assert!(KINDS.iter().any(|(tested, _)| tested.path == kind.path), "{}", kind.path);
    }
    for (kind, text) in KINDS {
        let problems = problems(kind, text);
        let unknown = problems.iter().find(|p| p.what == "unknown key \"zzzzzzzz\"").unwrap();
        // The help lists the keys that were read.
        let expected = format!("the keys of {} are {}", kind.heading, all_of(kind.names()));
        assert_eq!(unknown.help.as_deref(), Some(expected.as_str()), "{}", kind.heading);
    }
}

#[test]
fn every_example_is_accepted() {
    for (verification, is_ordered) in [("jwks", false), ("introspection", true)] {
        for authenticate in ["\"client\"", "\"token\""] {
            let is_token = authenticate == "\"token\"";
            let mut text = String::new();
            for kind in [LISTEN, LIMITS, LOG, TRUST, UPSTREAM] {
                table(&mut text, kind, |_| true);
            }
            // That of the endpoint is http.
            table(&mut text, TRACES, |key| key != "ca");
            if is_ordered {
                table(&mut text, ACME, |_| true);
            }
            table(&mut text, DOMAIN, |key| match key {
                "certificate" | "private_key" | "private_key_password" => !is_ordered,
                "acme" => is_ordered,
                _ => true,
            });
            table(&mut text, ROUTE, |key| match key {
                "authenticate" => false,
                "signed_request" => !is_token,
                "token_issuer" | "allow_unbound" => is_token,
                _ => true,
            });
            writeln!(text, "authenticate = {authenticate}").unwrap();
            table(&mut text, HEADER_PROFILE, |_| true);
            table(&mut text, TOKEN_ISSUER, |key| {
                key == verification || !["jwks", "introspection"].contains(&key)
            });
            assert_eq!(edge(&text).2, NO_PROBLEM, "{text}");
        }
    }
}

#[test]
fn every_example_of_an_application_is_accepted() {
    const OTHERS: [&str; 5] = ["name", "ca", "alg", "kid", "expires_at"];
    for matcher in CREDENTIAL.names().filter(|key| !OTHERS.contains(key)) {
        let method = match matcher {
            "thumbprint" | "certificate" => "self_signed_tls_client_auth",
            "public_key" => "private_key_jwt",
            "secret_sha256" => "client_secret_post",
            _ => "tls_client_auth",
        };
        let (is_mtls, is_subject) = (method.contains("tls"), method == "tls_client_auth");
        let mut text = String::new();
        table(&mut text, APPLICATION, |key| match key {
            "auth_method" | "jwks_uri" => false,
            "certificate_bound" => !is_mtls,
            _ => true,
        });
        writeln!(text, "auth_method = {method:?}").unwrap();
        table(&mut text, CREDENTIAL, |key| match key {
            "ca" => is_subject,
            "alg" | "kid" => matcher == "public_key",
            _ => key == matcher || OTHERS.contains(&key),
        });
        table(&mut text, REQUEST_KEY, |_| true);
        if !is_mtls {
            table(&mut text, CERTIFICATE, |key| matches!(key, "name" | "san_dns" | "ca" | "expires_at"));
            table(&mut text, CERTIFICATE, |key| matches!(key, "subject_dn"));
            writeln!(text, "name = \"other\"").unwrap();
        }
        assert_eq!(registry(&text).2, NO_PROBLEM, "{text}");
    }
    let mut text = String::new();
    table(&mut text, APPLICATION, |key| matches!(key, "client_id" | "jwks_uri"));
    assert_eq!(registry(&text).2, NO_PROBLEM, "{text}");
}

/// Writes a table with the example of each key. A key without an example is a table itself, and is left out.
fn table(text: &mut String, kind: &TableSchema, wanted: impl Fn(&str) -> bool) {
    writeln!(text, "{}", kind.heading).unwrap();
    for Key { name, example, .. } in
        kind.keys.iter().filter(|key| !key.example.is_empty() && wanted(key.name))
    {
        writeln!(text, "{name} = {example}").unwrap();
    }
}

#[test]
fn the_documentation_has_every_key_profile_and_encoding() {
    let text = include_str!("../../../docs/configuration.md");
    let keys = KINDS.iter().flat_map(|(kind, _)| kind.keys.iter().filter(|key| !key.example.is_empty()));
    let names =
        keys.map(|key| key.name).chain(Profile::built_in_names().iter().copied()).chain(Encoding::names());
    let missing: Vec<_> = names.filter(|name| !text.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for kind in TABLES {
        assert!(text.contains(kind.heading), "{}", kind.heading);
    }
}
