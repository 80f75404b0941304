//! A start that fails reports why in the format of the log.

use std::{net::TcpListener, process::Output};

use serde_json::Value;

use crate::support::{DOMAIN, EdgeBuilder, program, self_signed};

fn builder() -> EdgeBuilder {
    EdgeBuilder::new("http://127.0.0.1:3000")
        .usual_domain("auth0")
        .self_signed_application("billing", &[self_signed("billing").thumbprint()])
}

/// The lines of a start that failed, each a JSON object with the members that every log line has.
fn lines(output: &Output) -> Vec<Value> {
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
    let text = std::str::from_utf8(&output.stderr).unwrap();
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{text}");
        assert!(line.as_object().unwrap().values().all(|value| !value.is_null()), "{text}");
        line
    };
    let lines: Vec<Value> = text.lines().map(line).collect();
    assert!(!lines.is_empty());
    lines
}

fn is_at(line: &Value, file: &str, members: &[(&str, Value)]) {
    assert!(line["file"].as_str().unwrap().ends_with(file), "{line}");
    for (name, value) in members {
        assert_eq!(line[*name], *value, "{name}: {line}");
    }
}

#[test]
fn each_problem_of_a_configuration_is_a_json_line() {
    let applications = "[[application]]\nclient_id = \"a\"\n";
    let edge = builder().listen("trusted_proxies = [\"0.0.0.0/0\"]\nnonsens = \"ev\u{200b}il\"");
    let found = lines(&edge.file("other.toml", applications).output("run"));
    let [warning, error] = found.as_slice() else { panic!("{found:?}") };
    let key = "listen.trusted_proxies";
    is_at(warning, "edge.toml", &[("level", "WARN".into()), ("key", key.into()), ("line", 4.into())]);
    assert_eq!(warning["found"], "\"0.0.0.0/0\"");
    assert!(
        warning["expected"].as_str().unwrap().starts_with("the addresses of load balancers"),
        "{warning}"
    );
    is_at(error, "edge.toml", &[("level", "ERROR".into()), ("line", 5.into()), ("column", 1.into())]);
    assert_eq!((&error["message"], &error["found"]), (&"unknown key \"nonsens\"".into(), &"nonsens".into()));
    assert!(error["help"].as_str().unwrap().contains("https"), "{error}");
}

#[test]
fn a_file_that_cannot_be_read_is_a_json_line() {
    let edge = builder();
    std::fs::remove_file(edge.path().join(format!("{DOMAIN}.pem"))).unwrap();
    let found = lines(&edge.output("run"));
    is_at(&found[0], "edge.toml", &[("level", "ERROR".into()), ("key", "domain.certificate".into())]);
    assert!(found[0]["message"].as_str().unwrap().contains("cannot be read"), "{found:?}");
}

#[test]
fn an_address_that_cannot_be_bound_is_a_json_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let found = lines(&builder().https(address).output("run"));
    let bind = found.iter().find(|line| line["key"] == "listen.https").unwrap();
    is_at(bind, "edge.toml", &[("level", "ERROR".into()), ("found", format!("\"{address}\"").into())]);
    assert!(bind["help"].as_str().unwrap().contains("stop it, or use another port"), "{bind}");
    // The log is set up, and its file cannot be opened.
    let found = lines(&builder().log("file = \"nowhere/edge.log\"\nto = \"file\"").output("run"));
    assert_eq!(found[0]["key"], "log.file");
}

#[test]
fn an_error_outside_of_the_configuration_is_a_json_line() {
    let edge = builder();
    edge.output("check");
    let mut run = program();
    run.arg("run").arg(edge.path().join("edge.toml")).env("RUST_LOG", "verbose");
    let found = lines(&run.output().unwrap());
    let [line] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(line["level"], "ERROR");
    assert!(line["message"].as_str().unwrap().contains("RUST_LOG") && line.get("file").is_none(), "{line}");
}

#[test]
fn without_a_valid_log_format_errors_are_text() {
    for (text, of_log) in [
        ("format = \"json\"", "format = \"jsn\""),
        ("format = \"json\"", "format = true"),
        ("[log]", "[lg]"),
        ("[log]", "[log"),
    ] {
        let edge = builder();
        let config = edge.path().join("edge.toml");
        edge.output("check");
        let written = std::fs::read_to_string(&config).unwrap();
        assert!(written.contains(text));
        std::fs::write(&config, written.replacen(text, of_log, 1)).unwrap();
        let output = program().arg("run").arg(&config).output().unwrap();
        let printed = String::from_utf8(output.stderr).unwrap();
        assert!(printed.starts_with("error: ") && printed.contains("\n  |\n"), "{of_log}: {printed}");
        assert!(printed.contains(of_log), "{of_log}: {printed}");
    }
}

/// `check` is for people and has its own option.
#[test]
fn check_prints_text_whatever_the_log_s_format_is() {
    let output = builder().listen("nonsens = 1").output("check");
    let printed = std::str::from_utf8(&output.stderr).unwrap();
    assert!(printed.contains("error: ") && printed.contains("unknown key \"nonsens\"\n"), "{printed}");
}
