//! `/status` says why an origin fails and since when, and when it works again.

use bytes::Bytes;
use futures_util::future::select_all;
use http::Response;
use http_body_util::Full;
use tokio::{io::AsyncWriteExt, time::timeout};

use crate::support::{
    Ca, Client, DOMAIN, EdgeBuilder, PATIENCE, TlsUpstream,
    admin::{exchange, happens, status},
    command::text,
    edge_before, program,
    scripted::{OK, Scripted, keep_answering, read_head},
    self_signed, with_client,
};
use testkit::Refusing;

#[tokio::test]
async fn an_origin_that_fails_has_its_reason_and_time() {
    let (ca, other) = (Ca::new("Upstream CA"), Ca::new("Other CA"));
    let answer = |_: &_| Response::new(Full::new(Bytes::new()));
    let upstream = TlsUpstream::answering(&other.server(&["localhost"]), &["http/1.1"], answer).await;
    let edge = EdgeBuilder::new(upstream.url())
        .file("upstream-ca.pem", ca.pem())
        .upstream("ca = \"upstream-ca.pem\"");
    let (edge, client) = with_client(edge);
    assert_eq!(Client::with(&edge, &client).token("billing").await.status, 503);
    let shown = status(&edge, "").await;
    let url = upstream.url();
    let (_, port) = url.rsplit_once(':').unwrap();
    let why = format!(
        "127.0.0.1:{port}: no CA of `ca` has issued the server's certificate: name a PEM file with its issuer as ca"
    );
    let why = why.as_str();
    let (problem, origin) = (&shown["health"]["problems"][0], &shown["upstreams"][0]["origins"][0]);
    assert_eq!(problem["code"], "upstream_down");
    let expected = format!("no origin of the upstream \"as\" works: {} (unreachable: {why})", upstream.url());
    assert_eq!(problem["what"], expected.as_str());
    assert!(problem["at"].is_string(), "{problem}");
    assert_eq!(origin["failing_since"], problem["at"]);
    assert_eq!(origin["last_failure"]["why"], why);
    assert!(origin["last_failure"]["at"].as_str() >= problem["at"].as_str(), "{origin}");
    let (_, page) = exchange(&edge, "/status", "text/html").await;
    assert!(page.contains(&format!("<td>{}</td>", why.replace('\'', "&#39;"))), "{page}");
    let command = program().args(["status", "--wide", "--admin", &edge.admin.to_string()]).output().unwrap();
    let table = text(&command.stdout);
    let row = table.lines().find(|line| line.trim_start().starts_with("as ") && line.contains("unreachable"));
    assert!(row.is_some_and(|row| row.ends_with(why)), "{table}");
    edge.stop();
}

#[tokio::test]
async fn a_tls_origin_behind_an_http_url_is_recognized() {
    let server = Ca::new("Server CA").server(&["localhost"]);
    let answer = |_: &_| Response::new(Full::new(Bytes::new()));
    let upstream = TlsUpstream::answering(&server, &["http/1.1"], answer).await;
    let (edge, client) = edge_before(upstream.url().replace("https:", "http:"), "eject_after = 1");
    assert_eq!(Client::with(&edge, &client).token("billing").await.status, 502);
    let why = "not HTTP/1.1: a TLS record: the origin speaks TLS; write https:// in its URL";
    edge.wait_for_log(why);
    let problem = &status(&edge, "").await["health"]["problems"][0];
    assert!(problem["what"].as_str().unwrap().contains(why), "{problem}");
    edge.stop();
}

