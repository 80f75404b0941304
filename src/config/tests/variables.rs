//! Variables in `edge.toml`. Cargo sets CARGO_PKG_NAME for tests.

use crate::config::testing::{MINIMAL, NO_PROBLEM, edge, registry};

#[test]
fn strings_numbers_and_booleans_can_be_variables() {
    let text = format!(
        "[limits]\nconnections = \"${{UNSET_IN_TESTS:-123}}\"\n[listen]\nworkers = \"${{UNSET_IN_TESTS:-2}}\"\n{MINIMAL}ca_hints = \"${{UNSET_IN_TESTS:-false}}\"\n"
    );
    let text = text.replace("\"c\"", "\"${CARGO_PKG_NAME}/c.pem\"");
    let (settings, _, rendered) = edge(&text);
    assert_eq!(rendered, NO_PROBLEM);
    let settings = settings.unwrap();
    assert_eq!((settings.limits.connections, settings.listen.workers), (123, Some(2)));
    assert!(settings.domains[0].key_pairs[0].certificate.value.ends_with("mtls-edge/c.pem"));
    assert!(!settings.domains[0].tls.ca_hints);
}

#[test]
fn a_variable_without_value_is_one_error_at_its_place() {
    let (_, _, rendered) = edge(MINIMAL.replace("\"k\"", "\"${UNSET_IN_TESTS}/k\""));
    let expected = "error: domain.private_key: the environment variable UNSET_IN_TESTS is not set\n --> edge.toml:7:15\n";
    assert!(rendered.starts_with(expected) && rendered.ends_with("1 error, 0 warnings\n"), "{rendered}");
}

#[test]
fn a_value_of_a_variable_is_checked_as_a_written_one() {
    for (value, expected) in [
        ("workers = \"${UNSET_IN_TESTS:-0}\"", "found 0, expected a whole number from 1 to 1024"),
        ("workers = \"${UNSET_IN_TESTS:-two}\"", "found string \"two\", expected a whole number"),
        ("workers = \"2\"", "found string \"2\", expected a whole number"),
        ("workers = \"${UNSET_IN_TESTS:-1}2\"", "found string \"12\", expected a whole number"),
        ("admin = \"${UNSET_IN_TESTS:-nowhere}\"", "found \"nowhere\", expected an address"),
        ("admin = \"$ADMIN\"", "help: write ${ADMIN} for the environment variable, or the value itself"),
    ] {
        let (_, _, rendered) = edge(format!("[listen]\n{value}\n{MINIMAL}"));
        assert!(rendered.contains(expected) && rendered.ends_with("1 error, 0 warnings\n"), "{rendered}");
    }
}

#[test]
fn a_password_in_a_url_with_a_variable_is_hidden() {
    let urls = "\"https://user:hunter2${UNSET_IN_TESTS:-hunter3}@as.example\"";
    let (_, _, rendered) = edge(MINIMAL.replace("\"http://127.0.0.1:1\"", urls));
    assert!(rendered.contains("edge.toml:3:") && !rendered.contains("hunter"), "{rendered}");
    let whole = "\"${UNSET_IN_TESTS:-https://user:hunter2@as.example}\"";
    let (_, _, rendered) = edge(MINIMAL.replace("\"http://127.0.0.1:1\"", whole));
    assert!(rendered.contains("edge.toml:3:") && !rendered.contains("hunter"), "{rendered}");
}

#[test]
fn the_registry_has_no_variables() {
    let (applications, _, _) = registry(
        "[[application]]\nclient_id = \"${CARGO_PKG_NAME}\"\n[[application.credential]]\nname = \"a\"\ncertificate = \"c\"\n",
    );
    assert_eq!(applications.unwrap()[0].client_id.value, "${CARGO_PKG_NAME}");
}
