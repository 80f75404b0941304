//! What happens without a certificate, and if another one cannot be ordered.

use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use tempfile::TempDir;
use time::format_description::well_known::Rfc3339;

use super::{
    Pebble, StubCa, ordered, settings,
    stub::{Script, error},
};
use crate::support::{Ca, Client, DOMAIN, Edge, Upstream, Wire, admin, certificates::time_from_now, program};

async fn problem(edge: &Edge, code: &str) -> Option<String> {
    reported(edge, code).await.map(|problem| problem["what"].as_str().unwrap().to_owned())
}

/// The problem with this code.
async fn reported(edge: &Edge, code: &str) -> Option<Value> {
    let status = admin::status(edge, "").await;
    let problems = status["health"]["problems"].as_array().unwrap();
    problems.iter().find(|problem| problem["code"] == code).cloned()
}

fn renewal() -> String {
    format!("mtls_edge_acme_renewal_seconds{{domain=\"{DOMAIN}\"}}")
}

fn orders(result: &str) -> String {
    format!("mtls_edge_acme_orders_total{{domain=\"{DOMAIN}\",result=\"{result}\"}}")
}

#[tokio::test]
async fn a_domain_without_a_certificate_is_refused_and_reported() {
    let (upstream, state) = (Upstream::start().await, TempDir::new().unwrap());
    let (edge, client) = ordered(&upstream, &settings("https://127.0.0.1:1/dir", &state));
    let edge = edge.start();
    let error = Client::with(&edge, &client).tls().await.unwrap_err();
    assert!(error.to_string().contains("InternalError"), "{error}");
    edge.wait_for_log(&format!("the domain {DOMAIN} has no certificate yet"));
    let reason = "mtls_edge_handshake_failures_total{reason=\"certificate_pending\"}";
    assert_eq!(admin::metric(&edge, reason).await, 1);
    let line = edge.wait_for_log("\"certificate not issued\"");
    assert!(line.contains("cannot connect") && line.contains("the domain is not served"), "{line}");
    // A CA reaches the edge through the balancer, which asks for this.
    assert_eq!(admin::get(&edge, "/readyz").await.0, 200);
    let what = problem(&edge, "certificate_missing").await.unwrap();
    assert!(what.contains(DOMAIN) && what.contains("cannot connect"), "{what}");
    assert_eq!(admin::metric(&edge, &orders("failed")).await, 1);

    // The pause is kept over a restart, and ends when the operator ends it.
    let retry = state.path().join(format!("{DOMAIN}.retry"));
    let pause = std::fs::read_to_string(&retry).unwrap();
    assert!(pause.contains("\"failures\": 1"), "{pause}");
    edge.stop();
    let (edge, _) = ordered(&upstream, &settings("https://127.0.0.1:1/dir", &state));
    let edge = edge.start();
    admin::happens(async || {
        problem(&edge, "certificate_missing").await.is_some_and(|what| what.contains("cannot connect"))
    })
    .await;
    assert_eq!(admin::metric(&edge, &orders("failed")).await, 0);
    std::fs::remove_file(&retry).unwrap();
    edge.wait_for_log("\"certificate not issued\"");
    assert_eq!(admin::metric(&edge, &orders("failed")).await, 1);
}

/// A certificate in the state that is due for renewal and valid for another hour.
fn due(state: &TempDir) -> CertificateDer<'static> {
    issued(state, -30 * 86_400, 3600)
}

/// A certificate in the state that is valid between these times, in seconds from now.
pub(super) fn issued(state: &TempDir, begin: i64, end: i64) -> CertificateDer<'static> {
    issued_for(DOMAIN, state, begin, end)
}

