//! The commands beside `run`, as an operator types them.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

use crate::support::{
    Ca,
    certificates::{openssl, run},
    program, self_signed,
};

fn edge(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

fn check(config: &Path) -> Output {
    edge(&["check", "--config", config.to_str().unwrap()])
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn demo_prints_two_tokens_that_are_bound_to_their_certificates() {
    let output = edge(&["demo", "--once"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    assert_eq!(printed.matches("  token  ey").count(), 2, "{printed}");
    for line in printed.lines().filter(|line| line.contains("equals cnf")) {
        let thumbprint = line.split_whitespace().find(|word| word.len() == 43).unwrap();
        assert!(printed.contains(&format!("\"x5t#S256\": \"{thumbprint}\"")), "{printed}");
    }
    assert!(printed.contains("billing, by self_signed_tls_client_auth"));
    assert!(printed.contains("payments, by tls_client_auth"));
    let folder = printed.lines().find_map(|line| line.strip_prefix("files")).unwrap().trim();
    assert!(!Path::new(folder).exists(), "{folder} is left behind");
}

#[test]
fn what_demo_and_init_write_nobody_else_can_write_whatever_the_umask() {
    let folder = TempDir::new().unwrap();
    let binary = program().get_program().to_owned();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let mut demo = Command::new("sh")
        .args(["-c", "umask 000 && exec \"$0\" demo --port 0"])
        .arg(&binary)
        .env("TMPDIR", folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("it serves until Ctrl-C")));
    let folders: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(folders.iter().map(|path| mode(path)).collect::<Vec<_>>(), [0o700]);
    run(folder.path(), "kill", &["-TERM", &demo.id().to_string()]);
    assert!(demo.wait().unwrap().success());

    let output = Command::new("sh")
        .args(["-c", "umask 000 && exec \"$0\" init new"])
        .arg(&binary)
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let new = folder.path().join("new");
    assert_eq!(
        (mode(&new), mode(&new.join("edge.toml")), mode(&new.join("certs/server.key"))),
        (0o755, 0o644, 0o600)
    );
    let output = check(&new.join("edge.toml"));
    assert!(text(&output.stdout).ends_with("no problems\n"), "{}", text(&output.stderr));
}

#[test]
fn check_accepts_what_init_writes_and_init_overwrites_nothing() {
    let folder = TempDir::new().unwrap();
    let dir = folder.path().join("new/edge");
    let output = edge(&["init", dir.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let output = check(&dir.join("edge.toml"));
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).ends_with("no problems\n"));

    let before = fs::read(dir.join("certs/server.key")).unwrap();
    let output = edge(&["init", dir.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stderr),
        format!(
            "error: {}/edge.toml exists already: nothing was written; give another folder\n",
            dir.display()
        )
    );
    assert_eq!(fs::read(dir.join("certs/server.key")).unwrap(), before);
}

#[test]
fn check_accepts_the_repository_s_own_configuration() {
    let folder = TempDir::new().unwrap();
    for part in ["config", "certs"] {
        copy(&repository().join(part), &folder.path().join(part));
    }
    run(folder.path(), "bash", &["certs/generate.sh"]);
    let output = check(&folder.path().join("config/edge.toml"));
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).ends_with("no problems\n"), "{}", text(&output.stderr));
}

#[test]
fn check_accepts_every_configuration_of_the_deployment_pages() {
    for server in ["auth0", "keycloak", "oidc-provider"] {
        let folder = TempDir::new().unwrap();
        copy(&repository().join("docs/deploy").join(server), folder.path());
        let config = fs::read_to_string(folder.path().join("edge.toml")).unwrap();
        let name = config.split("[[domain]]").nth(1).unwrap().split("name = \"").nth(1).unwrap();
        let name = name.split('"').next().unwrap();
        let ca = Ca::new("CA");
        for part in ["certs", "secrets"] {
            fs::create_dir(folder.path().join(part)).unwrap();
        }
        let certs = folder.path().join("certs");
        ca.server(&[name]).write(&certs, "server");
        run(folder.path(), "chmod", &["600", "certs/server.key"]);
        for name in ["client-ca", "corp-ca", "upstream-ca"] {
            fs::write(certs.join(format!("{name}.pem")), ca.pem()).unwrap();
        }
        for name in ["billing", "billing-2026", "billing-2027"] {
            self_signed(name).write(&certs, name);
        }
        fs::write(folder.path().join("secrets/cname-api-key"), "key\n").unwrap();
        let output = check(&folder.path().join("edge.toml"));
        assert!(output.status.success(), "{server}: {}", text(&output.stderr));
        assert!(text(&output.stdout).ends_with("no problems\n"), "{server}: {}", text(&output.stderr));
    }
}

/// A configuration that is right but for what a test breaks.
fn written() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let dir = folder.path().join("e");
    assert!(edge(&["init", dir.to_str().unwrap()]).status.success());
    (folder, dir)
}

