//! `check --probe`: what `run` would need from the system and the network.

use std::{fs, net::TcpListener, process::Command};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, SanType};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::scripted::{Scripted, acceptor, https, mutual_acceptor, read_request};
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;

use crate::support::{
    Ca, EdgeBuilder, TlsUpstream, Upstream,
    certificates::time_from_now,
    command::{edge, text},
    program, self_signed, self_signed_with,
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

#[tokio::test(flavor = "multi_thread")]
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

/// A probe whose log file and CRL are on a file system that this script mounts. The results and the problems.
fn probe_on(script: &str) -> (String, String) {
    let sources =
        "crls = [{ url = \"http://127.0.0.1:1/a.crl\", file = \"nowhere/a.crl\" }]\nstale_crl = \"report\"";
    let folder = configuration("127.0.0.1:0", "127.0.0.1:0", "http://127.0.0.1:1", sources);
    let full = folder.path().join("new/nowhere");
    fs::create_dir(&full).unwrap();
    let config = folder.path().join("new/edge.toml");
    let mut check = Command::new("unshare");
    // In a mount namespace, which ends with the program.
    check.args(["--mount", "sh", "-c", script]).arg(full).arg(program().get_program());
    let output = check.args(["check", "--probe"]).arg(config).output().unwrap();
    (text(&output.stdout).to_owned(), text(&output.stderr).to_owned())
}

#[test]
fn a_probe_finds_a_full_disk() {
    let (results, problems) = probe_on(
        "mount -t tmpfs -o size=64k none \"$0\" && { cat /dev/zero > \"$0/filler\" 2> /dev/null; exec \"$@\"; }",
    );
    for file in ["a.crl", "edge.log"] {
        let failed = |line: &str| line.starts_with("failed  write ") && line.ends_with(file);
        assert!(results.lines().any(failed), "{file}: {results}");
    }
    assert_eq!(problems.matches("less than 1 MiB, or no inode, is free").count(), 2, "{problems}");
    assert_eq!(problems.matches("make room on its file system").count(), 2, "{problems}");
}

#[test]
fn a_log_file_that_exists_needs_no_inode() {
    // One for the folder, one for the log file.
    let (results, problems) =
        probe_on("mount -t tmpfs -o size=4m,nr_inodes=2 none \"$0\" && touch \"$0/edge.log\" && exec \"$@\"");
    let is_result = |start: &str, end: &str| {
        results.lines().any(|line| line.starts_with(&format!("{start} write ")) && line.ends_with(end))
    };
    assert!(is_result("ok     ", "edge.log") && is_result("failed ", "a.crl"), "{results}");
    assert_eq!(problems.matches("less than 1 MiB, or no inode, is free").count(), 1, "{problems}");
}

/// What a probe of this upstream reports.
fn problem_with(url: &str, more: &str) -> (i32, String) {
    let folder = configuration("127.0.0.1:0", "127.0.0.1:0", url, "");
    let config = folder.path().join("new/edge.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replacen("urls = ", &format!("{more}\nurls = "), 1)).unwrap();
    let (code, results, problems) = probe(&folder);
    (code, results + &problems)
}

/// A server over TLS that answers every request.
async fn tls_server(acceptor: TlsAcceptor) -> Scripted {
    Scripted::start(move |_, stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(mut stream) = acceptor.accept(stream).await
                && read_request(&mut stream).await.is_some()
            {
                let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_finds_an_origin_that_refuses_the_client() {
    let ca = Ca::new("Server CA");
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("ca.pem");
    fs::write(&file, ca.pem()).unwrap();
    let trust = format!("ca = \"{}\"", file.display());
    let server = ca.server(&["localhost"]);
    let open = tls_server(acceptor(&server, &["http/1.1"])).await;
    let (code, printed) = problem_with(&https(&open), &trust);
    assert!(code == 0 && printed.contains("ok      connect to https://"), "{printed}");

    let expected =
        "the origin requires a client certificate; write client_certificate and private_key in [[upstream]]";
    for protocols in [&["http/1.1"][..], &["h2"]] {
        let strict = tls_server(mutual_acceptor(&server, protocols, &Ca::new("Client CA"))).await;
        let (code, printed) = problem_with(&https(&strict), &trust);
        assert!(code == 1 && printed.contains(expected), "{protocols:?}: {printed}");
        let (own, key) = (folder.path().join("own.pem"), folder.path().join("own.key"));
        let credentials = self_signed("edge");
        fs::write(&own, credentials.chain_pem()).unwrap();
        fs::write(&key, credentials.key_pem()).unwrap();
        let more = format!(
            "{trust}\nclient_certificate = \"{}\"\nprivate_key = \"{}\"",
            own.display(),
            key.display()
        );
        let (code, printed) = problem_with(&https(&strict), &more);
        let expected = "the origin does not accept the client_certificate of the [[upstream]]";
        assert!(code == 1 && printed.contains(expected), "{protocols:?}: {printed}");
    }
    // So nginx refuses it, with the page of ssl_verify_client.
    let page = "<center>No required SSL certificate was sent</center>";
    let nginx = TlsUpstream::answering(&server, &["http/1.1"], move |_| {
        Response::builder().status(400).body(Full::new(Bytes::from_static(page.as_bytes()))).unwrap()
    })
    .await;
    let (code, printed) = problem_with(&nginx.url(), &trust);
    assert!(code == 1 && printed.contains(expected), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_says_how_to_cure_an_origins_certificate() {
    let ca = Ca::new("Server CA");
    let folder = TempDir::new().unwrap();
    let issued = |name: &str, change: fn(&mut CertificateParams)| {
        let mut credentials = ca.issue(name, |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            params.subject_alt_names = vec![SanType::DnsName(name.try_into().unwrap())];
            change(params);
        });
        credentials.chain.truncate(1);
        credentials
    };
    let cases = [
        (
            issued("localhost", |_| {}),
            Some("no CA of `ca` has issued the server's certificate: name a PEM file"),
            "other",
        ),
        (
            issued("elsewhere.example", |_| {}),
            Some("is for elsewhere.example, not localhost: write server_name = \"elsewhere.example\""),
            "ca",
        ),
        (
            issued("localhost", |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
            Some(
                "is a CA's (CA:TRUE, as `openssl req -x509` makes it): issue one with basicConstraints=CA:FALSE",
            ),
            "ca",
        ),
        (
            issued("localhost", |params| params.not_after = time_from_now(-86_400)),
            Some("the server's certificate expired on "),
            "ca",
        ),
        (
            self_signed_with("localhost", |params| {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
                params.subject_alt_names = vec![SanType::DnsName("localhost".try_into().unwrap())];
            }),
            None,
            "self",
        ),
    ];
    for (credentials, expected, root) in cases {
        let server = tls_server(acceptor(&credentials, &["http/1.1"])).await;
        let file = folder.path().join("root.pem");
        let pem = match root {
            "ca" => ca.pem(),
            "other" => Ca::new("Other CA").pem(),
            _ => credentials.chain_pem(),
        };
        fs::write(&file, pem).unwrap();
        let (code, printed) = problem_with(&https(&server), &format!("ca = \"{}\"", file.display()));
        match expected {
            Some(expected) => assert!(code == 1 && printed.contains(expected), "{printed}"),
            None => assert_eq!(code, 0, "{printed}"),
        }
        assert!(!printed.contains("check that the server runs"), "{printed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_finds_a_url_with_the_wrong_scheme() {
    let server = Ca::new("Server CA").server(&["localhost"]);
    let secure = tls_server(acceptor(&server, &[])).await;
    let (code, printed) = problem_with(&secure.url(), "");
    assert!(
        code == 1 && printed.contains("auth-server: the origin speaks TLS; write https:// in its URL"),
        "{printed}"
    );
    let plain = Upstream::start().await;
    let (code, printed) = problem_with(&plain.url().replace("http:", "https:"), "");
    assert!(code == 1 && printed.contains("the origin speaks no TLS; write http:// in its URL"), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_names_the_process_that_has_an_address() {
    let upstream = Upstream::start().await;
    let running = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .self_signed_application("billing", &[self_signed("billing").thumbprint()])
        .start();
    // An edge runs, but this process has the address.
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    let folder = configuration(&taken, &running.admin.to_string(), &upstream.url(), "");
    let (code, results, problems) = probe(&folder);
    assert_eq!(code, 1, "{results}");
    let id = std::process::id();
    assert!(
        problems.contains("cannot bind: Address already in use by ")
            && problems.contains(&format!(" (process {id})")),
        "{problems}"
    );
}

/// The result of the fetch of a document with this body, and the problems. `item` gives the lines under `[trust]`, and a table.
async fn document_probe(item: impl Fn(&str) -> (String, String), body: Vec<u8>) -> (String, String) {
    let body = Bytes::from(body);
    let server = Upstream::answering(move |_| Response::new(Full::new(body.clone()))).await;
    let (trust, table) = item(&server.url());
    let folder = configuration("127.0.0.1:0", "127.0.0.1:0", &server.url(), &trust);
    let config = folder.path().join("new/edge.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{text}\n{table}")).unwrap();
    let (_, results, problems) = probe(&folder);
    let result =
        results.lines().find(|line| line.contains("  fetch ")).unwrap_or_else(|| panic!("{problems}"));
    (result.replace(&server.url(), "URL"), problems)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_judges_what_it_fetches_as_run_does() {
    let key_set = |url: &str| {
        let table = format!(
            "[[token_issuer]]\nname = \"as\"\nissuer = \"https://as.example/\"\naudience = [\"api\"]\njwks = {{ url = \"{url}/doc\", file = \"state/jwks.json\" }}\n"
        );
        (String::new(), table)
    };
    let crl = |url: &str| {
        let source = format!("{{ url = \"{url}/doc\", file = \"state/a.crl\" }}");
        (format!("crls = [{source}]\nstale_crl = \"report\""), String::new())
    };
    let html = b"<html>not found</html>".to_vec();
    for (body, why) in [
        (html.clone(), "/doc: the fetched document is not a usable key set: not a JSON object"),
        (Vec::new(), "/doc: the fetched document is not a usable key set: "),
        (vec![b' '; 20 << 20], "/doc: the response has more than 1 MiB"),
    ] {
        let (result, problems) = document_probe(key_set, body).await;
        assert_eq!(result, "failed  fetch URL/doc");
        assert!(problems.contains(why), "{why}: {problems}");
    }
    let (result, problems) = document_probe(crl, html).await;
    assert_eq!(result, "failed  fetch URL/doc");
    assert!(problems.contains("/doc: the fetched document "), "{problems}");
    let (result, _) = document_probe(key_set, br#"{"keys":[]}"#.to_vec()).await;
    assert_eq!(result, "ok      fetch URL/doc");
}
