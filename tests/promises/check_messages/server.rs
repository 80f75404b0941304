//! Messages about a domain's certificate and key.

use super::*;
use crate::support::{certificates::pem, tool::openssl};

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
   = help: use the key that the certificate was issued for: `openssl pkey -in server.key -pubout` and `openssl x509 -in server.pem -noout -pubkey` must print the same

1 error, 0 warnings
"#,
    );
}

#[test]
fn server_key_is_not_a_key() {
    Folder::new().write("server.key", "no key").prints(
        r#"
error: domain.private_key: server.key contains no private key in PEM (no "-----BEGIN PRIVATE KEY-----" line)
  --> edge.toml:11:15
   |
11 | private_key = "server.key"
   |               ^^^^^^^^^^^^
   |
   = help: provide an RSA, ECDSA or Ed25519 key in PEM: PKCS#8, PKCS#1 or SEC1

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
error: domain.private_key: server.key cannot be read: No such file or directory (os error 2)
  --> edge.toml:11:15
   |
11 | private_key = "server.key"
   |               ^^^^^^^^^^^^
   |
   = help: name the file with the certificate's private key; a relative path starts at the folder of edge.toml

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
   = help: run: chmod o= server.key

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
   = help: provide a PEM file with the server's certificate first, then its intermediates

1 error, 0 warnings
"#,
    );
}

