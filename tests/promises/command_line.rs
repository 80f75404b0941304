//! How an operator names the configuration, and what the commands print for people and for programs.

use std::{fs, path::Path, process::Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    command::{edge, text},
    program,
    tool::not_tried,
};

const INSTALLED: &str = "/etc/mtls-edge/edge.toml";

/// A valid configuration.
fn valid() -> TempDir {
    let folder = TempDir::new().unwrap();
    assert!(edge(&["init", folder.path().join("new").to_str().unwrap()]).status.success());
    folder
}

fn check(folder: &Path, arguments: &[&str], variable: &str) -> Output {
    let mut command = program();
    command.current_dir(folder).arg("check").args(arguments).env("MTLS_EDGE_CONFIG", variable);
    command.output().unwrap()
}

#[test]
fn the_command_line_names_the_configuration_before_the_environment() {
    let folder = valid();
    let folder = folder.path();
    for arguments in
        [&["-c", "new/edge.toml"][..], &["--config=new/edge.toml"], &["new/edge.toml"], &["-cnew/edge.toml"]]
    {
        let output = check(folder, arguments, "none.toml");
        assert_eq!(text(&output.stdout), "new/edge.toml: no problems\n", "{arguments:?}");
    }
    assert_eq!(text(&check(folder, &[], "new/edge.toml").stdout), "new/edge.toml: no problems\n");
    let missing = check(folder, &[], "none.toml");
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).contains("none.toml"), "{}", text(&missing.stderr));
    let both = check(folder, &["-c", "new/edge.toml", "new/edge.toml"], "");
    assert_eq!(both.status.code(), Some(2), "{}", text(&both.stderr));
    for command in ["run", "check", "status", "doctor"] {
        let output = program().current_dir(folder).args([command, "none.toml"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}");
        assert!(text(&output.stderr).contains("there is no such file"), "{}", text(&output.stderr));
    }
}

#[test]
fn without_a_configuration_it_says_where_it_looked() {
    if Path::new(INSTALLED).exists() {
        return not_tried(&format!("a start without a configuration: {INSTALLED} exists"));
    }
    for command in ["run", "check", "status"] {
        let output = program().arg(command).env("MTLS_EDGE_CONFIG", "").output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}");
        for part in ["command line", "MTLS_EDGE_CONFIG", INSTALLED, "mtls-edge init"] {
            assert!(text(&output.stderr).contains(part), "{command}: {}", text(&output.stderr));
        }
    }
    assert!(text(&edge(&["--help"]).stdout).contains("MTLS_EDGE_CONFIG"));
}

#[test]
fn version_prints_the_facts_of_the_build() {
    let facts: Value = serde_json::from_slice(&edge(&["version", "--json"]).stdout).unwrap();
    let printed = edge(&["version"]);
    for name in
        ["version", "commit", "commit_date", "rustc", "target", "profile", "rustls", "aws_lc_rs", "features"]
    {
        let fact = facts[name].as_str().unwrap();
        assert!(!fact.is_empty() && text(&printed.stdout).contains(fact), "{name}: {facts}");
    }
    assert_eq!(facts["version"], env!("CARGO_PKG_VERSION"));
    for dated in ["rustc", "target", "rustls", "aws_lc_rs"] {
        assert_ne!(facts[dated], "unknown", "{dated}");
    }
    assert_eq!(text(&edge(&["--version"]).stdout).lines().count(), 1);
}

fn problems(config: &Path, code: i32) -> Value {
    let output = program().args(["check", "--format", "json", "-c"]).arg(config).output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(code), ""));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn check_prints_problems_as_json() {
    let folder = valid();
    let config = folder.path().join("new/edge.toml");
    let none = problems(&config, 0);
    assert_eq!(
        (&none["problems"], &none["errors"], &none["warnings"]),
        (&Value::Array(Vec::new()), &0.into(), &0.into())
    );

    let written = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("lsten = 1\n{written}")).unwrap();
    let found = problems(&config, 1);
    let problem = &found["problems"][0];
    assert_eq!(found["errors"], 1, "{found}");
    assert_eq!(
        (&problem["severity"], &problem["line"], &problem["column"]),
        (&"error".into(), &1.into(), &1.into())
    );
    assert_eq!((&problem["found"], &problem["file"]), (&"lsten".into(), &config.to_str().unwrap().into()));
    assert!(problem["help"].as_str().unwrap().contains("listen"), "{problem}");

    fs::write(&config, "[listen\n").unwrap();
    assert_eq!(problems(&config, 1)["problems"][0]["line"], 1);
    let missing = &problems(&folder.path().join("none.toml"), 1)["problems"][0];
    assert_eq!((&missing["line"], &missing["found"]), (&Value::Null, &Value::Null));
    assert!(missing["help"].as_str().unwrap().contains("mtls-edge init"));
}

#[test]
fn no_secret_is_in_the_json_of_check() {
    let folder = valid();
    let config = folder.path().join("new/edge.toml");
    let written = fs::read_to_string(&config).unwrap();
    let with_secret =
        written.replacen("[[upstream]]", "[[upstream]]\nheaders = { x = \"hunter2hunter2\" }", 1);
    fs::write(&config, with_secret).unwrap();
    let found = problems(&config, 1).to_string();
    assert!(found.contains("upstream.headers") && !found.contains("hunter2"), "{found}");
}
