//! Messages about the credentials of applications.

use super::*;

#[test]
fn application_certificate_is_missing() {
    Folder::new().matcher("certificate = \"nobody.pem\"").prints(
        r#"
error: application.credential.certificate: nobody.pem cannot be read: No such file or directory (os error 2)
 --> applications.toml:5:15
  |
5 | certificate = "nobody.pem"
  |               ^^^^^^^^^^^^
  |
  = help: provide the application's certificate (not its key) as PEM or DER

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
    let end = time_from_now(-60);
    let past = self_signed_with("billing", |params| params.not_after = end);
    folder.credentials("billing", &past).prints(
        &r#"
warning: application.credential.certificate: billing.pem has expired (on END): it is refused
 --> applications.toml:5:15
  |
5 | certificate = "billing.pem"
  |               ^^^^^^^^^^^^^
  |
  = help: add the next certificate as a second credential, then remove this one

0 errors, 1 warning
"#
        .replace("END", &rfc3339(end)),
    );
}

#[test]
fn application_certificate_is_not_valid_yet() {
    let folder = Folder::new();
    let begin = time_from_now(3 * 86_400);
    let future = self_signed_with("billing", |params| params.not_before = begin);
    let (accepted, printed) = folder.credentials("billing", &future).check();
    assert!(accepted, "{printed}");
    let begin = rfc3339(begin);
    for expected in [
        format!(
            "warning: application.credential.certificate: billing.pem is not valid yet (before {begin}): until then it is refused"
        ),
        " --> applications.toml:5:15\n".to_owned(),
        "= help: check the clock: it is 20".to_owned(),
        "here; until then, keep the previous credential\n\n0 errors, 1 warning".to_owned(),
    ] {
        assert!(printed.contains(&expected), "{expected}: {printed}");
    }
}

#[test]
fn thumbprint_is_sha1() {
    Folder::new().matcher("thumbprint = \"0123456789abcdef0123456789abcdef01234567\"").prints(r#"
error: application.credential.thumbprint: looks like SHA-1 (20 bytes); a SHA-256 thumbprint is 64 hex digits or 43 characters of base64: `mtls-edge inspect CERT` prints it
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
error: application.credential.subject_dn: the order of "C=DE, O=Example Bank, CN=billing" is ambiguous; if it begins with the least specific part (as openssl prints it) write "CN=billing,O=Example Bank,C=DE", if it begins with the most specific (as keytool, PowerShell and LDAP print it) write "C=DE,O=Example Bank,CN=billing"
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
warning: application.credential.subject_dn: without spaces it is read as RFC 4514, so that "C=DE" is the most specific part; if the certificate has it the other way round, write "CN=billing,O=Example Bank,C=DE"
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
error: application.credential.subject_dn: begins with the label "subject="; write "CN=billing,C=DE"
 --> applications.toml:5:14
  |
5 | subject_dn = "subject=C = DE, CN = billing"
  |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

1 error, 0 warnings
"#,
    );
}

#[test]
fn san_is_not_an_address() {
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
fn san_is_not_a_dns_name() {
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
error: application.credential.ca: two.pem contains 2 certificates, expected one CA
 --> applications.toml:6:6
  |
6 | ca = "two.pem"
  |      ^^^^^^^^^
  |
  = help: provide a PEM file with only the CA that must have issued the certificate

1 error, 0 warnings
"#,
    );
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
  |
  = help: create it with an [[application]] for each client, or name another file as applications in [trust]

1 error, 0 warnings
",
    );
}

const BY_SUBJECT: &str = r#"[[application]]
client_id = "a"
[[application.credential]]
name = "a"
subject_dn = "CN=pay,O=X"

[[application]]
client_id = "b"
[[application.credential]]
name = "b"
subject_dn = "CN=PAY,O=X"
"#;

#[test]
fn two_applications_have_one_subject() {
    Folder::new().write("applications.toml", BY_SUBJECT).prints(
        r#"
error: application.credential: the subject "CN=PAY,O=X" is registered for "a" already (names are equal without regard to case, spaces and string types)
  --> applications.toml:11:14
   |
11 | subject_dn = "CN=PAY,O=X"
   |              ^^^^^^^^^^^^
   |
   = help: give each application a unique subject, or pin each to another CA with ca: a certificate must belong to one application

1 error, 0 warnings
"#,
    );
}