/// A minimal configuration, so that line numbers stay readable.
fn minimal() -> (TempDir, PathBuf) {
    let (folder, dir) = written();
    let config = "[trust]\nclient_ca = [\"certs/client-ca.pem\"]\n[[upstream]]\nname = \"as\"\nurls = [\"http://127.0.0.1:3000\"]\n[[domain]]\nname = \"mtls.localhost\"\ncertificate = \"certs/server.pem\"\nprivate_key = \"certs/server.key\"\n";
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
    // Issued by a CA, so that the subject is offered to be pasted.
    let name = format!("pay{}roll", hidden.concat());
    Ca::new("Corp CA").issue(&name, |_| {}).write(folder.path(), "a");
    let printed = edge(&["inspect", folder.path().join("a.pem").to_str().unwrap()]);
    assert!(printed.status.success());
    let printed = text(&printed.stdout);
    for part in hidden {
        let sign = part.chars().next().unwrap();
        assert!(!printed.contains(sign), "{sign:?} in {printed:?}");
    }
    // What is printed is escaped, and not left out: it stands for the same name.
    assert!(printed.contains("pay\\E2\\80\\AE"), "{printed}");
}

#[test]
fn what_inspect_offers_to_paste_is_accepted_and_matches() {
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

    // The same name on a CA-issued certificate is offered as a subject.
    let ca = Ca::new("CA").issue("payments", |_| {});
    ca.write(&dir, "ca-issued");
    let printed = edge(&["inspect", dir.join("ca-issued.pem").to_str().unwrap()]);
    assert!(text(&printed.stdout).contains("subject_dn = \"CN=payments,O=Example Bank,C=DE\""));
    let broken = edge(&["inspect", dir.join("edge.toml").to_str().unwrap()]);
    assert_eq!(broken.status.code(), Some(1));
    assert!(text(&broken.stderr).contains("holds no certificate"), "{}", text(&broken.stderr));
}

