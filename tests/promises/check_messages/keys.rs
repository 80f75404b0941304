//! Messages about public keys, secrets and their dates.

use testkit::jws::SigningKey;

use super::*;

const REPORTS: &str = r#"[[application]]
client_id = "reports"
auth_method = "private_key_jwt"
[[application.credential]]
name = "a"
public_key = "reports.pem"
"#;

/// A folder whose only application has this registration, and whose domain has an issuer.
fn registered(applications: &str) -> Folder {
    let folder = Folder::new();
    folder.after(
        "private_key = \"server.key\"",
        "issuer = \"https://auth.example/\"\nclient_auth = \"optional\"\n",
    );
    folder.write("applications.toml", applications);
    folder
}

#[test]
fn each_form_of_a_public_key_is_accepted() {
    let key = SigningKey::rsa();
    let (jwk, certificate) = (key.jwk(), self_signed("reports").chain_pem());
    let folder = registered(REPORTS);
    for text in [key.public_pem(), jwk.to_string(), format!("{{\"keys\": [{jwk}]}}")] {
        let (accepted, printed) = folder.write("reports.pem", text).check();
        assert!(accepted && printed.is_empty(), "{printed}");
    }
    // The certificates of the tests have keys on P-256.
    let (accepted, printed) = folder
        .write("applications.toml", format!("{REPORTS}alg = \"ES256\"\n"))
        .write("reports.pem", certificate)
        .check();
    assert!(accepted && printed.is_empty(), "{printed}");
}

#[test]
fn public_key_file_is_missing() {
    registered(REPORTS).prints(
        r#"
error: application.credential.public_key: reports.pem cannot be read: No such file or directory (os error 2)
 --> applications.toml:6:14
  |
6 | public_key = "reports.pem"
  |              ^^^^^^^^^^^^^
  |
  = help: provide the application's public key as PEM, a certificate, a JWK or a JWK Set

1 error, 0 warnings
"#,
    );
}

#[test]
fn algorithm_does_not_fit_the_key() {
    registered(REPORTS).write("reports.pem", SigningKey::p256().public_pem()).prints(
        r#"
error: application.credential.public_key: reports.pem cannot be used: an EC key on P-256 cannot verify RS256
 --> applications.toml:6:14
  |
6 | public_key = "reports.pem"
  |              ^^^^^^^^^^^^^
  |
  = help: write alg = "ES256"

1 error, 0 warnings
"#,
    );
}

#[test]
fn an_rsa_key_of_1024_bits_is_refused() {
    let folder = registered(REPORTS);
    run(folder.path(), "openssl", &["genrsa", "-out", "weak.key", "1024"]);
    run(folder.path(), "openssl", &["rsa", "-in", "weak.key", "-pubout", "-out", "reports.pem"]);
    let (accepted, printed) = folder.check();
    assert!(!accepted && printed.contains("1024 bits: 2048 to 8192 are accepted"), "{printed}");
}

#[test]
fn a_private_key_in_place_of_a_public_one_is_refused() {
    let (accepted, printed) =
        registered(REPORTS).write("reports.pem", SigningKey::rsa().private_pem()).check();
    assert!(!accepted && printed.contains("private key"), "{printed}");
}

#[test]
fn one_key_for_assertions_and_request_objects_is_a_warning() {
    let jar = "[[application.request_key]]\nname = \"jar\"\npublic_key = \"reports.pem\"\n";
    let key = SigningKey::rsa().public_pem();
    registered(&format!("{REPORTS}{jar}")).write("reports.pem", key).prints(
        r#"
warning: application.request_key.public_key: the public key is also registered as credential on line 6: one private key signs assertions and request objects
 --> applications.toml:9:14
  |
9 | public_key = "reports.pem"
  |              ^^^^^^^^^^^^^
  |
  = help: sign request objects with a key of their own

0 errors, 1 warning
"#,
    );
}

#[test]
fn one_key_for_two_applications_is_an_error() {
    let other = REPORTS.replace("\"reports\"", "\"other\"");
    let folder = registered(&format!("{REPORTS}{other}"));
    folder.write("reports.pem", SigningKey::rsa().public_pem()).prints(
        r#"
error: application.credential.public_key: the public key is registered for "reports" already (line 6)
  --> applications.toml:12:14
   |
12 | public_key = "reports.pem"
   |              ^^^^^^^^^^^^^
   |
   = help: register each key once: an application's key must be its own

1 error, 0 warnings
"#,
    );
}