/// The same for another domain.
pub(super) fn issued_for(domain: &str, state: &TempDir, begin: i64, end: i64) -> CertificateDer<'static> {
    let (ca, at) = (Ca::new("CA"), time_from_now);
    let issued = ca.server_with(&[domain], |params| {
        (params.not_before, params.not_after) = (at(begin), at(end));
        // As those of public CAs: it is part of the certificate's name in ACME.
        params.use_authority_key_identifier_extension = true;
    });
    let file = state.path().join(format!("{domain}.pem"));
    std::fs::write(&file, format!("{}\n{}", issued.chain_pem(), issued.key_pem())).unwrap();
    std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    ca.der()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_ca_leaves_the_old_certificate_in_force() {
    let upstream = Upstream::start().await;
    let garbage: [(&'static [u8], &str); 5] = [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>", "JSON"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", "no newNonce"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 55\r\n\r\n{\"newNonce\":\"http://[\",\"newAccount\":\"/\",\"newOrder\":\"/\"}",
            "not a URL: newNonce",
        ),
        (b"\x15\x03\x01", "invalid HTTP version"),
        (b"HTTP/1.1 503 x\r\nretry-after: 18446744073709551615\r\ncontent-length: 2\r\n\r\n{}", "503"),
    ];
    for (response, why) in garbage {
        let (ca, state) = (Wire::answering(b"\r\n\r\n", response).await, TempDir::new().unwrap());
        let root = due(&state);
        let (edge, client) = ordered(&upstream, &settings(&format!("{}/dir", ca.url()), &state));
        let edge = edge.start();
        let client = Client::with(&(edge.https, root), &client);
        assert_eq!(client.token("billing").await.status, 200);
        let line = edge.wait_for_log("\"certificate not issued\"");
        assert!(line.contains(why) && line.contains("keeping the active one"), "{why}: {line}");
        let what = problem(&edge, "certificate_renewal").await.unwrap();
        assert!(what.contains(why), "{what}");
        let overdue = admin::metric(&edge, &renewal()).await;
        assert!((-11 * 86_400..-9 * 86_400).contains(&overdue), "at two thirds of 30 days: {overdue}");
        assert_eq!(client.token("billing").await.status, 200);
        // Others change meanwhile, and the file vanishes: the certificate stays.
        std::fs::remove_file(state.path().join(format!("{DOMAIN}.pem"))).unwrap();
        edge.reload("applications.toml", "# nobody");
        assert_eq!(client.token("billing").await.status, 401);
    }
}

/// A directory that cannot be reached: nothing listens on the reserved port 1 of loopback.
const NO_CA: &str = "https://127.0.0.1:1/dir";

#[tokio::test]
async fn a_failing_renewal_degrades_shortly_before_the_end() {
    const HOUR: i64 = 3600;
    let upstream = Upstream::start().await;
    // Three days before the end, or in the last sixth of a short lifetime.
    for (lifetime, left, last) in [(30 * 24, 5 * 24, 3 * 24), (12, 3, 2)] {
        let state = TempDir::new().unwrap();
        let now = time::OffsetDateTime::now_utc();
        issued(&state, (left - lifetime) * HOUR, left * HOUR);
        let (edge, _) = ordered(&upstream, &settings(NO_CA, &state));
        let mut edge = edge.clock(now).start();
        edge.wait_for_log("\"certificate not issued\"");
        let before = reported(&edge, "certificate_renewal").await.unwrap();
        assert_eq!(before["level"], "warning");
        let end = before["at"].as_str().unwrap();
        let parsed = time::OffsetDateTime::parse(end, &Rfc3339).unwrap();
        assert!(((parsed - now).whole_seconds() - left * HOUR).abs() < 60, "{before}");
        let what = before["what"].as_str().unwrap();
        assert!(what.contains(&format!("expires on {end}, ")) && what.contains("cannot connect"), "{what}");
        edge.set_clock(parsed - time::Duration::hours(last));
        assert_eq!(reported(&edge, "certificate_renewal").await.unwrap()["level"], "warning");
        edge.set_clock(parsed - time::Duration::hours(last) + time::Duration::SECOND);
        let after = reported(&edge, "certificate_renewal").await.unwrap();
        assert_eq!((&after["level"], &after["at"]), (&"degraded".into(), &end.into()));
        let shown = program().args(["status", "--admin", &edge.admin.to_string()]).output().unwrap();
        assert_eq!(shown.status.code(), Some(3));
    }
}

