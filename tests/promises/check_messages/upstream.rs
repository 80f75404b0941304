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