#[test]
fn one_key_twice_is_an_error() {
    let second = "[[application.credential]]\nname = \"b\"\npublic_key = \"reports.pem\"\n";
    let folder = registered(&format!("{REPORTS}{second}"));
    let (accepted, printed) = folder.write("reports.pem", SigningKey::rsa().public_pem()).check();
    let what = "application.credential: the public key is registered for this application already";
    assert!(!accepted && printed.contains(what) && printed.contains("applications.toml:9:14"), "{printed}");
}

#[test]
fn one_secret_twice_is_an_error() {
    let hash = "secret_sha256 = \"2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\"\n";
    let folder = registered(&format!(
        "[[application]]\nclient_id = \"a\"\nauth_method = \"client_secret_basic\"\n[[application.credential]]\nname = \"a\"\n{hash}[[application.credential]]\nname = \"b\"\n{hash}"
    ));
    let (accepted, printed) = folder.check();
    assert!(
        !accepted && printed.contains("the secret is registered for this application already"),
        "{printed}"
    );
    assert!(!printed.contains("2bb80d"), "{printed}");
}

#[test]
fn a_credential_that_expires_soon_or_has_expired_is_a_warning() {
    let key = SigningKey::rsa().public_pem();
    let dated = |end: time::OffsetDateTime| format!("{REPORTS}expires_at = {}\n", rfc3339(end));
    let (accepted, printed) =
        registered(&dated(time_from_now(29 * 86_400 + 60))).write("reports.pem", &key).check();
    let what = "warning: application.credential.expires_at: \"a\" expires in 29 days";
    assert!(accepted && printed.contains(what), "{printed}");
    let end = time_from_now(-60);
    let (accepted, printed) = registered(&dated(end)).write("reports.pem", &key).check();
    let what = format!("\"a\" has expired (on {}): it is refused", rfc3339(end));
    assert!(accepted && printed.contains(&what), "{printed}");
    let (accepted, printed) =
        registered(&dated(time_from_now(31 * 86_400))).write("reports.pem", &key).check();
    assert!(accepted && printed.is_empty(), "{printed}");
}

#[test]
fn a_key_set_that_is_not_fetched_yet_is_a_warning() {
    registered(
        r#"[[application]]
client_id = "reports"
jwks_uri = { url = "http://127.0.0.1:9/jwks?key=hunter2", file = "jwks.json" }
"#,
    )
    .prints(
        r#"
warning: application.jwks_uri.file: jwks.json does not exist yet: until `run` has fetched http://127.0.0.1:9/jwks, each assertion is refused
 --> applications.toml:3:66
  |
3 | jwks_uri = { url = "***************************=*******", file = "jwks.json" }
  |                                                                  ^^^^^^^^^^^
  |
  = help: start the edge, or write the key set into the file

0 errors, 1 warning
"#,
    );
}

#[test]
fn a_pinned_key_is_read_from_pem_or_a_certificate() {
    let pinned = REPORTS.replace("private_key_jwt", "self_signed_tls_client_auth");
    let folder = registered(&pinned);
    for text in [SigningKey::p256().public_pem(), self_signed("reports").chain_pem()] {
        let (accepted, printed) = folder.write("reports.pem", text).check();
        assert!(accepted && printed.is_empty(), "{printed}");
    }
    let (accepted, printed) = folder.write("reports.pem", SigningKey::p256().jwk().to_string()).check();
    assert!(!accepted && printed.contains("application.credential.public_key"), "{printed}");
}

#[test]
fn a_key_set_does_not_overwrite_another_file() {
    let issuer = |name: &str| {
        format!(
            "[[token_issuer]]\nname = \"{name}\"\nissuer = \"https://{name}.example\"\naudience = [\"api\"]\njwks = {{ url = \"http://127.0.0.1:9/{name}\", file = \"jwks.json\" }}\n"
        )
    };
    let folder = Folder::new();
    folder.after("private_key = \"server.key\"", &(issuer("a") + &issuer("b")));
    let (accepted, printed) = folder.check();
    let what = "token_issuer.jwks.file: jwks.json is also named at edge.toml:16:47: the fetched key set would overwrite it";
    assert!(!accepted && printed.contains(what) && printed.contains("\n1 error, "), "{printed}");
    let own = "[[application]]\nclient_id = \"a\"\njwks_uri = { url = \"http://127.0.0.1:9/a\", file = \"client-ca.pem\" }\n";
    let (accepted, printed) = registered(own).check();
    let what = "application.jwks_uri.file: client-ca.pem is also named at edge.toml:2:14: ";
    assert!(!accepted && printed.contains(what), "{printed}");
}
