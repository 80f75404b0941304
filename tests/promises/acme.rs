//! Certificates that are ordered by ACME: issued, renewed, and what happens if that fails.

mod failures;
mod pebble;
mod renewal_info;
mod stub;
mod validation;

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use rustls::pki_types::CertificateDer;
use tempfile::TempDir;
use tokio::task::JoinSet;

use self::{pebble::Pebble, stub::StubCa};
use crate::support::{Client, Credentials, DOMAIN, Edge, EdgeBuilder, Steady, Upstream, admin, self_signed};

/// The usual domain and its application, with a certificate that is ordered.
fn ordered(upstream: &Upstream, acme: &str) -> (EdgeBuilder, Credentials) {
    let credentials = self_signed("billing");
    let edge = EdgeBuilder::new(upstream.url())
        .acme_domain(DOMAIN, "")
        .self_signed_application("billing", &[credentials.thumbprint()])
        .extra(acme);
    (edge, credentials)
}

/// The certificate that a new handshake shows.
async fn shown(client: &Client) -> CertificateDer<'static> {
    client.connect().await.server_chain[0].clone()
}

/// The lines of `[acme]` with a CA at this directory.
fn settings(directory: &str, state: &TempDir) -> String {
    format!(
        "[acme]\ndirectory = \"{directory}\"\nterms_of_service_agreed = true\nstate = \"{}\"",
        state.path().display()
    )
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_issued_and_renewed_under_load() {
    let (upstream, pebble, state) =
        (Upstream::start().await, Pebble::start(9, "").await, TempDir::new().unwrap());
    let state = state.path().join("acme");
    let (edge, credentials) = ordered(&upstream, &pebble.settings(&state));
    let edge = edge.quiet().start();
    pebble.validate_at(edge.https);
    edge.wait_for_log("\"certificate issued\"");
    admin::reloaded(&edge, 2);

    let client = Client::with(&(edge.https, pebble.root().await), &credentials);
    let first = shown(&client).await;
    let mut kept = client.connect().await;
    let (load, mut clients) = (Arc::new(Steady::default()), JoinSet::new());
    clients.spawn(Arc::clone(&load).connecting(client.clone()));
    clients.spawn(Arc::clone(&load).connecting(client.clone().http2()));
    clients.spawn(Arc::clone(&load).keeping(client.clone()));
    clients.spawn(Arc::clone(&load).keeping(client.clone().resuming()));
    edge.wait_for_logs("\"certificate issued\"", 2);
    admin::reloaded(&edge, 3);
    assert_ne!(shown(&client).await, first);
    // The connection of the first certificate goes on.
    assert_eq!(kept.token("billing").await.status, 200);
    let answered = load.answered.load(Relaxed);
    admin::happens(async || load.answered.load(Relaxed) > answered + 100).await;
    load.ends.store(true, Relaxed);
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    let lost = load.lost.lock().unwrap().clone();
    assert!(lost.is_empty(), "of {}: {lost:#?}", load.answered.load(Relaxed));

    let orders = |result| format!("mtls_edge_acme_orders_total{{domain=\"{DOMAIN}\",result=\"{result}\"}}");
    assert!(admin::metric(&edge, &orders("issued")).await >= 2);
    assert_eq!(admin::metric(&edge, &orders("failed")).await, 0);
    assert!(admin::metric(&edge, "mtls_edge_acme_validations_total").await >= 2);
    let status = admin::status(&edge, "").await;
    assert_eq!(status["health"]["state"], "healthy", "{status:#}");
    assert!(status["acme"][0]["renewed_at"].is_string(), "{status:#}");
    for file in ["account.json", &format!("{DOMAIN}.pem")] {
        assert_eq!(mode(&state.join(file)), 0o600, "{file}");
    }
    assert!(!state.join(format!("{DOMAIN}.retry")).exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_edge_serves_from_its_state_at_once() {
    let (upstream, state) = (Upstream::start().await, TempDir::new().unwrap());
    let state = state.path();
    let pebble = Pebble::start(3600, "").await;
    let (edge, _) = ordered(&upstream, &pebble.settings(state));
    let edge = edge.start();
    pebble.validate_at(edge.https);
    edge.wait_for_log("\"certificate issued\"");
    // At two thirds of its lifetime, or up to a fiftieth earlier.
    let renewal = format!("mtls_edge_acme_renewal_seconds{{domain=\"{DOMAIN}\"}}");
    let left = admin::metric(&edge, &renewal).await;
    assert!((2400 - 72 - 60..=2400).contains(&left), "{left}");
    let root = pebble.root().await;
    // The CA is away.
    let settings = pebble.settings(state).replace("ca = ", "# ");
    drop(pebble);
    edge.stop();
    let (edge, credentials) = ordered(&upstream, &settings);
    let edge: Edge = edge.start();
    let client = Client::with(&(edge.https, root), &credentials);
    assert_eq!(client.token("billing").await.status, 200);
    assert!(!edge.log().contains("ordering a certificate"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_bound_to_the_operators_account() {
    const KEY: &str = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
    let required = format!(
        ", \"externalAccountBindingRequired\": true, \"externalAccountMACKeys\": {{\"kid-1\": \"{KEY}\"}}"
    );
    let (upstream, state) = (Upstream::start().await, TempDir::new().unwrap());
    let pebble = Pebble::start(3600, &required).await;
    let binding =
        "eab_key_id = \"kid-1\"\neab_key = { file = \"eab\" }\ncontact = [\"mailto:ops@example.com\"]";
    let (mut edge, _) = ordered(&upstream, &format!("{}\n{binding}", pebble.settings(state.path())));
    for garbage in ["no key!", "QUJD=QUJD"] {
        edge = edge.secret_file("eab", garbage);
        let problems = String::from_utf8(edge.output("check").stderr).unwrap();
        assert!(problems.contains("acme.eab_key: the key is not base64url"), "{garbage}: {problems}");
    }
    // CAs show it with padding, too.
    let edge = edge.secret_file("eab", format!("{KEY}==\n")).start();
    pebble.validate_at(edge.https);
    edge.wait_for_log("\"certificate issued\"");
    assert!(!edge.stop().contains(KEY));
}
