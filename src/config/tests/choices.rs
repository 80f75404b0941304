//! The schema, which editors get, has the same choices as the readers.

use crate::config::{
    schema::{CLIENT_CA, DOMAIN, EDGE, Form, REGISTRY, TABLES, TableSchema},
    suggest::{any_of, quote},
    testing::{MINIMAL, edge, registry},
};

use crate::tls::KeyExchangeGroup;

/// The beginning of a file, after which a key of this table may be written, and its end.
fn around(kind: &TableSchema) -> (String, &'static str) {
    if std::ptr::eq(kind, CLIENT_CA) {
        return ("[trust]\nclient_ca = [{ file = \"a.pem\", ".to_owned(), " }]\n");
    }
    let outer = match kind.path.split_once('.') {
        Some((outer, _)) => format!("[[{outer}]]\n"),
        None => String::new(),
    };
    // An algorithm belongs to a public key.
    let key = if kind.key("public_key").is_some() { "public_key = \"a.pem\"\n" } else { "" };
    (format!("{outer}{}\n{key}", kind.heading), "\n")
}

#[test]
fn the_schema_has_the_choices_that_readers_accept() {
    let mut count = 0;
    for kind in TABLES {
        for key in kind.keys {
            let Form::Choice(names) = key.form else { continue };
            let (begin, end) = around(kind);
            let text = format!("{begin}{} = \"no such name\"{end}", key.name);
            let problems =
                if kind.path.starts_with("application") { registry(&text).1 } else { edge(&text).1 };
            // The message lists what the reader accepts.
            let expected = any_of(names.iter().map(|name| quote(name)));
            let lists = |what: &str| what == format!("found \"no such name\", expected {expected}");
            let of_key: Vec<&str> = problems
                .iter()
                .filter(|p| p.key == kind.path_of(key.name))
                .map(|p| p.what.as_str())
                .collect();
            assert!(
                of_key.iter().any(|what| lists(what)),
                "{}: {expected}: {of_key:?}",
                kind.path_of(key.name)
            );
            count += 1;
        }
    }
    assert!(count > 15, "{count}");
}

#[test]
fn a_key_whose_value_is_a_table_names_its_schema() {
    for kind in TABLES.iter().copied().chain([EDGE, REGISTRY]) {
        for key in kind.keys.iter().filter(|key| matches!(key.form, Form::Example)) {
            let is_table = key.example.contains('{') || key.example.is_empty();
            // The edge refuses it, whatever its value is.
            assert!(!is_table || key.name == "upstream_credential", "{}", kind.path_of(key.name));
        }
    }
}

#[test]
fn the_schema_has_the_groups_that_the_reader_accepts() {
    let Some(Form::Choices(names)) = DOMAIN.key("key_exchange_groups").map(|key| key.form) else { panic!() };
    for name in names {
        let text = format!("{MINIMAL}key_exchange_groups = [\"secp256r1\", {name:?}]\n");
        let (_, problems, _) = edge(&text);
        assert_eq!(problems.len(), usize::from(*name == "secp256r1"), "{name}: {problems:?}");
    }
    let lacking = KeyExchangeGroup::ALL.map(KeyExchangeGroup::as_str);
    assert!(lacking.iter().all(|name| names.contains(name)), "{names:?}");
}
