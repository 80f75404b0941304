//! The commands other than `run`, as an operator types them.

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
    command::{check, edge, text},
    program, self_signed,
    tool::run,
};

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
fn demo_prints_a_token_per_method_and_refusals() {
    let output = edge(&["demo", "--once"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    assert_eq!(printed.matches("  token  ey").count(), 3, "{printed}");
    for line in printed.lines().filter(|line| line.contains("equals cnf")) {
        let thumbprint = line.split_whitespace().find(|word| word.len() == 43).unwrap();
        assert!(printed.contains(&format!("\"x5t#S256\": \"{thumbprint}\"")), "{printed}");
    }
    assert!(printed.contains("billing, by self_signed_tls_client_auth"));
    assert!(printed.contains("payments, by tls_client_auth"));
    let reports = printed.split("reports, by private_key_jwt:\n").nth(1).unwrap();
    assert!(reports.contains("\"aud\": \"https://localhost/\""), "the received assertion: {reports}");
    let refusal = printed.split("billing's client_id with payments' certificate:\n").nth(1).unwrap();
    let field = |name: &str| {
        let line = refusal.lines().find_map(|line| line.trim().strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name} in {refusal}")).trim()
    };
    assert_eq!((field("status"), field("error ")), ("401 Unauthorized", "invalid_client"));
    assert!(!field("error_description").contains("billing"), "the response names the owner: {refusal}");
    let log = text(&output.stderr);
    assert_eq!(log.matches(" status=200 ").count(), 3, "{log}");
    let replayed = printed.split("reports' assertion a second time:\n").nth(1).unwrap();
    assert!(replayed.contains("401 Unauthorized") && replayed.contains("invalid_client"), "{replayed}");
    let line = log.lines().find(|line| line.contains(" status=401 ")).unwrap();
    assert!(line.contains("client_id=\"billing\"") && line.contains("subject=\"CN=payments,"), "{line}");
    assert!(
        line.contains(" reason=\"") && line.rsplit("reason=").next().unwrap().contains("billing"),
        "{line}"
    );
    let folder = printed.lines().find_map(|line| line.strip_prefix("files")).unwrap().trim();
    assert!(!Path::new(folder).exists(), "{folder} is left over");
}

#[test]
fn each_command_that_demo_prints_gets_a_token() {
    let mut demo = Command::new(program().get_program())
        .args(["demo", "--port", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(demo.stdout.take().unwrap()).lines().map_while(Result::ok);
    let lines = lines.skip_while(|line| line != "call it yourself:").skip(1);
    let commands: Vec<String> = lines.take_while(|line| !line.contains("it serves until Ctrl-C")).collect();
    let output = Command::new("sh").args(["-ec", &commands.join("\n")]).output().unwrap();
    run(Path::new("/"), "kill", &["-TERM", &demo.id().to_string()]);
    assert!(demo.wait().unwrap().success());
    let printed = text(&output.stdout);
    assert_eq!(printed.matches("\"access_token\"").count(), 3, "{printed}\n{}", text(&output.stderr));
}

#[test]
fn demo_and_init_files_are_private_under_any_umask() {
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
        // The host names of upstreams are placeholders: whether one resolves depends on the machine.
        let printed = text(&output.stderr);
        let problem = |line: &&str| line.starts_with(['e', 'w']) && !line.contains("could not be resolved");
        assert_eq!(printed.lines().find(problem), None, "{server}: {printed}");
    }
}

/// A configuration with this admin address, in which `from` is replaced by `to`.
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
        // A wrong value, an unknown table, a syntax error after and before the admin address, one on its line, a duplicate.
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
        assert!(text(&output.stdout).starts_with("healthy  "), "{to}");
        let warning = format!(
            "{0} has errors (mtls-edge check --config {0} lists them); only the admin address and its token are read",
            config.display()
        );
        assert!(errors.contains(&warning) && errors.lines().count() == 1, "{to}: {errors}");
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
    // Without a usable address, it reports the error.
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
async fn an_invalid_rust_log_is_an_error_at_start() {
    let folder = TempDir::new().unwrap();
    let new = folder.path().join("new");
    assert!(edge(&["init", new.to_str().unwrap()]).status.success());
    for (value, shown) in [
        ("verbose", "\"verbose\""),
        ("foo=bar=baz", "foo=bar=baz"),
        ("info,mtls_edge=loud", "loud"),
        ("mtls-edge=debug", "mtls_edge=debug"),
    ] {
        let output = program().arg("run").arg(new.join("edge.toml")).env("RUST_LOG", value).output().unwrap();
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{value}: {error}");
        assert!(error.contains("RUST_LOG") && error.contains(shown) && error.contains("unset"), "{error}");
    }
    let upstream = crate::support::Upstream::start().await;
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
fn colours_follow_the_color_option() {
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

#[test]
fn check_strict_fails_on_warnings_and_only_then() {
    let folder = TempDir::new().unwrap();
    let new = folder.path().join("new");
    assert!(edge(&["init", new.to_str().unwrap()]).status.success());
    let config = new.join("edge.toml");
    let strict = || edge(&["check", "--strict", "--config", config.to_str().unwrap()]);
    assert_eq!(strict().status.code(), Some(0), "{}", text(&strict().stderr));
    let written = fs::read_to_string(&config).unwrap();
    let line = written.lines().find(|line| line.starts_with("urls = ")).unwrap();
    fs::write(&config, written.replacen(line, "urls = [\"http://as.invalid:3000\"]", 1)).unwrap();
    let output = check(&config);
    assert!(text(&output.stderr).contains("0 errors, "), "{}", text(&output.stderr));
    assert_eq!((output.status.code(), strict().status.code()), (Some(0), Some(1)));
    assert_eq!(text(&strict().stderr), text(&output.stderr));
}