/// What `inspect` prints of a file.
fn inspected(dir: &Path, file: &str) -> String {
    let output = edge(&["inspect", dir.join(file).to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).to_owned()
}

/// A CA made by openssl, and a certificate of it for a key of this kind; `extensions` are those of the certificate, none: version 1.
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
fn inspect_offers_no_chain_for_a_certificate_that_none_verifies() {
    for (extensions, fault) in [
        (&[][..], "X.509 version 1 certificate"),
        (&["extendedKeyUsage=serverAuth"], "does not include clientAuth"),
        (&["keyUsage=keyEncipherment"], "keyUsage includes neither digitalSignature nor keyAgreement"),
        (&["basicConstraints=CA:TRUE"], "a CA certificate (basicConstraints cA) is used as a client's"),
        (&["1.2.3.4=critical,ASN1:NULL"], "1.2.3.4"),
    ] {
        let folder = TempDir::new().unwrap();
        issued(folder.path(), P256, extensions);
        let printed = inspected(folder.path(), "leaf.pem");
        let marked = printed.lines().find(|line| line.starts_with("tls_client_auth ")).unwrap();
        assert!(marked.contains("CAN'T WORK") && marked.contains(fault), "{printed}");
        assert!(printed.contains("-extfile ext.cnf"), "{printed}");
        assert!(!printed.contains("subject_dn ="), "{printed}");
        // Its thumbprint can be registered all the same.
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
    // What this machine's openssl prints is among the forms.
    let subject = openssl(folder.path(), &["x509", "-in", "leaf.pem", "-noout", "-subject"]);
    let subject = subject.trim().strip_prefix("subject=").unwrap();
    assert!(printed.lines().any(|line| line.ends_with(subject)), "{subject}: {printed}");
}

#[test]
fn inspect_offers_nothing_that_no_application_can_use() {
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
fn inspect_shows_the_chain_and_calls_a_key_a_key() {
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

/// A configuration whose admin address is this, with whatever is wrong besides.
fn broken(admin: &str, from: &str, to: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let output = program().arg("init").arg(folder.path().join("edge")).output().unwrap();
    assert!(output.status.success());
    let config = folder.path().join("edge/edge.toml");
    let text = fs::read_to_string(&config).unwrap();
    let lines = text.lines().map(|line| match line.trim_start() {
        of_admin if of_admin.starts_with("admin =") => format!("admin = \"{admin}\""),
        _ => line.to_owned(),
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    assert!(text.contains(admin) && text.contains(from), "{text}");
    fs::write(&config, text.replacen(from, to, 1)).unwrap();
    (folder, config)
}

#[tokio::test]
async fn status_needs_the_admin_address_only_of_a_broken_file() {
    let upstream = crate::support::Upstream::start().await;
    let edge = crate::support::EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .self_signed_application("billing", &[self_signed("billing").thumbprint()])
        .start();
    let admin = edge.admin.to_string();
    for (from, to) in [
        // A wrong value, an unknown table, a syntax error after and before it, one on the line itself, a duplicate.
        ("[[upstream]]", "[[upstream]]\nurl = 1"),
        ("[[upstream]]", "[upstreams]\n[[upstream]]"),
        ("[[upstream]]", "[[upstream]\n"),
        ("[listen]", "[[[\n[listen]"),
        (&format!("\"{admin}\"")[..], &format!("\"{admin}")[..]),
        (&format!("\"{admin}\""), &admin),
        (&format!("\"{admin}\""), &format!("\u{201c}{admin}\u{201d}")),
        ("[listen]", "[listen]\nhttps = [\"nonsense\"]"),
        ("[[domain]]", "[listen]\n[[domain]]"),
        ("[listen]", "[listn]"),
        ("[listen]", ""),
        (&format!("admin = \"{admin}\""), &format!("admin: \"{admin}\"")),
        (&format!("admin = \"{admin}\""), &format!("\"admin\" \"{admin}\"")),
    ] {
        let (_folder, config) = broken(&admin, from, to);
        let output = edge_status(&config);
        let errors = text(&output.stderr);
        assert!(output.status.success(), "{to}: {errors}");
        assert!(text(&output.stdout).contains("trust in force"), "{to}");
        let told = format!("{0} has errors (mtls-edge check --config {0} lists them)", config.display());
        assert!(errors.contains(&told) && errors.lines().count() == 1, "{to}: {errors}");
        assert_eq!(check(&config).status.code(), Some(1), "{to}");
    }
    // In another encoding.
    for encoding in [utf16, latin1] {
        let (_folder, config) = broken(&admin, "[listen]", "[listen]");
        fs::write(&config, encoding(&format!("# \u{e4}\n{}", fs::read_to_string(&config).unwrap()))).unwrap();
        let output = edge_status(&config);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("has errors"), "{}", text(&output.stderr));
    }
    // Without an address that can be asked, it says what is wrong.
    let (_folder, config) = broken(&admin, &format!("\"{admin}\""), "\"localhost\"");
    let output = edge_status(&config);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("listen.admin") && text(&output.stderr).contains("--admin"));
}

fn utf16(text: &str) -> Vec<u8> {
    "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect()
}

fn edge_status(config: &Path) -> Output {
    edge(&["status", "--config", config.to_str().unwrap()])
}

#[tokio::test]
async fn a_wrong_rust_log_is_reported_and_does_without() {
    let upstream = crate::support::Upstream::start().await;
    for (value, shown) in [
        ("verbose", "\\\"verbose\\\""),
        ("foo=bar=baz", "foo=bar=baz"),
        ("info,mtls_edge=loud", "loud"),
        ("mtls-edge=debug", "mtls_edge=debug"),
    ] {
        let edge = crate::support::EdgeBuilder::new(upstream.url())
            .usual_domain("auth0")
            .self_signed_application("billing", &[self_signed("billing").thumbprint()])
            .environment("RUST_LOG", value)
            .start();
        let line = edge.wait_for_log("RUST_LOG");
        assert!(line.contains("\"level\":\"WARN\"") && line.contains(shown), "{line}");
        edge.stop();
    }
    for value in
        ["", "debug", "info,mtls_edge=debug", "mtls_edge,info", "INFO", "h2=off,info", " info ", "info,", "3"]
    {
        let edge = crate::support::EdgeBuilder::new(upstream.url())
            .usual_domain("auth0")
            .self_signed_application("billing", &[self_signed("billing").thumbprint()])
            .environment("RUST_LOG", value)
            .start();
        assert!(!edge.stop().contains("RUST_LOG"), "{value}");
    }
    let help = edge(&["--help"]);
    assert!(text(&help.stdout).contains("RUST_LOG") && text(&help.stdout).contains("NO_COLOR"));
}

#[test]
fn colours_are_there_where_they_are_asked_for() {
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("edge.toml");
    fs::write(&config, "[listen]\nnonsense = 1\n").unwrap();
    let errors = |arguments: &[&str]| {
        let output = program().args(arguments).arg("--config").arg(&config).output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(!errors(&["check"]).contains('\u{1b}'));
    assert!(!errors(&["check", "--color", "never"]).contains('\u{1b}'));
    assert!(errors(&["check", "--color", "always"]).contains('\u{1b}'));
    assert!(errors(&["--color=always", "run"]).contains('\u{1b}'));
}
