//! A domain's certificate and key.

use super::*;

#[test]
fn server_key_of_another_certificate() {
    let folder = Folder::new();
    folder.write("server.key", self_signed("other").key_pem()).prints(
        r#"
error: domain.private_key: server.key is not the key of the first certificate in server.pem
  --> edge.toml:11:15
   |
11 | private_key = "server.key"
   |               ^^^^^^^^^^^^
   |
   = help: the server's own certificate must stand first in its file

1 error, 0 warnings
"#,
    );
}

#[test]
fn server_key_is_no_key() {
    Folder::new().write("server.key", "no key").prints(
        r#"
error: domain.private_key: server.key holds no private key in PEM (no "-----BEGIN PRIVATE KEY-----" line)
  --> edge.toml:11:15
   |
11 | private_key = "server.key"
   |               ^^^^^^^^^^^^
   |
   = help: give an RSA, ECDSA or Ed25519 key in PKCS#8, PKCS#1 or SEC1 PEM, without a password

1 error, 0 warnings
"#,
    );
}

#[test]
fn server_key_is_missing() {
    let folder = Folder::new();
    fs::remove_file(folder.path().join("server.key")).unwrap();
    folder.prints(
        r#"
error: domain.private_key: server.key can't be read: No such file or directory (os error 2)
  --> edge.toml:11:15
   |
11 | private_key = "server.key"
   |               ^^^^^^^^^^^^

1 error, 0 warnings
"#,
    );
}

#[test]
fn server_key_can_be_read_by_others() {
    let folder = Folder::new();
    run(folder.path(), "chmod", &["644", "server.key"]);
    folder.prints(
        r#"
warning: domain.private_key: server.key can be read by others (mode 644)
  --> edge.toml:11:15
   |
11 | private_key = "server.key"
   |               ^^^^^^^^^^^^
   |
   = help: run: chmod 600 server.key

0 errors, 1 warning
"#,
    );
}

#[test]
fn server_certificate_is_empty() {
    Folder::new().write("server.pem", "").prints(
        r#"
error: domain.certificate: server.pem is empty
  --> edge.toml:10:15
   |
10 | certificate = "server.pem"
   |               ^^^^^^^^^^^^
   |
   = help: give a PEM file with the server's certificate first, then its intermediates

1 error, 0 warnings
"#,
    );
}

#[test]
fn server_certificate_is_broken_off() {
    Folder::new().write("server.pem", "-----BEGIN CERTIFICATE-----\nMIIB").prints(
        r#"
error: domain.certificate: server.pem is cut short: the section that begins on line 1 has no "-----END CERTIFICATE-----" line
  --> edge.toml:10:15
   |
10 | certificate = "server.pem"
   |               ^^^^^^^^^^^^
   |
   = help: give a PEM file with the server's certificate first, then its intermediates

1 error, 0 warnings
"#,
    );
}

#[test]
fn server_certificate_does_not_name_the_domain() {
    let folder = Folder::new();
    folder.credentials("server", &Ca::new("CA").server(&["other.example.test"])).prints(
        r#"
warning: domain.certificate: server.pem does not name mtls.example.test: clients will refuse it
  --> edge.toml:10:15
   |
10 | certificate = "server.pem"
   |               ^^^^^^^^^^^^
   |
   = help: issue a certificate with the subject alternative name DNS:mtls.example.test

0 errors, 1 warning
"#,
    );
}