#[tokio::test]
async fn an_expired_certificate_is_served_until_another_is_issued() {
    let (upstream, state) = (Upstream::start().await, TempDir::new().unwrap());
    let root = due(&state);
    let (edge, client) = ordered(&upstream, &settings(NO_CA, &state));
    let now = time::OffsetDateTime::now_utc();
    let mut edge = edge.clock(now).start();
    edge.wait_for_log("\"certificate not issued\"");
    assert!(!edge.log().contains("server certificate expires soon"), "it renews itself");
    edge.set_clock(now + time::Duration::hours(2));
    let line = edge.wait_for_log("\"server certificate has expired\"");
    assert!(
        line.contains("ERROR") && line.contains("see in `mtls-edge status` why it was not renewed"),
        "{line}"
    );
    // The clients of the test are not two hours ahead.
    assert_eq!(Client::with(&(edge.https, root.clone()), &client).token("billing").await.status, 200);
    edge.stop();

    let (edge, client) = ordered(&upstream, &settings(NO_CA, &state));
    std::fs::remove_file(state.path().join(format!("{DOMAIN}.retry"))).unwrap();
    let edge = edge.clock(now + time::Duration::hours(2)).start();
    edge.wait_for_log(&format!("{DOMAIN}.pem has expired (on "));
    let line = edge.wait_for_log("\"certificate not issued\"");
    assert!(line.contains("\"then\":\"the active one has expired\""), "{line}");
    assert_eq!(Client::with(&(edge.https, root), &client).token("billing").await.status, 200);
    let overdue = admin::metric(&edge, &renewal()).await;
    assert!((-11 * 86_400..-9 * 86_400).contains(&overdue), "{overdue}");
    for code in ["certificate_expired", "certificate_renewal"] {
        assert_eq!(reported(&edge, code).await.unwrap()["level"], "degraded", "{code}");
    }
    assert!(reported(&edge, "certificate_missing").await.is_none());
    edge.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_the_ca_rejects_does_not_hold_up_others() {
    let (upstream, pebble, state) =
        (Upstream::start().await, Pebble::start(3600, "").await, TempDir::new().unwrap());
    let (edge, credentials) = ordered(&upstream, &pebble.settings(state.path()));
    // By name, it is ordered first.
    let edge = edge.acme_domain("blocked.example", "").start();
    pebble.validate_at(edge.https);
    edge.wait_for_log("\"certificate issued\"");
    let line = edge.wait_for_log("\"certificate not issued\"");
    assert!(line.contains("blocked.example") && line.contains("rejectedIdentifier"), "{line}");
    admin::reloaded(&edge, 2);
    let client = Client::with(&(edge.https, pebble.root().await), &credentials);
    assert_eq!(client.token("billing").await.status, 200);
    let error = client.server_name("blocked.example").tls().await.unwrap_err();
    assert!(error.to_string().contains("InternalError"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_validation_says_what_the_ca_saw() {
    let (upstream, pebble, state) =
        (Upstream::start().await, Pebble::start(3600, "").await, TempDir::new().unwrap());
    let (edge, _) = ordered(&upstream, &pebble.settings(state.path()));
    let edge = edge.start();
    // The CA reaches something else than the edge.
    pebble.validate_at(upstream.url().trim_start_matches("http://").parse().unwrap());
    let line = edge.wait_for_log("\"certificate not issued\"");
    assert!(line.contains("the CA could not validate the domain: "), "{line}");
    assert!(line.contains("for the tls-alpn-01 challenge"), "{line}");
    assert!(std::fs::read_dir(state.path().join("challenges")).unwrap().next().is_none());
}

/// An order that has failed, and does not say why.
pub(super) fn invalid() -> Script {
    let status = json!({ "status": "invalid" });
    Script { order: status.clone(), challenge: status, ..Script::default() }
}

/// An edge that orders from a CA with this script, and its state.
async fn started(upstream: &Upstream, script: Script) -> (Edge, StubCa, TempDir) {
    let (ca, state) = (StubCa::start(script).await, TempDir::new().unwrap());
    let (edge, _) = ordered(upstream, &settings(&ca.directory(), &state));
    (edge.start(), ca, state)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_problem_is_shown_wherever_the_ca_reports_it() {
    let upstream = Upstream::start().await;
    let mut in_order = invalid();
    in_order.order["error"] = error("in the order");
    let mut in_authorization = invalid();
    in_authorization.challenge["error"] = error("in the authorization");
    let at_once = Script { is_immediate: true, ..in_authorization.clone() };
    let mut running = Vec::new();
    for (script, why) in [
        (in_order, ": in the order (urn:ietf:params:acme:error:unauthorized)"),
        (in_authorization, ": in the authorization (urn:ietf:params:acme:error:unauthorized)"),
        (at_once, ": in the authorization (urn:ietf:params:acme:error:unauthorized)"),
        (invalid(), ", and does not say why"),
    ] {
        running.push((started(&upstream, script).await, why));
    }
    for ((edge, _ca, state), why) in running {
        let line = edge.wait_for_log("\"certificate not issued\"");
        assert!(line.contains(&format!("the CA could not validate the domain{why}")), "{line}");
        assert!(std::fs::read_dir(state.path().join("challenges")).unwrap().next().is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ca_cannot_choose_the_key() {
    let upstream = Upstream::start().await;
    let of_the_ca = Ca::new("CA").server(&[DOMAIN]);
    let mut running = Vec::new();
    for (issued, why) in [
        (of_the_ca.chain_pem(), "is not the key of the first certificate"),
        (format!("{}\n{}", of_the_ca.chain_pem(), of_the_ca.key_pem()), "second private key"),
        ("nothing".to_owned(), "the issued certificate is rejected"),
    ] {
        let script = Script { certificate: Some(issued), ..Script::default() };
        running.push((started(&upstream, script).await, why));
    }
    for ((edge, _ca, state), why) in running {
        let line = edge.wait_for_log("\"certificate not issued\"");
        assert!(line.contains("the issued certificate is rejected: ") && line.contains(why), "{line}");
        assert!(!state.path().join(format!("{DOMAIN}.pem")).exists());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ca_that_asks_to_wait_gets_no_other_order() {
    let upstream = Upstream::start().await;
    let script = Script { retry_after: Some("7200"), ..Script::default() };
    let (edge, _ca, state) = started(&upstream, script).await;
    let line = edge.wait_for_log("\"certificate not issued\"");
    assert!(line.contains("the CA is not done, and asks to wait for 7"), "{line}");
    let retry = std::fs::read_to_string(state.path().join(format!("{DOMAIN}.retry"))).unwrap();
    let retry: serde_json::Value = serde_json::from_str(&retry).unwrap();
    let at = |member: &str| {
        let text = retry[member].as_str().unwrap();
        time::OffsetDateTime::parse(text, &Rfc3339).unwrap()
    };
    assert!((at("next") - at("since")).whole_seconds() > 7000, "{retry}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_account_is_replaced() {
    let (upstream, state) = (Upstream::start().await, TempDir::new().unwrap());
    let ca = StubCa::start(invalid()).await;
    let credentials = json!({ "id": "1", "key_pkcs8": "AAAA", "directory": ca.directory() });
    let account = json!({ "directory": ca.directory(), "contact": [], "credentials": credentials });
    std::fs::write(state.path().join("account.json"), account.to_string()).unwrap();
    let (edge, _) = ordered(&upstream, &settings(&ca.directory(), &state));
    let edge = edge.start();
    edge.wait_for_log("the key of the account at the CA is damaged");
    edge.wait_for_log("\"account registered at the CA\"");
    let line = edge.wait_for_log("\"certificate not issued\"");
    assert!(line.contains("could not validate"), "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_domain_does_not_interrupt_an_order() {
    let upstream = Upstream::start().await;
    let (edge, ca, state) = started(&upstream, Script::default()).await;
    admin::happens(async || ca.requests("/order") > 0).await;
    let file = edge.folder.path().join("edge.toml");
    let before = std::fs::read_to_string(&file).unwrap();
    let domain = |name| format!("[[domain]]\nname = \"{name}\"\nacme = true\nupstream = \"as\"\n");
    edge.reload("edge.toml", &format!("{before}\n{}", domain("another.example")));
    ca.follow(invalid());
    let line = edge.wait_for_log("\"certificate not issued\"");
    assert!(line.contains(DOMAIN) && line.contains("could not validate"), "{line}");
    // Then that of the other one.
    edge.wait_for_log("\"domain\":\"another.example\",\"why\":");
    assert_eq!(ca.requests("/new"), 2);

    // An order is given up if its domain is.
    ca.follow(Script::default());
    edge.reload("edge.toml", &before.replace(DOMAIN, "third.example"));
    admin::happens(async || state.path().join("challenges/third.example").exists()).await;
    edge.reload("edge.toml", &before);
    admin::happens(async || !state.path().join("challenges/third.example").exists()).await;
}

#[tokio::test]
async fn a_clock_that_was_set_back_stops_no_order() {
    let (upstream, state) = (Upstream::start().await, TempDir::new().unwrap());
    let (edge, _) = ordered(&upstream, &settings("https://127.0.0.1:1/dir?key=hunter2", &state));
    let now = time::OffsetDateTime::now_utc();
    let mut edge = edge.clock(now).start();
    edge.wait_for_log("\"certificate not issued\"");
    edge.set_clock(now - time::Duration::days(300));
    admin::happens(async || admin::metric(&edge, &orders("failed")).await == 2).await;
    assert!(!edge.stop().contains("hunter2"), "the query of a URL may be secret");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_cannot_be_written_costs_no_order() {
    let (upstream, state) = (Upstream::start().await, TempDir::new().unwrap());
    // A file in place of the folder: root may write into any folder.
    std::fs::write(state.path().join("file"), "").unwrap();
    let requests = Wire::answering(b"\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
    let lines = settings(&format!("{}/dir", requests.url()), &state);
    let path = state.path().display().to_string();
    let (edge, _) = ordered(&upstream, &lines.replace(&path, &format!("{path}/file/acme")));
    let now = time::OffsetDateTime::now_utc();
    let mut edge = edge.clock(now).start();
    let line = edge.wait_for_log("\"certificate not issued\"");
    assert!(line.contains("cannot write into "), "{line}");
    assert!(edge.log().contains("Not a directory"), "a file that cannot be read is not a missing one");
    edge.set_clock(now + time::Duration::hours(1));
    admin::happens(async || admin::metric(&edge, &orders("failed")).await == 2).await;
    let failure = admin::status(&edge, "").await["acme"][0]["failure"].clone();
    assert_eq!(
        failure["since"],
        time::OffsetDateTime::format(now.replace_nanosecond(0).unwrap(), &Rfc3339).unwrap()
    );
    assert!(requests.received().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_says_what_would_be_ordered_from_whom() {
    let (upstream, state) = (Upstream::start().await, TempDir::new().unwrap());
    let ca = Wire::answering(b"\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
    let directory = format!("{}/dir", ca.url());
    let (edge, _) = ordered(&upstream, &settings(&directory, &state));
    let said = |arguments: &[&str]| {
        let output = edge.output_of("check", arguments);
        let text = [&output.stdout[..], &output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let (code, text) = said(&[]);
    let file = state.path().join(format!("{DOMAIN}.pem"));
    let line = format!(
        "acme    {DOMAIN}: no certificate in {}: `run` orders one from {directory}\n",
        file.display()
    );
    assert!(code == Some(0) && text.contains(&line), "{text}");
    let found =
        |arguments: &[&str]| serde_json::from_str::<Value>(&said(arguments).1).unwrap()["acme"].take();
    let order = format!("no certificate in {}: `run` orders one from {directory}", file.display());
    let expected = json!([{ "domain": DOMAIN, "not_after": null, "renewed_at": null, "order": order }]);
    assert_eq!(found(&["--format", "json"]), expected);
    assert!(ca.received().is_empty());
    let (code, text) = tokio::task::block_in_place(|| said(&["--probe"]));
    assert!(
        code == Some(1) && text.contains(&format!("failed  fetch the ACME directory {directory}\n")),
        "{text}"
    );
    assert!(text.contains("it has no newNonce"), "{text}");
    due(&state);
    let (code, text) = said(&[]);
    assert!(
        code == Some(0) && text.contains(&format!("acme    {DOMAIN}: its certificate expires on ")),
        "{text}"
    );
    let found = found(&["--format", "json"]);
    let [not_after, renewed_at] =
        ["not_after", "renewed_at"].map(|key| found[0][key].as_str().unwrap_or_default());
    let line = format!("its certificate expires on {not_after}, and is renewed from {renewed_at} on");
    assert!(text.contains(&line) && found[0]["order"].is_null(), "{found:#}, {text}");
}
