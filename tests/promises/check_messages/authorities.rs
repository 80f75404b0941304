//! Messages about client CAs and CRLs.

use rcgen::{IsCa, KeyUsagePurpose};

use super::*;

#[test]
fn client_ca_is_not_a_certificate() {
    Folder::new().write("client-ca.pem", "x").prints(
        r#"
error: trust.client_ca: client-ca.pem contains no certificate (no "-----BEGIN CERTIFICATE-----" line)
 --> edge.toml:2:14
  |
2 | client_ca = ["client-ca.pem"]
  |              ^^^^^^^^^^^^^^^
  |
  = help: provide a PEM file with the certificates of your client CAs

1 error, 0 warnings
"#,
    );
}

#[test]
fn client_ca_is_not_a_ca() {
    Folder::new().write("client-ca.pem", ca_with(|params| params.is_ca = IsCa::ExplicitNoCa)).prints(r#"
warning: trust.client_ca: client-ca.pem: client CA "CN=Client CA" is unusable: it is not a CA certificate (basicConstraints cA is not set)
 --> edge.toml:2:14
  |
2 | client_ca = ["client-ca.pem"]
  |              ^^^^^^^^^^^^^^^
  |
  = help: no certificate that it issued will be accepted; replace or remove it

0 errors, 1 warning
"#);
}

#[test]
fn client_ca_may_not_sign_certificates() {
    Folder::new().write("client-ca.pem", ca_with(|params| params.key_usages.retain(|usage| *usage == KeyUsagePurpose::CrlSign))).prints(r#"
warning: trust.client_ca: client-ca.pem: client CA "CN=Client CA" is unusable: its keyUsage does not include keyCertSign
 --> edge.toml:2:14
  |
2 | client_ca = ["client-ca.pem"]
  |              ^^^^^^^^^^^^^^^
  |
  = help: no certificate that it issued will be accepted; replace or remove it

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
warning: trust.client_ca: client-ca.pem contains a public CA of the system's root store
 --> edge.toml:2:14
  |
2 | client_ca = ["client-ca.pem"]
  |              ^^^^^^^^^^^^^^^
  |
  = help: anyone can obtain a certificate from it: trust only CAs that issue to your own applications

0 errors, 1 warning
"#,
    );
}

#[test]
fn crl_is_none() {
    Folder::new().write("a.crl", "x").after("client_ca = [\"client-ca.pem\"]", "crls = [\"a.crl\"]").prints(
        r#"
error: trust.crls: a.crl contains no CRL (no "-----BEGIN X509 CRL-----" line)
 --> edge.toml:3:9
  |
3 | crls = ["a.crl"]
  |         ^^^^^^^
  |
  = help: provide a CRL as PEM ("-----BEGIN X509 CRL-----") or DER

1 error, 0 warnings
"#,
    );
}

#[test]
fn an_early_client_ca_is_a_matter_of_the_clock() {
    let folder = Folder::new();
    folder.write("client-ca.pem", ca_with(|params| params.not_before = rcgen::date_time_ymd(2039, 1, 1)));
    let (_, printed) = folder.check();
    assert!(printed.contains("= help: check the clock: it is "), "{printed}");
    assert!(!printed.contains("replace or remove it"), "{printed}");
}

#[test]
fn a_problem_of_a_whole_file_shows_no_comment() {
    let folder = Folder::new();
    folder.write("applications.toml", "# [[application]]\n# client_id = \"billing\"");
    let (_, printed) = folder.check();
    assert!(printed.contains("no application is registered"), "{printed}");
    assert!(
        printed.contains("\n--> applications.toml\n") && !printed.contains("applications.toml:2"),
        "{printed}"
    );
}
