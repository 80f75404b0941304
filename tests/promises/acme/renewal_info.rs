//! The CA says when a certificate is to be renewed (RFC 9773). Debian's Pebble does not; the CA of these tests issues nothing.

use std::time::Duration;

use tempfile::TempDir;
use tokio::{net::TcpListener, time::timeout};

use super::{
    StubCa,
    failures::{invalid, issued, issued_for},
    ordered, settings,
    stub::{Replacing, Script},
};
use crate::support::{DOMAIN, Edge, PATIENCE, Upstream, admin};

const DAY: i64 = 86_400;
/// A domain that is looked at after the usual one.
const LATER: &str = "z.example";

/// A CA at which the edge has an account, and the state with it and a certificate of 90 days, two days old.
async fn registered(upstream: &Upstream, script: Script) -> (StubCa, TempDir) {
    let (ca, state) = (StubCa::start(invalid()).await, TempDir::new().unwrap());
    let (edge, _) = ordered(upstream, &settings(&ca.directory(), &state));
    let edge = edge.start();
    edge.wait_for_log("\"certificate not issued\"");
    edge.stop();
    std::fs::remove_file(state.path().join(format!("{DOMAIN}.retry"))).unwrap();
    issued(&state, -2 * DAY, 88 * DAY);
    ca.follow(script);
    (ca, state)
}

fn started(upstream: &Upstream, ca: &StubCa, state: &TempDir) -> Edge {
    ordered(upstream, &settings(&ca.directory(), state)).0.start()
}

/// Until the edge has read an answer, and looked at each certificate once more.
async fn another_look() {
    tokio::time::sleep(Duration::from_millis(1500)).await;
}

/// The configuration with this domain after the others.
fn with_later_domain(edge: &Edge, name: &str) -> String {
    let before = std::fs::read_to_string(edge.folder.path().join("edge.toml")).unwrap();
    format!("{before}\n[[domain]]\nname = \"{name}\"\nacme = true\nupstream = \"as\"\n")
}

