//! Messages about several certificates of one domain.

use super::*;

/// The usual domain with a second certificate: `second.pem` and `second.key`.
fn with_second(second: &Credentials) -> Folder {
    let folder = Folder::new();
    let config = EDGE
        .replace("\"server.pem\"", "[\"server.pem\", \"second.pem\"]")
        .replace("\"server.key\"", "[\"server.key\", \"second.key\"]");
    folder.write("edge.toml", config).credentials("second", second);
    folder
}

fn rsa(name: &str) -> Credentials {
    Ca::with_keys("RSA CA", &rcgen::PKCS_RSA_SHA256).server(&[name])
}

#[test]
fn two_types_of_keys_are_accepted() {
    let (accepted, printed) = with_second(&rsa("mtls.example.test")).check();
    assert!(accepted && !printed.contains("warning"), "{printed}");
}

#[test]
fn two_keys_of_one_type_are_refused() {
    with_second(&Ca::new("Server CA").server(&["mtls.example.test"])).prints(
        r#"
error: domain.certificate: second.pem has a key of the same type as server.pem (ECDSA P-256): no client would get it
  --> edge.toml:10:30
   |
10 | certificate = ["server.pem", "second.pem"]
   |                              ^^^^^^^^^^^^
   |
   = help: remove it and its key, or use a certificate with a key of another type

1 error, 0 warnings
"#,
    );
}

#[test]
fn each_certificate_is_checked() {
    with_second(&rsa("other.example.test")).prints(
        r#"
warning: domain.certificate: second.pem does not name mtls.example.test: clients will refuse it
  --> edge.toml:10:30
   |
10 | certificate = ["server.pem", "second.pem"]
   |                              ^^^^^^^^^^^^
   |
   = help: issue a certificate with the subject alternative name DNS:mtls.example.test

0 errors, 1 warning
"#,
    );
}

#[test]
fn each_key_belongs_to_its_certificate() {
    let folder = with_second(&rsa("mtls.example.test"));
    let other = rsa("mtls.example.test").key_pem();
    folder.write("second.key", other).prints(
        r#"
error: domain.private_key: second.key is not the key of the first certificate in second.pem
  --> edge.toml:11:30
   |
11 | private_key = ["server.key", "second.key"]
   |                              ^^^^^^^^^^^^
   |
   = help: use the key that the certificate was issued for: `openssl pkey -in second.key -pubout` and `openssl x509 -in second.pem -noout -pubkey` must print the same

1 error, 0 warnings
"#,
    );
}
