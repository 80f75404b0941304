//! `check`, on what the named files hold: the whole message of each kind of mistake. (Mistakes of the two TOML files
//! themselves are held to their whole messages beside `config`.)

use std::{fs, path::Path, process::Command};

use rcgen::{CertificateParams, IsCa};
use tempfile::TempDir;

use crate::support::{
    Ca, Credentials,
    certificates::{run, self_signed_with, time_from_now},
    self_signed,
};

const EDGE: &str = r#"[trust]
client_ca = ["client-ca.pem"]

[[upstream]]
name = "as"
urls = ["http://127.0.0.1:3000"]

[[domain]]
name = "mtls.example.test"
certificate = "server.pem"
private_key = "server.key"
"#;

const APPLICATIONS: &str = r#"[[application]]
client_id = "billing"
[[application.credential]]
name = "a"
certificate = "billing.pem"
"#;

/// A configuration without problems, to be broken.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path();
        fs::write(path.join("edge.toml"), EDGE).unwrap();
        fs::write(path.join("applications.toml"), APPLICATIONS).unwrap();
        Ca::new("Server CA").server(&["mtls.example.test"]).write(path, "server");
        fs::write(path.join("client-ca.pem"), Ca::new("Client CA").pem()).unwrap();
        self_signed("billing").write(path, "billing");
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> &Self {
        fs::write(self.path().join(name), text).unwrap();
        self
    }

    fn credentials(&self, name: &str, credentials: &Credentials) -> &Self {
        credentials.write(self.path(), name);
        self
    }

    /// Replaces the credential's only matcher.
    fn matcher(&self, line: &str) -> &Self {
        self.write("applications.toml", APPLICATIONS.replace("certificate = \"billing.pem\"", line))
    }

    /// Adds lines to the end of a section of `edge.toml`, found by its last line.
    fn after(&self, line: &str, more: &str) -> &Self {
        assert!(EDGE.contains(line));
        self.write("edge.toml", EDGE.replace(line, &format!("{line}\n{more}")))
    }

    /// Asserts the whole of what `check` prints (paths relative to the folder), and its exit code.
    #[track_caller]
    fn prints(&self, expected: &str) {
        self.prints_with(&[], expected);
    }

    #[track_caller]
    fn prints_with(&self, environment: &[(&str, &Path)], expected: &str) {
        let output = Command::new(env!("CARGO_BIN_EXE_mtls-edge"))
            .args(["check", "--config"])
            .arg(self.path().join("edge.toml"))
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stderr).unwrap();
        let printed = printed.replace(&format!("{}/", self.path().display()), "");
        assert_eq!(printed.trim_end(), expected.trim());
        let errors = !expected.trim().lines().last().unwrap().starts_with("0 errors");
        assert_eq!(output.status.code(), Some(i32::from(errors)));
    }
}

fn ca_with(change: impl FnOnce(&mut CertificateParams)) -> String {
    Ca::with("Client CA", change).pem()
}

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
error: domain.private_key: server.key holds no private key in PEM: no items found
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
error: domain.certificate: server.pem is cut short: a "-----BEGIN" line has no "-----END" line to match
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

#[test]
fn client_ca_is_no_certificate() {
    Folder::new().write("client-ca.pem", "x").prints(
        r#"
error: trust.client_ca: client-ca.pem holds no certificate (no "-----BEGIN CERTIFICATE-----" line)
 --> edge.toml:2:14
  |
2 | client_ca = ["client-ca.pem"]
  |              ^^^^^^^^^^^^^^^
  |
  = help: give a PEM file with the certificates of your client CAs

1 error, 0 warnings
"#,
    );
}

