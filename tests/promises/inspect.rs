//! `inspect`, and the credentials that it suggests.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::support::{
    Ca,
    command::{check, edge, text},
    tool::openssl,
};

/// A valid configuration, to be broken by a test.
fn written() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let dir = folder.path().join("e");
    assert!(edge(&["init", dir.to_str().unwrap()]).status.success());
    (folder, dir)
}

/// A minimal configuration, so that line numbers stay readable.
fn minimal() -> (TempDir, PathBuf) {
    let (folder, dir) = written();
    let config = "[trust]\nclient_ca = [\"certs/client-ca.pem\"]\n[[upstream]]\nname = \"as\"\nurls = [\"http://127.0.0.1:3000\"]\n[[domain]]\nname = \"localhost\"\ncertificate = \"certs/server.pem\"\nprivate_key = \"certs/server.key\"\n";
    fs::write(dir.join("edge.toml"), config).unwrap();
    let applications = "[[application]]\nclient_id = \"billing\"\n[[application.credential]]\nname = \"a\"\ncertificate = \"certs/billing.pem\"\n";
    fs::write(dir.join("applications.toml"), applications).unwrap();
    assert!(check(&dir.join("edge.toml")).status.success());
    (folder, dir)
}

#[test]
fn inspect_prints_nothing_that_hides_or_reorders_a_name() {
    let folder = TempDir::new().unwrap();
    let hidden = [
        "\u{202e}",
        "\u{2028}",
        "\u{2029}",
        "\u{200b}",
        "\u{2066}",
        "\u{85}",
        "\u{7f}",
        "\u{1b}[2J",
        "\u{e0041}",
    ];
    // Issued by a CA, so that the subject is suggested.
    let name = format!("pay{}roll", hidden.concat());
    Ca::new("Corp CA").issue(&name, |_| {}).write(folder.path(), "a");
    let printed = edge(&["inspect", folder.path().join("a.pem").to_str().unwrap()]);
    assert!(printed.status.success());
    let printed = text(&printed.stdout);
    for part in hidden {
        let sign = part.chars().next().unwrap();
        assert!(!printed.contains(sign), "{sign:?} in {printed:?}");
    }
    // The printed name is escaped, not shortened, so that it matches the same name.
    assert!(printed.contains("pay\\E2\\80\\AE"), "{printed}");
}

#[test]
fn inspects_credential_is_accepted_and_matches() {
    let (_folder, dir) = minimal();
    let name = "/C=DE/O=Ex, \"Q\" + Co; x/businessCategory=Private/CN=M\u{fc}ller/emailAddress=a@b.example";
    let arguments =
        ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-nodes", "-utf8"];
    let rest = ["-keyout", "a.key", "-out", "a.pem", "-days", "90", "-subj", &name.replace('+', "\\+")];
    openssl(&dir, &[&arguments[..], &rest[..]].concat());
    let printed = edge(&["inspect", dir.join("a.pem").to_str().unwrap()]);
    let printed = text(&printed.stdout);
    let fingerprint = openssl(&dir, &["x509", "-in", "a.pem", "-noout", "-fingerprint", "-sha256"]);
    assert!(printed.contains(fingerprint.trim().split('=').nth(1).unwrap()), "{printed}");
    assert!(printed.contains("P-384"));
    let subject = openssl(&dir, &["x509", "-in", "a.pem", "-noout", "-subject", "-nameopt", "RFC2253"]);
    assert!(printed.contains(subject.trim().strip_prefix("subject=").unwrap()), "{printed}");

    let pasted = printed.split("[[application]]:\n\n").nth(1).unwrap().split("\nbytes of").next().unwrap();
    fs::write(dir.join("applications.toml"), format!("[[application]]\nclient_id = \"a\"\n{pasted}"))
        .unwrap();
    let output = check(&dir.join("edge.toml"));
    assert!(output.status.success(), "{}", text(&output.stderr));

    // The same name on a CA-issued certificate is suggested as a subject.
    let ca = Ca::new("CA").issue("payments", |_| {});
    ca.write(&dir, "ca-issued");
    let printed = edge(&["inspect", dir.join("ca-issued.pem").to_str().unwrap()]);
    assert!(text(&printed.stdout).contains("subject_dn = \"CN=payments,O=Example Bank,C=DE\""));
    let broken = edge(&["inspect", dir.join("edge.toml").to_str().unwrap()]);
    assert_eq!(broken.status.code(), Some(1));
    assert!(
        text(&broken.stderr).contains("is a configuration, expected what a client presents"),
        "{}",
        text(&broken.stderr)
    );
}