#[tokio::test]
async fn a_cured_origin_recovers_without_a_request() {
    let refusing = Refusing::bind();
    let (edge, client) = edge_before(refusing.url(), "");
    assert_eq!(Client::with(&edge, &client).token("billing").await.status, 503);
    let down = status(&edge, "").await;
    let what = down["health"]["problems"][0]["what"].as_str().unwrap();
    assert!(what.contains("(unreachable: Connection refused"), "{what}");

    let cured = Scripted::start_on(refusing.listen(), |_, stream| keep_answering(stream, OK));
    happens(async || status(&edge, "").await["health"]["state"] == "healthy").await;
    let origin = &status(&edge, "").await["upstreams"][0]["origins"][0];
    assert_eq!((&origin["state"], &origin["failing_since"]), (&"ok".into(), &serde_json::Value::Null));
    assert!(origin["last_failure"]["why"].as_str().unwrap().contains("refused"), "{origin}");
    let command = program().args(["status", "--admin", &edge.admin.to_string()]).output().unwrap();
    let table = text(&command.stdout);
    let row = table.lines().find(|line| line.trim_start().starts_with("as ")).unwrap();
    assert!(row.contains("  ok  ") && row.contains(" ago: Connection refused"), "{table}");
    assert!(cured.accepted() > 0);
    edge.stop();
}

// The log is waited for on a thread of its own, while the origin answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_alone_does_not_end_failed_responses() {
    const BAD: &[u8] = b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n";
    let upstream = Scripted::start(|_, stream| keep_answering(stream, BAD)).await;
    let (edge, client) = edge_before(upstream.url(), "eject_after = 1");
    assert_eq!(Client::with(&edge, &client).token("billing").await.status, 502);
    edge.wait_for_log("\"origin failing\"");
    // The edge itself connects again.
    happens(async || upstream.accepted() > 1).await;
    let problem = &status(&edge, "").await["health"]["problems"][0];
    assert!(problem["what"].as_str().unwrap().contains("(failing: status 502)"), "{problem}");
    edge.stop();
}

#[tokio::test]
async fn dead_origins_do_not_starve_the_checks_of_others() {
    let ca = Ca::new("Upstream CA");
    let dead: Vec<_> = std::iter::repeat_with(Refusing::bind).take(20).collect();
    // Each check has a connection of its own.
    let checked = Scripted::start(async |_, mut stream| {
        let _ = read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    })
    .await;
    let route = "[[domain.route]]\npath = \"/oauth/token\"\nmethods = [\"POST\"]\nauthenticate = \"client\"";
    let https = |origin: &Refusing| origin.url().replace("http://", "https://");
    let credentials = self_signed("billing");
    let mut edge = EdgeBuilder::new(https(&dead[0]))
        .file("upstream-ca.pem", ca.pem())
        .upstream("ca = \"upstream-ca.pem\"\nconnect_timeout = \"2m\"")
        .extra(&format!(
            "[[upstream]]\nname = \"checked\"\nurls = [\"{}\"]\nhealth_check = {{ path = \"/\", interval = \"100ms\" }}",
            checked.url()
        ))
        .domain(DOMAIN, &format!("upstream = \"as\"\n{route}"))
        .domain("checked.example", &format!("upstream = \"checked\"\n{route}"))
        .self_signed_application("billing", &[credentials.thumbprint()]);
    for origin in &dead[1..] {
        edge = edge.also_upstream(https(origin));
    }
    let edge = edge.start();
    assert_eq!(Client::with(&edge, &credentials).token("billing").await.status, 503);
    // From now on they accept connections, and say nothing: each attempt of the edge takes two minutes.
    let silent: Vec<_> = dead.into_iter().map(Refusing::listen).collect();
    let first = select_all(silent.iter().map(|listener| Box::pin(listener.accept())));
    timeout(PATIENCE, first).await.expect("the edge tries none of them").0.unwrap();
    let before = checked.accepted();
    happens(async || checked.accepted() > before + 15).await;
    let shown = status(&edge, "").await;
    let upstreams = shown["upstreams"].as_array().unwrap();
    let found = upstreams.iter().find(|upstream| upstream["name"] == "checked").unwrap();
    assert_eq!(found["origins"][0]["state"], "ok", "{found}");
    assert!(!edge.log().contains("health checks"), "{}", edge.log());
    edge.stop();
}