/// Seconds until the certificate is renewed.
async fn left(edge: &Edge) -> i64 {
    admin::metric(edge, &format!("mtls_edge_acme_renewal_seconds{{domain=\"{DOMAIN}\"}}")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ca_that_wants_a_certificate_replaced_gets_an_order() {
    let upstream = Upstream::start().await;
    let (ca, state) = registered(&upstream, Script { window: Some((-DAY, -1)), ..invalid() }).await;
    let edge = started(&upstream, &ca, &state);
    let line = edge.wait_for_log("\"the CA suggests an early renewal\"");
    assert!(line.contains("\"explanation\":\"https://ca.example/why\""), "{line}");
    let line = edge.wait_for_log("\"certificate not issued\"");
    assert!(line.contains("could not validate") && line.contains("keeping the active one"), "{line}");
    let about = ca.asked_about();
    assert!(about.len() == 1 && about[0].split('.').count() == 2, "{about:?}");
    // The first order was that of the account.
    assert_eq!(ca.replaced(), [None, about.first().cloned()]);
    edge.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_without_replaces_follows_a_rejected_one() {
    let upstream = Upstream::start().await;
    for (replacing, is_ordered) in [
        (Replacing::Rejected(409, "alreadyReplaced"), true),
        // Another account ordered the certificate.
        (Replacing::Rejected(403, "unauthorized"), true),
        (Replacing::Ignored, true),
        (Replacing::Rejected(429, "rateLimited"), false),
    ] {
        let script = Script { window: Some((-DAY, -1)), replacing, ..invalid() };
        let (ca, state) = registered(&upstream, script).await;
        let edge = started(&upstream, &ca, &state);
        let line = edge.wait_for_log("\"certificate not issued\"");
        assert_eq!(line.contains("could not validate"), is_ordered, "{replacing:?}: {line}");
        let mut orders = vec![None, ca.asked_about().pop()];
        orders.extend(is_ordered.then_some(None));
        assert_eq!(ca.replaced(), orders, "{replacing:?}");
        edge.stop();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_window_moves_the_renewal_no_further_than_two_thirds() {
    let upstream = Upstream::start().await;
    let (ca, state) = registered(&upstream, Script { window: Some((10 * DAY, 12 * DAY)), ..invalid() }).await;
    let edge = started(&upstream, &ca, &state);
    admin::happens(async || left(&edge).await <= 12 * DAY).await;
    assert!(left(&edge).await > 9 * DAY);
    edge.stop();
    let later = Script { window: Some((70 * DAY, 80 * DAY)), ..invalid() };
    for script in [later, Script { window: Some((DAY, DAY)), ..invalid() }, invalid()] {
        let asks = script.window.is_some();
        let asked = || if asks { ca.asked_about().len() } else { ca.requests("/dir") };
        let before = asked();
        ca.follow(script);
        let edge = started(&upstream, &ca, &state);
        admin::happens(async || asked() > before).await;
        another_look().await;
        assert!((50 * DAY..=58 * DAY).contains(&left(&edge).await), "{asks}");
        assert!(!edge.stop().contains("ordering a certificate"), "{asks}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ca_that_cannot_be_asked_changes_nothing() {
    let upstream = Upstream::start().await;
    let (ca, state) = registered(&upstream, invalid()).await;
    drop(ca);
    issued_for(LATER, &state, -2 * DAY, 88 * DAY);
    let (edge, _) = ordered(&upstream, &settings("http://127.0.0.1:1/dir", &state));
    let edge = edge.acme_domain(LATER, "");
    // Without an account at this CA, it is not asked.
    let account = std::fs::read_to_string(state.path().join("account.json")).unwrap();
    let account: serde_json::Value = serde_json::from_str(&account).unwrap();
    let known = account["directory"].as_str().unwrap().to_owned();
    let away = account.to_string().replace(&known, "http://127.0.0.1:1/dir");
    std::fs::write(state.path().join("account.json"), away).unwrap();
    let edge = edge.start();
    let line = edge.wait_for_log("\"the CA does not say when to renew\"");
    assert!(line.contains("cannot connect"), "{line}");
    assert!((50 * DAY..=58 * DAY).contains(&left(&edge).await));
    assert_eq!(admin::status(&edge, "").await["health"]["state"], "healthy");
    another_look().await;
    assert_eq!(
        edge.stop().matches("\"the CA does not say when to renew\"").count(),
        1,
        "not asked per domain"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_renewal_info_holds_up_no_order() {
    let upstream = Upstream::start().await;
    // Connections wait in its backlog.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let renewal_info = Some(format!("https://{}/", silent.local_addr().unwrap()));
    let script = Script { window: Some((DAY, 2 * DAY)), renewal_info, ..invalid() };
    let (ca, state) = registered(&upstream, script).await;
    let (edge, _) = ordered(&upstream, &settings(&ca.directory(), &state));
    let edge = edge.acme_domain(LATER, "").start();
    edge.wait_for_log(&format!("\"domain\":\"{LATER}\",\"why\":"));
    let _question = timeout(PATIENCE, silent.accept()).await.expect("a question").unwrap();
    edge.reload("edge.toml", &with_later_domain(&edge, "zzz.example"));
    edge.wait_for_log("\"domain\":\"zzz.example\",\"why\":");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_about_renewal_are_kept_over_a_reload() {
    let upstream = Upstream::start().await;
    let (ca, state) = registered(&upstream, Script { window: Some((10 * DAY, 12 * DAY)), ..invalid() }).await;
    issued_for(LATER, &state, -2 * DAY, 88 * DAY);
    let edge = started(&upstream, &ca, &state);
    admin::happens(async || left(&edge).await <= 12 * DAY).await;
    let first = ca.asked_about();
    edge.reload("edge.toml", &with_later_domain(&edge, LATER));
    admin::happens(async || ca.asked_about().last() != first.last()).await;
    assert_eq!(ca.asked_about().len(), 2);
    assert!(left(&edge).await <= 12 * DAY);
    edge.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ca_is_asked_soon_after_the_account_is_registered() {
    let upstream = Upstream::start().await;
    let script = Script { window: Some((10 * DAY, 12 * DAY)), ..invalid() };
    let (ca, state) = (StubCa::start(script).await, TempDir::new().unwrap());
    issued(&state, -2 * DAY, 88 * DAY);
    let now = time::OffsetDateTime::now_utc();
    let (edge, _) = ordered(&upstream, &settings(&ca.directory(), &state));
    let mut edge = edge.clock(now).start();
    admin::happens(async || left(&edge).await > 50 * DAY).await;
    another_look().await;
    edge.reload("edge.toml", &with_later_domain(&edge, LATER));
    edge.wait_for_log("\"account registered at the CA\"");
    edge.wait_for_log("\"certificate not issued\"");
    edge.set_clock(now + time::Duration::seconds(61));
    admin::happens(async || left(&edge).await <= 12 * DAY).await;
    edge.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_certificate_stops_no_other_question() {
    let upstream = Upstream::start().await;
    for (status, kind, asked) in [(404, "malformed", 2), (429, "rateLimited", 1)] {
        let script = Script { window: Some((DAY, 2 * DAY)), no_window: Some((status, kind)), ..invalid() };
        let (ca, state) = registered(&upstream, script).await;
        issued_for(LATER, &state, -2 * DAY, 88 * DAY);
        let (edge, _) = ordered(&upstream, &settings(&ca.directory(), &state));
        let edge = edge.acme_domain(LATER, "").start();
        edge.wait_for_logs("\"the CA does not say when to renew\"", asked);
        assert!(edge.log().contains("API error: unknown"), "{}", edge.log());
        another_look().await;
        assert_eq!(ca.asked_about().len(), asked, "{kind}");
        edge.stop();
    }
}
