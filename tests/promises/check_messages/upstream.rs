//! Messages about secrets and roots of upstreams.

use super::*;

#[test]
fn secret_file_is_missing() {
    Folder::new()
        .after("urls = [\"http://127.0.0.1:3000\"]", "headers = { cname-api-key = { file = \"nowhere\" } }")
        .prints(
            r#"
error: upstream.headers: nowhere cannot be read: No such file or directory (os error 2)
 --> edge.toml:7:29
  |
7 | headers = { cname-api-key = { file = "nowhere" } }
  |                             ^^^^^^^^^^^^^^^^^^^^
  |
  = help: write the secret into this file, on one line

1 error, 0 warnings
"#,
        );
}

#[test]
fn secret_variable_is_not_set() {
    Folder::new()
        .after(
            "urls = [\"http://127.0.0.1:3000\"]",
            "headers = { cname-api-key = { env = \"MTLS_EDGE_NO_SUCH\" } }",
        )
        .prints(
            r#"
error: upstream.headers: the environment variable MTLS_EDGE_NO_SUCH is not set
 --> edge.toml:7:29
  |
7 | headers = { cname-api-key = { env = "MTLS_EDGE_NO_SUCH" } }
  |                             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: set MTLS_EDGE_NO_SUCH in the environment of the edge (systemd: Environment= or EnvironmentFile=), or write { file = "secrets/..." }

1 error, 0 warnings
"#,
        );
}

#[test]
fn secret_file_holds_two_lines() {
    Folder::new()
        .write("secret", "one-secret\ntwo-secret\n")
        .after("urls = [\"http://127.0.0.1:3000\"]", "headers = { cname-api-key = { file = \"secret\" } }")
        .prints(
            r#"
error: upstream.headers: secret contains a character that a header cannot have
 --> edge.toml:7:29
  |
7 | headers = { cname-api-key = { file = "secret" } }
  |                             ^^^^^^^^^^^^^^^^^^^
  |
  = help: the secret must be one line of visible ASCII; surrounding whitespace is trimmed

1 error, 0 warnings
"#,
        );
}

#[test]
fn upstream_ca_is_missing() {
    let folder = Folder::new();
    let text = EDGE.replace("http://127.0.0.1:3000\"]", "https://127.0.0.1:3000\"]\nca = \"nowhere.pem\"");
    folder.write("edge.toml", text).prints(
        r#"
error: upstream.ca: nowhere.pem cannot be read: No such file or directory (os error 2)
 --> edge.toml:7:6
  |
7 | ca = "nowhere.pem"
  |      ^^^^^^^^^^^^^
  |
  = help: name a PEM file with the CA of the upstream's certificate

1 error, 0 warnings
"#,
    );
}

#[test]
fn upstream_sets_what_the_profile_sets() {
    Folder::new()
        .write("secret", "x")
        .after("urls = [\"http://127.0.0.1:3000\"]", "headers = { Client_Certificate = { file = \"secret\" } }")
        .prints(r#"
error: domain.header_profile: the profile "auth0" sets a header that the upstream's own headers also set: client_certificate
 --> edge.toml:9:1
  |
9 | [[domain]]
  | ^^^^^^^^^^
  |
  = help: the upstream would receive only one of them: rename the one under upstream.headers

1 error, 0 warnings
"#);
}

#[test]
fn an_upstream_name_that_does_not_resolve_is_a_warning() {
    let folder = Folder::new();
    // Names in `.invalid` do not exist (RFC 6761 section 6.4).
    let urls = "urls = [\"https://auth.invalid:8443\", \"https://auth.invalid:9443\", \"https://127.0.0.1\"]\nca = \"client-ca.pem\"";
    folder.write("edge.toml", EDGE.replace("urls = [\"http://127.0.0.1:3000\"]", urls));
    let output = program().args(["check", "--config"]).arg(folder.path().join("edge.toml")).output().unwrap();
    let printed = String::from_utf8(output.stderr).unwrap();
    // The resolver's own message follows, or that it does not respond.
    let what = "warning: upstream.urls: the host name \"auth.invalid\" could not be resolved";
    assert_eq!(printed.matches(what).count(), 1, "{printed}");
    assert!(printed.contains("edge.toml:6:9\n"), "{printed}");
    assert!(
        printed.contains("= help: check the name; it must resolve on the machine where the edge runs\n"),
        "{printed}"
    );
    assert!(printed.ends_with("0 errors, 1 warning\n"), "{printed}");
    assert!(output.status.success());
}

/// `edge.toml` with an https upstream and a client certificate, whose files the test writes.
fn with_client_certificate() -> Folder {
    let folder = Folder::new();
    let lines = "urls = [\"https://127.0.0.1:3000\"]\nca = \"client-ca.pem\"\nclient_certificate = \"edge.pem\"\nprivate_key = \"edge.key\"";
    folder.write("edge.toml", EDGE.replace("urls = [\"http://127.0.0.1:3000\"]", lines));
    folder
}

#[test]
fn client_key_of_another_certificate() {
    let folder = with_client_certificate();
    folder.credentials("edge", &self_signed("edge"));
    folder.write("edge.pem", self_signed("other").chain_pem()).prints(
        r#"
error: upstream.private_key: edge.key is not the key of the first certificate in edge.pem
 --> edge.toml:9:15
  |
9 | private_key = "edge.key"
  |               ^^^^^^^^^^
  |
  = help: use the key that the certificate was issued for: `openssl pkey -in edge.key -pubout` and `openssl x509 -in edge.pem -noout -pubkey` must print the same

1 error, 0 warnings
"#,
    );
}

#[test]
fn client_certificate_of_a_server_with_an_open_key() {
    let folder = with_client_certificate();
    folder.credentials("edge", &Ca::new("Server CA").server(&["edge.example.test"]));
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(folder.path().join("edge.key"), open).unwrap();
    folder.prints(
        r#"
warning: upstream.client_certificate: edge.pem is not a client certificate: its extendedKeyUsage does not include clientAuth: the upstream will refuse it
 --> edge.toml:8:22
  |
8 | client_certificate = "edge.pem"
  |                      ^^^^^^^^^^
  |
  = help: issue a certificate with extendedKeyUsage = clientAuth

warning: upstream.private_key: edge.key can be read by others (mode 644)
 --> edge.toml:9:15
  |
9 | private_key = "edge.key"
  |               ^^^^^^^^^^
  |
  = help: run: chmod o= edge.key

0 errors, 2 warnings
"#,
    );
}

#[test]
fn client_certificate_has_expired() {
    let folder = with_client_certificate();
    let ended = time_from_now(-86_400);
    folder.credentials("edge", &self_signed_with("edge", |params| params.not_after = ended));
    let (is_valid, printed) = folder.check();
    let what = format!(
        "error: upstream.client_certificate: edge.pem has expired (on {}): the upstream will refuse it",
        rfc3339(ended)
    );
    assert!(!is_valid && printed.contains(&what), "{printed}");
}

#[test]
fn client_certificate_and_key_are_swapped() {
    let folder = with_client_certificate();
    let own = self_signed("edge");
    folder.write("edge.key", own.chain_pem()).write("edge.pem", own.key_pem());
    let (is_valid, printed) = folder.check();
    assert!(!is_valid && printed.contains("= help: swap client_certificate and private_key"), "{printed}");
}