#[test]
fn two_applications_have_one_subject_under_different_pins() {
    let folder = Folder::new();
    let (one, two) = (Ca::new("One"), Ca::new("Two"));
    folder
        .write("client-ca.pem", one.pem() + &two.pem())
        .write("one.pem", one.pem())
        .write("two.pem", two.pem());
    let pinned = BY_SUBJECT.replace("O=X\"\n\n", "O=X\"\nca = \"one.pem\"\n\n") + "ca = \"two.pem\"\n";
    let output = folder.write("applications.toml", pinned).check();
    assert!(output.0, "{}", output.1);
}

#[test]
fn two_applications_have_one_subject_under_pins_that_can_meet() {
    let folder = Folder::new();
    let root = Ca::new("Root CA");
    let issuing = root.intermediate("Issuing CA", |_| {});
    let lower = issuing.intermediate("Lower CA", |_| {});
    let bundle = root.pem() + &issuing.pem();
    for (cas, one, two) in [
        (&bundle, &root, &issuing),
        (&bundle, &issuing, &root),
        // An intermediate that clients present.
        (&root.pem(), &root, &issuing),
        // An edit distance of two.
        (&(bundle.clone() + &lower.pem()), &root, &lower),
    ] {
        folder.write("client-ca.pem", cas).write("one.pem", one.pem()).write("two.pem", two.pem());
        let pinned = BY_SUBJECT.replace("O=X\"\n\n", "O=X\"\nca = \"one.pem\"\n\n") + "ca = \"two.pem\"\n";
        let (content, printed) = folder.write("applications.toml", pinned).check();
        assert!(content, "{printed}");
        assert!(
            printed.starts_with(
                "warning: application.credential: the subject \"CN=PAY,O=X\" is registered for \"a\" already (names are equal without regard to case, spaces and string types), and one certification path can contain both pinned CAs: its certificate would match both applications\n  --> applications.toml:12:14\n"
            ),
            "{printed}"
        );
    }
}

#[test]
fn pin_is_not_a_client_ca() {
    let folder = Folder::new();
    let root = Ca::new("Client CA");
    let (issuing, stranger) = (root.intermediate("Issuing CA", |_| {}), Ca::new("Stranger CA"));
    let lower = issuing.intermediate("Lower CA", |_| {});
    folder.write("client-ca.pem", root.pem());
    for (pin, expected) in [
        (&root, ""),
        (&issuing, ""),
        (
            &lower,
            "warning: application.credential.ca: pin.pem: the CA \"CN=Lower CA\" is not a client CA, nor is its issuer \"CN=Issuing CA\"",
        ),
        (
            &stranger,
            "error: application.credential.ca: pin.pem: the CA \"CN=Stranger CA\" is neither a client CA nor issued by one",
        ),
        // The file name alone does not decide.
        (
            &Ca::new("Client CA"),
            "error: application.credential.ca: pin.pem: the CA \"CN=Client CA\" is neither a client CA nor issued by one",
        ),
        (
            &Ca::new("Client CA").intermediate("Issuing CA", |_| {}),
            "error: application.credential.ca: pin.pem: the CA \"CN=Issuing CA\"",
        ),
    ] {
        folder.write("pin.pem", pin.pem()).matcher("subject_dn = \"CN=a,O=b\"\nca = \"pin.pem\"");
        let (accepted, printed) = folder.check();
        assert_eq!(accepted, !expected.starts_with("error"), "{printed}");
        assert!(
            printed.contains(expected)
                && printed.contains("application.credential.ca") != expected.is_empty(),
            "{printed}"
        );
    }
}

#[test]
fn a_file_registers_its_first_certificate_only() {
    let folder = Folder::new();
    let root = Ca::new("Root");
    let issued = root.intermediate("Issuing CA", |_| {}).issue("billing", |_| {});
    let stranger = self_signed("other").chain_pem();
    folder.matcher("certificate = \"x.pem\"");
    for (text, accepted) in [
        (issued.chain_pem(), true),
        (issued.chain_pem() + &root.pem(), true),
        (issued.chain_pem() + &stranger, false),
        (stranger.clone() + &issued.chain_pem(), false),
        (stranger.clone(), true),
    ] {
        let (checked, printed) = folder.write("x.pem", text).check();
        assert_eq!(checked, accepted, "{printed}");
        assert!(accepted || printed.contains("is not an issuer of the first"), "{printed}");
    }
}
