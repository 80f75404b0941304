//! The schema lists exactly the keys that are read, its examples are valid, and the documentation covers all keys.

use std::fmt::Write;

use crate::config::{
    Problem,
    schema::{
        APPLICATION, CLIENT_CA, CREDENTIAL, CRL_SOURCE, DOMAIN, EDGE, HEADER_PROFILE, Key, LIMITS, LISTEN,
        LOG, REGISTRY, ROUTE, SECRET, TABLES, TRUST, TableSchema, UPSTREAM,
    },
    suggest::all_of,
    testing::{NO_PROBLEM, edge, registry},
};

use crate::vouch::{Encoding, Profile};

/// The schema of each table, with a file in which that table has one unknown key.
const KINDS: [(&TableSchema, &str); 15] = [
    (EDGE, "zzzzzzzz = 1\n"),
    (LISTEN, "[listen]\nzzzzzzzz = 1\n"),
    (LIMITS, "[limits]\nzzzzzzzz = 1\n"),
    (LOG, "[log]\nzzzzzzzz = 1\n"),
    (TRUST, "[trust]\nzzzzzzzz = 1\n"),
    (CLIENT_CA, "[trust]\nclient_ca = [{ zzzzzzzz = 1 }]\n"),
    (CRL_SOURCE, "[trust]\ncrls = [{ zzzzzzzz = 1 }]\n"),
    (UPSTREAM, "[[upstream]]\nname = \"a\"\nurls = [\"http://[::1]\"]\nzzzzzzzz = 1\n"),
    (SECRET, "[[upstream]]\nheaders = { k = { zzzzzzzz = 1 } }\n"),
    (DOMAIN, "[[domain]]\nzzzzzzzz = 1\n"),
    (ROUTE, "[[domain]]\n[[domain.route]]\nzzzzzzzz = 1\n"),
    (HEADER_PROFILE, "[[header_profile]]\nzzzzzzzz = 1\n"),
    (REGISTRY, "zzzzzzzz = 1\n"),
    (APPLICATION, "[[application]]\nzzzzzzzz = 1\n"),
    (CREDENTIAL, "[[application]]\n[[application.credential]]\nzzzzzzzz = 1\n"),
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
    let mut text = String::new();
    for kind in [LISTEN, LIMITS, LOG, TRUST, UPSTREAM, DOMAIN, ROUTE, HEADER_PROFILE] {
        table(&mut text, kind, |_| true);
    }
    assert_eq!(edge(&text).2, NO_PROBLEM, "{text}");

    for matcher in CREDENTIAL.names().filter(|key| !matches!(*key, "name" | "ca")) {
        let by_certificate = matches!(matcher, "thumbprint" | "certificate");
        let mut text = String::new();
        table(&mut text, APPLICATION, |key| key != "auth_method" || by_certificate);
        table(&mut text, CREDENTIAL, |key| {
            key == "name" || key == matcher || (key == "ca" && !by_certificate)
        });
        assert_eq!(registry(&text).2, NO_PROBLEM, "{text}");
    }
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
