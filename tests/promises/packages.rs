//! What packages contain: man pages, completion scripts, and configurations that `check` accepts. `packaging/test.sh` installs them.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use tempfile::TempDir;

use crate::support::{
    Ca,
    command::{check, edge, text},
    self_signed,
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The commands that `--help` lists.
fn commands() -> Vec<String> {
    let help = edge(&["--help"]);
    let lines = text(&help.stdout).lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = lines.take_while(|line| !line.is_empty());
    // Further lines of a description are indented deeper.
    let names = lines.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    let names = names.map(|line| line.split_whitespace().next().unwrap().to_owned());
    names.filter(|name| name != "help").collect()
}

#[test]
fn completions_of_each_shell_have_every_command() {
    let commands = commands();
    assert!(commands.len() >= 8, "{commands:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = edge(&["completions", shell]);
        assert!(output.status.success(), "{shell}");
        for command in &commands {
            assert!(text(&output.stdout).contains(command.as_str()), "{shell}: no {command}");
        }
    }
}

#[test]
fn man_writes_a_page_for_each_command() {
    let folder = TempDir::new().unwrap();
    let pages = folder.path().join("man/1");
    assert!(edge(&["man", pages.to_str().unwrap()]).status.success());
    let main = fs::read_to_string(pages.join("mtls-edge.1")).unwrap();
    assert!(main.contains(".TH mtls-edge 1"), "{main}");
    for command in commands() {
        let page = fs::read_to_string(pages.join(format!("mtls-edge-{command}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{page}");
    }
    assert_eq!(fs::read_dir(&pages).unwrap().count(), commands().len() + 1);
}

#[test]
fn man_reports_a_folder_that_it_cannot_write() {
    let output = edge(&["man", "/dev/null/man"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr)
            .starts_with("error: /dev/null is not a folder: nothing was written; expected a folder"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn check_accepts_the_packaged_configuration() {
    let folder = TempDir::new().unwrap();
    for name in ["edge.toml", "applications.toml"] {
        fs::copy(Path::new(ROOT).join("packaging").join(name), folder.path().join(name)).unwrap();
    }
    let certificates = folder.path().join("certs");
    fs::create_dir(&certificates).unwrap();
    self_signed("server").write(&certificates, "server");
    let output = check(&folder.path().join("edge.toml"));
    assert!(output.status.success(), "{}", text(&output.stderr));
    // The registry has examples only.
    let applications = fs::read_to_string(folder.path().join("applications.toml")).unwrap();
    let example: String =
        applications.lines().skip(3).map(|line| line.trim_start_matches("# ").to_owned() + "\n").collect();
    fs::write(folder.path().join("applications.toml"), example).unwrap();
    let output = check(&folder.path().join("edge.toml"));
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(!text(&output.stderr).contains("no application"), "{}", text(&output.stderr));
}

/// A file in a ConfigMap, without the indentation of YAML.
fn in_config_map(yaml: &str, name: &str) -> String {
    let lines = yaml.lines().skip_while(|line| line.trim_end() != format!("  {name}: |")).skip(1);
    let lines = lines.take_while(|line| line.is_empty() || line.starts_with("    "));
    lines.map(|line| line.strip_prefix("    ").unwrap_or_default().to_owned() + "\n").collect()
}

fn config_map() -> String {
    fs::read_to_string(Path::new(ROOT).join("packaging/kubernetes/configmap.yaml")).unwrap()
}

#[test]
fn installed_domains_answer_clients_without_certificate() {
    let package = fs::read_to_string(Path::new(ROOT).join("packaging/edge.toml")).unwrap();
    for file in [package, in_config_map(&config_map(), "edge.toml")] {
        let file: toml::Table = file.parse().unwrap();
        let domains = file["domain"].as_array().unwrap();
        assert!(
            domains.iter().all(|domain| domain["client_auth"].as_str() == Some("optional")),
            "{domains:?}"
        );
    }
}

#[test]
fn check_accepts_the_kubernetes_configuration() {
    let folder = TempDir::new().unwrap();
    let yaml = config_map();
    let secrets = folder.path().join("secrets");
    for name in ["edge.toml", "applications.toml"] {
        let file = in_config_map(&yaml, name);
        assert!(file.contains("[["), "{name}: {file}");
        fs::write(folder.path().join(name), file.replace("/secrets", secrets.to_str().unwrap())).unwrap();
    }
    for name in ["tls", "client-ca", "ticket-keys", "admin"] {
        fs::create_dir_all(secrets.join(name)).unwrap();
    }
    self_signed("tls").write(&secrets.join("tls"), "tls");
    fs::rename(secrets.join("tls/tls.pem"), secrets.join("tls/tls.crt")).unwrap();
    fs::write(secrets.join("client-ca/ca.crt"), Ca::new("Corp CA").pem()).unwrap();
    let keys = secrets.join("ticket-keys/tickets.keys");
    fs::write(&keys, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n").unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o440)).unwrap();
    fs::write(secrets.join("admin/token"), "0123456789abcdef\n").unwrap();
    let output = check(&folder.path().join("edge.toml"));
    assert!(output.status.success(), "{}", text(&output.stderr));
}
