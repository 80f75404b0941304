//! `check --probe`: what `run` would need from the system and the network.

use std::{fs, net::TcpListener};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    EdgeBuilder, Upstream,
    command::{edge, text},
    program, self_signed,
};

/// A configuration with these addresses and this upstream.
fn configuration(https: &str, admin: &str, upstream: &str, more: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let new = folder.path().join("new");
    assert!(edge(&["init", new.to_str().unwrap()]).status.success());
    let config = new.join("edge.toml");
    let text = fs::read_to_string(&config).unwrap();
    let lines = text.lines().map(|line| match line.split(" =").next().unwrap() {
        "https" => format!("https = [\"{https}\"]"),
        "admin" => format!("admin = \"{admin}\""),
        "urls" => format!("urls = [\"{upstream}\"]\nconnect_timeout = \"300ms\""),
        "client_ca" => format!("{line}\n{more}"),
        "[log]" if !more.is_empty() => "[log]\nfile = \"nowhere/edge.log\"".to_owned(),
        _ => line.to_owned(),
    });
    fs::write(&config, lines.collect::<Vec<_>>().join("\n")).unwrap();
    folder
}

/// The exit code, the results and the problems.
fn probe(folder: &TempDir) -> (i32, String, String) {
    let config = folder.path().join("new/edge.toml");
    let output = program().args(["check", "--probe"]).arg(config).output().unwrap();
    (output.status.code().unwrap(), text(&output.stdout).to_owned(), text(&output.stderr).to_owned())
}

/// What `--format json` prints.
fn as_json(folder: &TempDir, arguments: &[&str]) -> Value {
    let config = folder.path().join("new/edge.toml");
    let output = program().args(["check", "--format", "json"]).args(arguments).arg(config).output().unwrap();
    assert_eq!(text(&output.stderr), "");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn probe_accepts_addresses_that_the_running_edge_has() {
    let upstream = Upstream::start().await;
    let running = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .self_signed_application("billing", &[self_signed("billing").thumbprint()])
        .start();
    let (https, admin) = (running.https.to_string(), running.admin.to_string());
    let folder = configuration(&https, &admin, &upstream.url(), "");
    let (code, results, problems) = probe(&folder);
    assert_eq!(code, 0, "{problems}");
    for result in [
        format!("ok      bind {https}: in use by the edge that answers at {admin}"),
        format!("ok      connect to {}", upstream.url()),
    ] {
        assert!(results.contains(&result), "{results}");
    }
    let found = as_json(&folder, &["--probe"]);
    let note = format!("in use by the edge that answers at {admin}");
    let bound = json!({ "what": format!("bind {https}"), "ok": true, "note": note, "error": null });
    let connected =
        json!({ "what": format!("connect to {}", upstream.url()), "ok": true, "note": null, "error": null });
    let probes = found["probes"].as_array().unwrap();
    assert!(probes.contains(&bound) && probes.contains(&connected), "{found:#}");
    assert_eq!(probes.len(), results.lines().filter(|line| line.starts_with("ok ")).count(), "{results}");
    assert_eq!(as_json(&folder, &[])["probes"], json!([]));
}

#[test]
fn probe_connects_to_the_collector_of_traces() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", upstream.local_addr().unwrap());
    let folder = configuration("127.0.0.1:0", "127.0.0.1:0", &url, "");
    let config = folder.path().join("new/edge.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{text}\n[traces]\nendpoint = \"http://127.0.0.1:1\"\n")).unwrap();
    let (code, results, problems) = probe(&folder);
    assert_eq!(code, 1, "{results}{problems}");
    assert!(results.contains("failed  connect to http://127.0.0.1:1\n"), "{results}");
    assert!(
        problems.contains("traces.endpoint: collector at http://127.0.0.1:1/v1/traces: cannot connect"),
        "{problems}"
    );
}

#[test]
fn probe_fails_where_run_could_not_serve() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    let sources =
        "crls = [{ url = \"http://127.0.0.1:1/a.crl\", file = \"nowhere/a.crl\" }]\nstale_crl = \"report\"";
    // Nothing answers a TLS handshake at the taken port.
    let folder = configuration(&taken, "127.0.0.1:0", &format!("https://{taken}"), sources);
    let (code, results, problems) = probe(&folder);
    assert_eq!(code, 1, "{results}{problems}");
    for result in [
        format!("failed  bind {taken}\n"),
        "ok      bind 127.0.0.1:0\n".to_owned(),
        format!("failed  connect to https://{taken}\n"),
        "failed  fetch http://127.0.0.1:1/a.crl\n".to_owned(),
    ] {
        assert!(results.contains(&result), "{result}: {results}");
    }
    assert!(
        results.lines().any(|line| line.starts_with("failed  write ") && line.ends_with("nowhere/a.crl"))
    );
    for problem in [
        "Address already in use",
        "no connection within 300ms",
        "cannot write into this folder",
        "log.file: cannot open",
    ] {
        assert!(problems.contains(problem), "{problem}: {problems}");
    }
    let found = as_json(&folder, &["--probe"]);
    let probes = found["probes"].as_array().unwrap();
    let failed: Vec<&Value> = probes.iter().filter(|probe| probe["ok"] == false).collect();
    assert_eq!(failed.len(), results.lines().filter(|line| line.starts_with("failed ")).count(), "{found:#}");
    for probe in failed {
        let is_same = |problem: &Value| problem["message"] == probe["error"];
        assert!(found["problems"].as_array().unwrap().iter().any(is_same), "{probe}: {found:#}");
    }
}