#[test]
fn client_ca_is_no_ca() {
    Folder::new().write("client-ca.pem", ca_with(|params| params.is_ca = IsCa::ExplicitNoCa)).prints(r#"
warning: trust.client_ca: client-ca.pem: client CA "CN=Client CA" lets no chain verify: it is not a CA certificate (basicConstraints cA is not set)
 --> edge.toml:2:14
  |
2 | client_ca = ["client-ca.pem"]
  |              ^^^^^^^^^^^^^^^
  |
  = help: no certificate that it issued will be accepted; replace it or take it out

0 errors, 1 warning
"#);
}

#[test]
fn client_ca_may_not_sign_certificates() {
    Folder::new().write("client-ca.pem", ca_with(|params| drop(params.key_usages.remove(0)))).prints(r#"
warning: trust.client_ca: client-ca.pem: client CA "CN=Client CA" lets no chain verify: its keyUsage does not include keyCertSign
 --> edge.toml:2:14
  |
2 | client_ca = ["client-ca.pem"]
  |              ^^^^^^^^^^^^^^^
  |
  = help: no certificate that it issued will be accepted; replace it or take it out

0 errors, 1 warning
"#);
}

#[test]
fn client_ca_is_public() {
    let folder = Folder::new();
    let store = folder.path().join("client-ca.pem");
    folder.prints_with(
        &[("SSL_CERT_FILE", &store)],
        r#"
warning: trust.client_ca: client-ca.pem holds a public CA of the system's root store
 --> edge.toml:2:14
  |
2 | client_ca = ["client-ca.pem"]
  |              ^^^^^^^^^^^^^^^
  |
  = help: anybody can get a certificate from it: trust only CAs that issue to your own applications

0 errors, 1 warning
"#,
    );
}

#[test]
fn crl_is_none() {
    Folder::new().write("a.crl", "x").after("client_ca = [\"client-ca.pem\"]", "crls = [\"a.crl\"]").prints(
        r#"
error: trust.crls: a.crl holds no CRL
 --> edge.toml:3:9
  |
3 | crls = ["a.crl"]
  |         ^^^^^^^
  |
  = help: give a CRL as PEM ("-----BEGIN X509 CRL-----") or DER

1 error, 0 warnings
"#,
    );
}

#[test]
fn application_certificate_is_missing() {
    Folder::new().matcher("certificate = \"nobody.pem\"").prints(
        r#"
error: application.credential.certificate: nobody.pem can't be read: No such file or directory (os error 2)
 --> applications.toml:5:15
  |
5 | certificate = "nobody.pem"
  |               ^^^^^^^^^^^^
  |
  = help: give the application's certificate (not its key) as PEM or DER

1 error, 0 warnings
"#,
    );
}

#[test]
fn application_certificate_is_about_to_expire() {
    let folder = Folder::new();
    let soon = self_signed_with("billing", |params| params.not_after = time_from_now(5 * 86_400 + 60));
    folder.credentials("billing", &soon).prints(
        r#"
warning: application.credential.certificate: billing.pem expires in 5 days
 --> applications.toml:5:15
  |
5 | certificate = "billing.pem"
  |               ^^^^^^^^^^^^^
  |
  = help: add the next certificate as a second credential, then remove this one

0 errors, 1 warning
"#,
    );
}

#[test]
fn application_certificate_has_expired() {
    let folder = Folder::new();
    let past = self_signed_with("billing", |params| params.not_after = time_from_now(-60));
    folder.credentials("billing", &past).prints(
        r#"
warning: application.credential.certificate: billing.pem has expired: it is refused
 --> applications.toml:5:15
  |
5 | certificate = "billing.pem"
  |               ^^^^^^^^^^^^^
  |
  = help: add the next certificate as a second credential, then remove this one

0 errors, 1 warning
"#,
    );
}

#[test]
fn thumbprint_is_sha1() {
    Folder::new().matcher("thumbprint = \"0123456789abcdef0123456789abcdef01234567\"").prints(r#"
error: application.credential.thumbprint: looks like SHA-1 (40 hex digits); a SHA-256 thumbprint is 64 hex digits (colons allowed) or 43 characters of base64url
 --> applications.toml:5:14
  |
5 | thumbprint = "0123456789abcdef0123456789abcdef01234567"
  |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

1 error, 0 warnings
"#);
}

#[test]
fn thumbprint_of_two_applications() {
    let print = "ab".repeat(32);
    let one = |id: &str| {
        format!(
            "[[application]]\nclient_id = \"{id}\"\n[[application.credential]]\nname = \"a\"\nthumbprint = \"{print}\"\n"
        )
    };
    Folder::new().write("applications.toml", one("billing") + &one("other")).prints(r#"
error: application.credential: the thumbprint abababababababababababababababababababababababababababababababab is registered for "billing" already
  --> applications.toml:10:14
   |
10 | thumbprint = "abababababababababababababababababababababababababababababababab"
   |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = help: register each certificate once: an application's key must be its own

1 error, 0 warnings
"#);
}

#[test]
fn thumbprint_twice_in_one_application() {
    let print = "ab".repeat(32);
    let lines = format!(
        "thumbprint = \"{print}\"\n[[application.credential]]\nname = \"b\"\nthumbprint = \"{print}\""
    );
    Folder::new().matcher(&lines).prints(r#"
error: application.credential: the thumbprint abababababababababababababababababababababababababababababababab is registered for this application already
 --> applications.toml:8:14
  |
8 | thumbprint = "abababababababababababababababababababababababababababababababab"
  |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: register each certificate once: an application's key must be its own

1 error, 0 warnings
"#);
}

#[test]
fn dn_is_ambiguous() {
    Folder::new().matcher("subject_dn = \"C=DE, O=Example Bank, CN=billing\"").prints(r#"
error: application.credential.subject_dn: the order of "C=DE, O=Example Bank, CN=billing" is ambiguous; if it begins with the least specific part (as openssl prints it) write "CN=billing,O=Example Bank,C=DE", if it begins with the most specific (as in LDAP) write "C=DE,O=Example Bank,CN=billing"
 --> applications.toml:5:14
  |
5 | subject_dn = "C=DE, O=Example Bank, CN=billing"
  |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

1 error, 0 warnings
"#);
}

#[test]
fn dn_has_an_unknown_attribute() {
    Folder::new().matcher("subject_dn = \"CN=billing,ORG=Example Bank\"").prints(
        r#"
error: application.credential.subject_dn: unknown attribute "ORG"; the nearest known one is "orgId"
 --> applications.toml:5:14
  |
5 | subject_dn = "CN=billing,ORG=Example Bank"
  |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

1 error, 0 warnings
"#,
    );
}

#[test]
fn dn_looks_reversed() {
    Folder::new().matcher("subject_dn = \"C=DE,O=Example Bank,CN=billing\"").prints(r#"
warning: application.credential.subject_dn: without blanks it is read as RFC 4514, so that "C=DE" is the most specific part; if the certificate has it the other way round, write "CN=billing,O=Example Bank,C=DE"
 --> applications.toml:5:14
  |
5 | subject_dn = "C=DE,O=Example Bank,CN=billing"
  |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

0 errors, 1 warning
"#);
}

#[test]
fn dn_has_openssl_s_label() {
    Folder::new().matcher("subject_dn = \"subject=C = DE, CN = billing\"").prints(
        r#"
error: application.credential.subject_dn: begins with the label "subject=" that openssl prints; leave it out
 --> applications.toml:5:14
  |
5 | subject_dn = "subject=C = DE, CN = billing"
  |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

1 error, 0 warnings
"#,
    );
}

#[test]
fn san_is_no_address() {
    Folder::new().matcher("san_ip = \"192.0.2.300\"").prints(r#"
error: application.credential.san_ip: "192.0.2.300" is not an IPv4 or IPv6 address without a port or a prefix length
 --> applications.toml:5:10
  |
5 | san_ip = "192.0.2.300"
  |          ^^^^^^^^^^^^^

1 error, 0 warnings
"#);
}

#[test]
fn san_is_no_dns_name() {
    Folder::new().matcher("san_dns = \"https://a.example\"").prints(
        r#"
error: application.credential.san_dns: "https://a.example" is not a host name such as client.example.com
 --> applications.toml:5:11
  |
5 | san_dns = "https://a.example"
  |           ^^^^^^^^^^^^^^^^^^^

1 error, 0 warnings
"#,
    );
}

#[test]
fn pin_holds_two_cas() {
    let two = Ca::new("A").pem() + &Ca::new("B").pem();
    Folder::new().write("two.pem", two).matcher("subject_dn = \"CN=a\"\nca = \"two.pem\"").prints(
        r#"
error: application.credential.ca: two.pem holds 2 certificates, expected the one CA
 --> applications.toml:6:6
  |
6 | ca = "two.pem"
  |      ^^^^^^^^^
  |
  = help: give a PEM file with the one CA that must have issued the certificate

1 error, 0 warnings
"#,
    );
}

#[test]
fn secret_file_is_missing() {
    Folder::new()
        .after("urls = [\"http://127.0.0.1:3000\"]", "headers = { cname-api-key = { file = \"nowhere\" } }")
        .prints(
            r#"
error: upstream.headers: nowhere can't be read: No such file or directory (os error 2)
 --> edge.toml:7:29
  |
7 | headers = { cname-api-key = { file = "nowhere" } }
  |                             ^^^^^^^^^^^^^^^^^^^^
  |
  = help: the secret must be one line of visible ASCII; surrounding white space is trimmed

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
  = help: the secret must be one line of visible ASCII; surrounding white space is trimmed

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
error: upstream.headers: secret holds something that a header can't carry
 --> edge.toml:7:29
  |
7 | headers = { cname-api-key = { file = "secret" } }
  |                             ^^^^^^^^^^^^^^^^^^^
  |
  = help: the secret must be one line of visible ASCII; surrounding white space is trimmed

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
error: upstream.ca: nowhere.pem can't be read: No such file or directory (os error 2)
 --> edge.toml:7:6
  |
7 | ca = "nowhere.pem"
  |      ^^^^^^^^^^^^^

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
error: domain.header_profile: the profile "auth0" sets a header that the upstream's own headers set too: client_certificate
 --> edge.toml:9:1
  |
9 | [[domain]]
  | ^^^^^^^^^^
  |
  = help: one of the two would be lost: rename the one under upstream.headers

1 error, 0 warnings
"#);
}

#[test]
fn applications_file_is_missing() {
    let folder = Folder::new();
    fs::remove_file(folder.path().join("applications.toml")).unwrap();
    folder.prints(
        r"
error: trust.applications: applications.toml: there is no such file
 --> edge.toml:1:1
  |
1 | [trust]
  | ^^^^^^^

1 error, 0 warnings
",
    );
}
