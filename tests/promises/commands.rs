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
