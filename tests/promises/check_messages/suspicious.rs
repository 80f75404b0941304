//! Registrations that no certificate can match, or only an unintended one.

use super::*;

const PAYMENTS: &str = r#"[[application]]
client_id = "payments"
[[application.credential]]
name = "a"
subject_dn = "CN=payments,O=Example Bank,C=DE"
"#;

#[test]
fn no_client_ca_for_an_application_that_needs_one() {
    let folder = Folder::new();
    let config = EDGE.replace("client_ca = [\"client-ca.pem\"]", "client_ca = []");
    folder.write("edge.toml", &config).write("applications.toml", PAYMENTS).prints(r#"
error: trust.client_ca: names no client CA, but "payments" authenticates with tls_client_auth: each of its requests would be refused
 --> edge.toml:2:1
  |
2 | client_ca = []
  | ^^^^^^^^^
  |
  = help: write client_ca = ["certs/client-ca.pem"] with the CA that issues to your applications

1 error, 0 warnings
"#);
    // Without the section, and with a pin, which is not another mistake if there is no client CA.
    let (config, pinned) = (
        EDGE.replace("client_ca = [\"client-ca.pem\"]\n", ""),
        format!("{PAYMENTS}ca = \"client-ca.pem\"\n"),
    );
    let second = PAYMENTS.replace("\"payments\"", "\"orders\"").replace("CN=payments", "CN=orders");
    let (accepted, printed) =
        folder.write("edge.toml", config).write("applications.toml", pinned + &second).check();
    assert!(!accepted && printed.ends_with("1 error, 0 warnings\n"), "{printed}");
    assert!(printed.contains("\"orders\" (and 1 more) authenticates with tls_client_auth"), "{printed}");
    // A certificate that is registered by thumbprint needs no client CA.
    let (accepted, printed) = folder.write("applications.toml", APPLICATIONS).check();
    assert!(accepted, "{printed}");
}

#[test]
fn a_wildcard_matches_no_certificate() {
    let folder = Folder::new();
    folder.matcher("san_dns = \"*.example.com\"").prints(r#"
error: application.credential.san_dns: found "*.example.com", expected a full DNS name: a * is not a wildcard here, so no certificate matches
 --> applications.toml:5:11
  |
5 | san_dns = "*.example.com"
  |           ^^^^^^^^^^^^^^^
  |
  = help: register each certificate's own name, such as san_dns = "payments.example.com"

1 error, 0 warnings
"#);
    for line in [
        "san_dns = \"pay*.example.com\"",
        "san_dns = \"payments.*\"",
        "san_email = \"*@example.com\"",
        "san_email = \"a@*.example.com\"",
    ] {
        let (accepted, printed) = folder.matcher(line).check();
        assert!(!accepted && printed.contains("a * is not a wildcard here"), "{line}: {printed}");
    }
    let (accepted, printed) = folder.matcher("san_uri = \"spiffe://example.com/*\"").check();
    assert!(accepted && printed.contains("warning: application.credential.san_uri"), "{printed}");
}

#[test]
fn thumbprint_is_a_placeholder() {
    let folder = Folder::new();
    folder.matcher(&format!("thumbprint = \"{}\"", "00".repeat(32))).prints(r#"
warning: application.credential.thumbprint: looks like a placeholder: its bytes follow a pattern, unlike those of a hash
 --> applications.toml:5:14
  |
5 | thumbprint = "0000000000000000000000000000000000000000000000000000000000000000"
  |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write the thumbprint that `mtls-edge inspect CERT` prints for the application's certificate

0 errors, 1 warning
"#);
    let counting = (0..32).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":");
    for (text, expected) in [
        ("0123456789abcdef".repeat(4), "looks like a placeholder"),
        (format!("{:064x}", 1), "looks like a placeholder"),
        (counting, "looks like a placeholder"),
        (
            "1a2b3c4d5e6f7a8b9c0d1e2f3a4b5c6d7e8f9a0b1c2d3e4f5a6b7c8d9e0f1a2b".to_owned(),
            "looks like a placeholder",
        ),
        ("A".repeat(43), "looks like a placeholder"),
        (
            "3b:1f:0a:c4:5d:7e:92:66:80:b7:11:fe:29:4c:d8:03:9a:e5:71:36:4f:c2:08:bd:67:f3:1e:55:a9:90:2c:d4"
                .to_owned(),
            "is an example from the documentation",
        ),
        ("Gsvs7xJ0kKfyGyNwAkhx7hDQW6WJGfPwJfoSgpm4wOI".to_owned(), "is an example from the documentation"),
        (
            "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855".to_owned(),
            "is the SHA-256 of empty input",
        ),
    ] {
        let (accepted, printed) = folder.matcher(&format!("thumbprint = \"{text}\"")).check();
        assert!(
            accepted && printed.contains(&format!("warning: application.credential.thumbprint: {expected}")),
            "{text}: {printed}"
        );
    }
    let (_, printed) = folder.matcher(&format!("thumbprint = \"{}\"", self_signed("a").thumbprint())).check();
    assert_eq!(printed, "");
    let one = |number: u8| {
        format!(
            "[[application]]\nclient_id = \"{number}\"\n[[application.credential]]\nname = \"a\"\nthumbprint = \"{number:064x}\"\n"
        )
    };
    let many = (1..=30).map(one).collect::<Vec<_>>().concat();
    let (_, printed) = folder.write("applications.toml", many).check();
    assert!(
        printed.contains("(20 more of this kind are not shown)")
            && printed.ends_with("0 errors, 10 warnings\n"),
        "{printed}"
    );
}

#[test]
fn one_client_id_twice_is_one_mistake() {
    let folder = Folder::new();
    folder.write("applications.toml", APPLICATIONS.repeat(2)).prints(
        r#"
error: application.client_id: found "billing" a second time; the first is on line 2
 --> applications.toml:7:13
  |
7 | client_id = "billing"
  |             ^^^^^^^^^
  |
  = help: put both credentials under one [[application]]

1 error, 0 warnings
"#,
    );
}