#[test]
fn server_certificate_is_broken_off() {
    Folder::new().write("server.pem", "-----BEGIN CERTIFICATE-----\nMIIB").prints(
        r#"
error: domain.certificate: server.pem is truncated: the section that begins on line 1 has no "-----END CERTIFICATE-----" line
  --> edge.toml:10:15
   |
10 | certificate = "server.pem"
   |               ^^^^^^^^^^^^
   |
   = help: provide a PEM file with the server's certificate first, then its intermediates

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
fn server_certificate_is_not_the_first() {
    let folder = Folder::new();
    let server = Ca::new("Root").intermediate("Issuing CA", |_| {}).server(&["mtls.example.test"]);
    folder.credentials("server", &server);
    let turned: String = server.chain.iter().rev().map(pem).collect();
    folder.write("server.pem", turned).prints(r#"
error: domain.certificate: server.pem does not begin with the server's certificate: server.key is the key of certificate 2 of 2
  --> edge.toml:10:15
   |
10 | certificate = "server.pem"
   |               ^^^^^^^^^^^^
   |
   = help: move certificate 2 (CN=mtls.example.test) to the top of the file, and put each issuer after the certificate that it issued

1 error, 0 warnings
"#);
}

#[test]
fn server_certificate_has_expired() {
    let end = time_from_now(-60);
    expired(&Folder::new(), end).prints(
        &r#"
error: domain.certificate: server.pem has expired (on END): clients will refuse it
  --> edge.toml:10:15
   |
10 | certificate = "server.pem"
   |               ^^^^^^^^^^^^
   |
   = help: renew it, and write the new chain to server.pem

1 error, 0 warnings
"#
        .replace("END", &rfc3339(end)),
    );
}

fn expired(folder: &Folder, end: time::OffsetDateTime) -> &Folder {
    folder.credentials("server", &server_with(|params| params.not_after = end))
}

fn server_with(change: impl FnOnce(&mut CertificateParams)) -> Credentials {
    Ca::new("Server CA").server_with(&["mtls.example.test"], change)
}

#[test]
fn server_certificate_is_not_valid_yet() {
    let folder = Folder::new();
    let begin = time_from_now(3 * 86_400);
    let (accepted, printed) =
        folder.credentials("server", &server_with(|params| params.not_before = begin)).check();
    let begin = rfc3339(begin);
    assert!(!accepted && printed.ends_with("1 error, 0 warnings\n"), "{printed}");
    for expected in [
        format!(
            "error: domain.certificate: server.pem is not valid yet (before {begin}): clients will refuse it\n"
        ),
        "= help: use a certificate that is valid now, or check the clock: it is 20".to_owned(),
    ] {
        assert!(printed.contains(&expected), "{expected}: {printed}");
    }
}

#[test]
fn server_certificate_is_about_to_expire() {
    let folder = Folder::new();
    let soon = server_with(|params| params.not_after = time_from_now(5 * 86_400 + 60));
    let (accepted, printed) = folder.credentials("server", &soon).check();
    assert!(
        accepted && printed.contains("warning: domain.certificate: server.pem expires in 5 days\n"),
        "{printed}"
    );
    let today = server_with(|params| params.not_after = time_from_now(5 * 3600 + 60));
    let (_, printed) = folder.credentials("server", &today).check();
    assert!(printed.contains("server.pem expires in 5 h\n"), "{printed}");
}

#[test]
fn an_expired_intermediate_is_a_warning() {
    let folder = Folder::new();
    let issuing = Ca::new("Root").intermediate("Issuing CA", |params| params.not_after = time_from_now(-60));
    let (accepted, printed) = folder.credentials("server", &issuing.server(&["mtls.example.test"])).check();
    assert!(
        accepted && printed.contains("server.pem: certificate 2, \"CN=Issuing CA\", has expired (on "),
        "{printed}"
    );
}

#[test]
fn server_certificate_has_no_dns_name_or_another_purpose() {
    let folder = Folder::new();
    let bare = Ca::new("CA").issue("mtls.example.test", |_| {});
    let (accepted, printed) = folder.credentials("server", &bare).check();
    assert!(accepted, "{printed}");
    for expected in [
        "warning: domain.certificate: server.pem does not name mtls.example.test: it has no DNS name (the common name does not count): clients will refuse it\n",
        "warning: domain.certificate: server.pem is not a server certificate: its extendedKeyUsage does not include serverAuth: clients will refuse it\n",
    ] {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
    // A certificate as `openssl req` makes it without a configuration: version 1, with a common name only.
    openssl(
        folder.path(),
        &[
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            "server.key",
            "-out",
            "a.csr",
            "-subj",
            "/CN=mtls.example.test",
        ],
    );
    openssl(
        folder.path(),
        &["x509", "-req", "-in", "a.csr", "-signkey", "server.key", "-out", "server.pem", "-days", "30"],
    );
    let (accepted, printed) = folder.check();
    assert!(!accepted && printed.ends_with("1 error, 0 warnings\n"), "{printed}");
    let expected =
        "it has no extensions, as issued by `openssl x509 -req` without -extfile: clients will refuse it\n";
    assert!(printed.contains(expected), "{printed}");
}

#[test]
fn a_certificate_that_does_not_belong_to_the_chain() {
    let folder = Folder::new();
    let chain = fs::read_to_string(folder.path().join("server.pem")).unwrap();
    let stranger = self_signed("stranger").chain_pem();
    let (accepted, printed) = folder.write("server.pem", format!("{chain}{stranger}")).check();
    let expected = "warning: domain.certificate: server.pem: certificate 2, \"CN=stranger,O=Example Bank,C=DE\", has issued no other certificate of the file: clients cannot use it\n";
    assert!(accepted && printed.contains(expected), "{printed}");
}

#[test]
fn an_unset_variable_in_a_path_is_named() {
    let folder = Folder::new();
    folder.write("edge.toml", EDGE.replace("\"server.pem\"", "\"${CERT_DIR}/server.pem\"")).prints(
        r#"
error: domain.certificate: the environment variable CERT_DIR is not set
  --> edge.toml:10:15
   |
10 | certificate = "${CERT_DIR}/server.pem"
   |               ^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = help: set CERT_DIR in the environment of the edge (systemd: Environment= or EnvironmentFile=), or write ${CERT_DIR:-default}

1 error, 0 warnings
"#,
    );
    for (path, help) in [
        ("~/server.pem", "write the path of the home folder itself"),
        ("server.pem ", "did you mean \"server.pem\"?"),
        ("sever.pem", "did you mean \"server.pem\"?"),
        ("$DIR/server.pem", "write the path itself in place of $DIR"),
        ("certs/server.pem", "; a relative path is resolved against the folder of the file that contains it"),
        ("file:///server.pem", "write the path alone, without file:"),
    ] {
        folder.write("edge.toml", EDGE.replace("\"server.pem\"", &format!("{path:?}")));
        let (accepted, printed) = folder.check();
        assert!(!accepted && printed.contains(help), "{path}: {printed}");
    }
}

#[test]
fn a_key_of_another_user_names_the_user_and_the_command() {
    use std::os::unix::{fs::PermissionsExt, process::CommandExt};
    const NOBODY: u32 = 65534;
    let folder = Folder::new();
    let key = folder.path().join("server.key");
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let as_other = |program: &str| {
        let mut command = std::process::Command::new(program);
        // Root can read every file.
        if run(folder.path(), "id", &["-u"]).trim() == "0" {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    };
    let user = String::from_utf8(as_other("id").arg("-un").output().unwrap().stdout).unwrap();
    let user = user.trim();
    let edge = folder.path().join("mtls-edge");
    // Not by this process: a child of another test could still have it open for writing when it is executed.
    run(folder.path(), "cp", &[program().get_program().to_str().unwrap(), edge.to_str().unwrap()]);
    mode(folder.path(), 0o755);
    let check = || {
        let mut command = as_other(edge.to_str().unwrap());
        let output =
            command.args(["check", "--config"]).arg(folder.path().join("edge.toml")).output().unwrap();
        String::from_utf8(output.stderr).unwrap().replace(&format!("{}/", folder.path().display()), "")
    };
    mode(&key, 0o000);
    let printed = check();
    assert!(
        printed.contains(&format!(
            "domain.private_key: server.key cannot be read by the user {user}: permission denied\n"
        )),
        "{printed}"
    );
    let help =
        format!("= help: as root run: setfacl -m u:{user}:r server.key (or: chown {user} server.key)\n");
    assert!(printed.contains(&help), "{printed}");
    // Accessible to root only, like certbot's folder of live certificates.
    let live = folder.path().join("live");
    fs::create_dir(&live).unwrap();
    fs::rename(&key, live.join("server.key")).unwrap();
    std::os::unix::fs::symlink(live.join("server.key"), &key).unwrap();
    mode(&live, 0o000);
    let printed = check();
    mode(&live, 0o755);
    let help = format!(
        "= help: {user} has no search permission on the folder live; as root run: setfacl -m u:{user}:x live\n"
    );
    assert!(printed.contains(&help), "{printed}");
}

#[test]
fn certificate_and_key_are_swapped() {
    let folder = Folder::new();
    let config = EDGE
        .replace("certificate = \"server.pem\"", "certificate = \"server.key\"")
        .replace("private_key = \"server.key\"", "private_key = \"server.pem\"");
    folder.write("edge.toml", config).prints(
        r#"
error: domain.certificate: server.key contains the private key, and server.pem the certificate
  --> edge.toml:10:15
   |
10 | certificate = "server.key"
   |               ^^^^^^^^^^^^
   |
   = help: swap certificate and private_key

1 error, 0 warnings
"#,
    );
}

#[test]
fn a_key_for_a_certificate_is_named() {
    let folder = Folder::new();
    self_signed("other").write(folder.path(), "other");
    let (accepted, printed) =
        folder.write("edge.toml", EDGE.replace("\"server.pem\"", "\"other.key\"")).check();
    assert!(
        !accepted
            && printed
                .contains("= help: use the file with the certificate, not its key; if it contains both"),
        "{printed}"
    );
    // One file for both that contains only the key.
    let (_, printed) = folder.write("edge.toml", EDGE.replace("\"server.pem\"", "\"server.key\"")).check();
    assert!(printed.contains("= help: certificate and private_key name the same file"), "{printed}");
    // A certificate that is not the server's gets no further messages.
    folder.write("edge.toml", EDGE).credentials("server", &Ca::new("CA").issue("a", |_| {}));
    let (_, printed) = folder.write("server.key", self_signed("b").key_pem()).check();
    assert!(printed.ends_with("1 error, 0 warnings\n"), "{printed}");
}