#[test]
fn a_subject_like_a_regular_expression_is_offered_escaped() {
    let (_folder, dir) = minimal();
    let ca = Ca::new("CA");
    fs::write(dir.join("certs/client-ca.pem"), ca.pem()).unwrap();
    for name in ["(.*", "[^,]+ (?i)", "a.*?", "^\\\\(.+"] {
        ca.issue(name, |_| {}).write(&dir, "odd");
        let printed = edge(&["inspect", dir.join("odd.pem").to_str().unwrap()]);
        let printed = text(&printed.stdout);
        let subject = printed.lines().find(|line| line.starts_with("subject_dn = ")).unwrap();
        let application = "[[application]]\nclient_id = \"a\"\nauth_method = \"tls_client_auth\"";
        let credential = format!("{application}\n[[application.credential]]\nname = \"a\"\n{subject}\n");
        fs::write(dir.join("applications.toml"), credential).unwrap();
        let output = check(&dir.join("edge.toml"));
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
}

/// The output of `inspect` for a file.
fn inspected(dir: &Path, file: &str) -> String {
    let output = edge(&["inspect", dir.join(file).to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).to_owned()
}

/// A CA made by openssl, and a certificate that it issued for a key of this kind, with these extensions; without any, of version 1.
fn issued(dir: &Path, key: &[&str], extensions: &[&str]) {
    let new_ca = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    openssl(
        dir,
        &[&new_ca[..], &["-keyout", "ca.key", "-out", "ca.pem", "-days", "9", "-subj", "/CN=CA"]].concat(),
    );
    openssl(dir, &[&["genpkey", "-out", "leaf.key"], key].concat());
    openssl(
        dir,
        &["req", "-new", "-key", "leaf.key", "-out", "leaf.csr", "-subj", "/C=DE/O=Example Bank/CN=payments"],
    );
    let sign = [
        "x509",
        "-req",
        "-in",
        "leaf.csr",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-days",
        "9",
    ];
    fs::write(dir.join("ext.cnf"), extensions.join("\n")).unwrap();
    let with: &[&str] = if extensions.is_empty() { &[] } else { &["-extfile", "ext.cnf"] };
    openssl(dir, &[&sign[..], with, &["-out", "leaf.pem"]].concat());
}

const P256: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];

#[test]
fn inspect_suggests_no_chain_that_does_not_verify() {
    for (extensions, fault) in [
        (&[][..], "X.509 version 1 certificate"),
        (&["extendedKeyUsage=serverAuth"], "does not include clientAuth"),
        (&["keyUsage=keyEncipherment"], "keyUsage includes neither digitalSignature nor keyAgreement"),
        (
            &["basicConstraints=CA:TRUE"],
            "a CA certificate (basicConstraints cA) is used as a client certificate",
        ),
        (&["1.2.3.4=critical,ASN1:NULL"], "1.2.3.4"),
    ] {
        let folder = TempDir::new().unwrap();
        issued(folder.path(), P256, extensions);
        let printed = inspected(folder.path(), "leaf.pem");
        let marked = printed.lines().find(|line| line.starts_with("tls_client_auth ")).unwrap();
        assert!(marked.contains("CAN'T WORK") && marked.contains(fault), "{printed}");
        assert!(printed.contains("-extfile ext.cnf"), "{printed}");
        assert!(!printed.contains("subject_dn ="), "{printed}");
        // Its thumbprint can still be registered.
        assert!(printed.contains("self_signed_tls_client_auth   works"), "{printed}");
        assert!(printed.contains("thumbprint = \""), "{printed}");
    }
    let folder = TempDir::new().unwrap();
    issued(folder.path(), P256, &["extendedKeyUsage=clientAuth,serverAuth"]);
    let printed = inspected(folder.path(), "leaf.pem");
    assert!(printed.contains("tls_client_auth               works"), "{printed}");
    assert!(printed.contains("subject_dn = \"CN=payments,O=Example Bank,C=DE\""), "{printed}");
    assert!(
        printed
            .lines()
            .any(|line| line.starts_with("extendedKeyUsage") && line.ends_with("serverAuth, clientAuth")),
        "{printed}"
    );
    // The output of this machine's openssl is one of the forms.
    let subject = openssl(folder.path(), &["x509", "-in", "leaf.pem", "-noout", "-subject"]);
    let subject = subject.trim().strip_prefix("subject=").unwrap();
    assert!(printed.lines().any(|line| line.ends_with(subject)), "{subject}: {printed}");
}

#[test]
fn inspect_suggests_only_usable_credentials() {
    for (key, fault) in [
        (&["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"][..], "RSA key has 1024 bits"),
        (&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"], "curve that is not accepted"),
        (&["-algorithm", "ED448"], "type that is not accepted"),
        (&["-algorithm", "RSA-PSS"], "id-RSASSA-PSS"),
        (
            &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit"],
            "curve that is not accepted",
        ),
    ] {
        let folder = TempDir::new().unwrap();
        issued(folder.path(), key, &["extendedKeyUsage=clientAuth"]);
        let printed = inspected(folder.path(), "leaf.pem");
        assert_eq!(printed.matches("CAN'T WORK").count(), 2, "{printed}");
        assert!(printed.contains(fault) && printed.contains("openssl genpkey"), "{printed}");
        assert!(!printed.contains("[[application.credential]]"), "{printed}");
    }
    for (kind, from, until, mark) in [("early", 1, 9, "NOT VALID YET"), ("late", -9, -1, "EXPIRED")] {
        let folder = TempDir::new().unwrap();
        let day = |days: i64| time::OffsetDateTime::now_utc() + time::Duration::days(days);
        let issued = Ca::new("CA").issue("payments", |params| {
            (params.not_before, params.not_after) = (day(from), day(until));
        });
        issued.write(folder.path(), kind);
        let printed = inspected(folder.path(), &format!("{kind}.pem"));
        assert!(printed.contains(mark), "{printed}");
        assert_eq!(printed.matches("CAN'T WORK").count(), 2, "{printed}");
        assert!(!printed.contains("[[application.credential]]"), "{printed}");
    }
}

#[test]
fn inspect_names_a_signature_by_sha_1() {
    let folder = TempDir::new().unwrap();
    issued(folder.path(), P256, &["extendedKeyUsage=clientAuth"]);
    let sign =
        ["x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-extfile", "ext.cnf"];
    openssl(folder.path(), &[&sign[..], &["-sha1", "-out", "leaf.pem"]].concat());
    let printed = inspected(folder.path(), "leaf.pem");
    let marked = printed.lines().find(|line| line.starts_with("tls_client_auth ")).unwrap();
    assert!(marked.contains("CAN'T WORK") && marked.contains("ecdsa-with-SHA1"), "{printed}");
    assert!(printed.contains("-sha256") && !printed.contains("subject_dn ="), "{printed}");
    // The edge compares its thumbprint and verifies no signature of an issuer.
    assert!(printed.contains("self_signed_tls_client_auth   works"), "{printed}");
}

#[test]
fn inspect_shows_the_chain_and_recognizes_a_key() {
    let folder = TempDir::new().unwrap();
    issued(folder.path(), P256, &["extendedKeyUsage=clientAuth"]);
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    fs::write(folder.path().join("chain.pem"), read("leaf.pem") + &read("ca.pem")).unwrap();
    let printed = inspected(folder.path(), "chain.pem");
    assert!(printed.contains("certificate 2 of 2      CN=CA"), "{printed}");
    let key = edge(&["inspect", folder.path().join("leaf.key").to_str().unwrap()]);
    assert_eq!(key.status.code(), Some(1));
    assert!(text(&key.stderr).contains("private key"), "{}", text(&key.stderr));
}

/// Comparing every comma's remaining text with each attribute name would take hours.
#[test]
fn inspect_ends_on_a_subject_of_thousands_of_commas() {
    let folder = TempDir::new().unwrap();
    let name = format!("{}=", "a,".repeat(28_000));
    Ca::new("Corp CA").issue(&name, |_| {}).write(folder.path(), "a");
    let printed = edge(&["inspect", folder.path().join("a.pem").to_str().unwrap()]);
    assert!(printed.status.success());
    assert!(text(&printed.stdout).contains("a,a,a,"));
}
