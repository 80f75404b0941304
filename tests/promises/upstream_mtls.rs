//! The edge's own certificate towards an upstream: it is shown, follows its files, and is checked before it is used.

use std::{
    fs,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use rustls::pki_types::CertificateDer;
use tokio::{sync::Notify, time::timeout};

use crate::pkcs11::{outage::lock, sessions::Spy};
use crate::support::{
    Ca, Client, Credentials, Edge, EdgeBuilder, PATIENCE, admin,
    certificates::time_from_now,
    scripted::{Scripted, https, mutual_acceptor, serve_http},
    soft_hsm::{SoftHsm, domain},
    with_client,
};

/// An https upstream that serves only holders of a certificate of its CA.
struct Guarded {
    scripted: Scripted,
    ca: Ca,
    /// The client certificate of each request.
    seen: Arc<Mutex<Vec<CertificateDer<'static>>>>,
    /// Notified when a connection has ended.
    ended: Arc<Notify>,
}

impl Guarded {
    async fn start(protocols: &[&str]) -> Self {
        let ca = Ca::new("Upstream CA");
        let acceptor = mutual_acceptor(&ca.server(&["localhost"]), protocols, &ca);
        let (seen, ended) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<Notify>::default());
        let (recorded, notify) = (Arc::clone(&seen), Arc::clone(&ended));
        let scripted = Scripted::start(move |_, stream| {
            let (acceptor, recorded, ended) = (acceptor.clone(), Arc::clone(&recorded), Arc::clone(&notify));
            async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let tls = stream.get_ref().1;
                let leaf = tls.peer_certificates().unwrap()[0].clone().into_owned();
                let http2 = tls.alpn_protocol() == Some(b"h2");
                serve_http(stream, http2, move |_| {
                    recorded.lock().unwrap().push(leaf.clone());
                    async { Response::new(Full::new(Bytes::from_static(b"{}"))) }
                })
                .await;
                ended.notify_one();
            }
        })
        .await;
        Self { scripted, ca, seen, ended }
    }

    fn edge(&self, shown: Option<&Credentials>) -> (Edge, Credentials) {
        with_client(self.builder(shown))
    }

    fn builder(&self, shown: Option<&Credentials>) -> EdgeBuilder {
        let edge = EdgeBuilder::new(https(&self.scripted))
            .file("upstream-ca.pem", self.ca.pem())
            .upstream("ca = \"upstream-ca.pem\"");
        match shown {
            Some(shown) => {
                shown.write(edge.path(), "edge");
                edge.upstream("client_certificate = \"edge.pem\"\nprivate_key = \"edge.key\"")
            }
            None => edge,
        }
    }

    /// The same with the key in a token.
    fn with_token(&self, shown: &Credentials) -> Option<(Edge, Credentials, SoftHsm)> {
        let edge = self.builder(None);
        let hsm = SoftHsm::in_folder(edge.path())?;
        fs::write(edge.path().join("edge.pem"), shown.chain_pem()).unwrap();
        hsm.import("edge", "client", "a1", shown);
        let lines =
            format!("client_certificate = \"edge.pem\"\nprivate_key = \"{}\"", hsm.uri("object=client"));
        let (edge, client) = with_client(hsm.edge(edge).upstream(&lines));
        Some((edge, client, hsm))
    }

    fn last(&self) -> CertificateDer<'static> {
        self.seen.lock().unwrap().last().unwrap().clone()
    }
}

#[tokio::test]
async fn a_token_signs_for_the_upstream() {
    let guarded = Guarded::start(&["h2", "http/1.1"]).await;
    let shown = guarded.ca.issue("edge", |_| {});
    let Some((edge, client, hsm)) = guarded.with_token(&shown) else { return };
    let client = Client::with(&edge, &client);
    assert_eq!(client.token("billing").await.status, 200);
    assert_eq!(&guarded.last(), shown.leaf());

    // Connections that are open stay. New ones say why they fail.
    fs::rename(hsm.tokens(), edge.folder.path().join("away")).unwrap();
    edge.reload("edge.toml", &changed_upstream(&edge));
    assert_eq!(client.token("billing").await.status, 503);
    edge.wait_for_log("the private key's token did not sign: ");
    edge.stop();
}

/// The configuration with other limits of the upstream, so that its connections are replaced.
fn changed_upstream(edge: &Edge) -> String {
    let config = fs::read_to_string(edge.folder.path().join("edge.toml")).unwrap();
    config.replacen("client_certificate", "connect_timeout = \"4s\"\nclient_certificate", 1)
}

#[tokio::test]
async fn the_edge_shows_its_certificate_to_the_upstream() {
    for protocols in [&["h2", "http/1.1"][..], &["http/1.1"]] {
        let upstream = Guarded::start(protocols).await;
        let shown = upstream.ca.issue("edge", |_| {});
        let (edge, client) = upstream.edge(Some(&shown));
        let mut connection = Client::with(&edge, &client).connect().await;
        for _ in 0..3 {
            assert_eq!(connection.token("billing").await.status, 200, "{protocols:?}");
            assert_eq!(upstream.last(), *shown.leaf());
        }
        assert_eq!(upstream.scripted.accepted(), 1);
    }
}

#[tokio::test]
async fn an_upstream_that_demands_a_certificate_gets_no_request() {
    let upstream = Guarded::start(&["http/1.1"]).await;
    let other = Ca::new("Other CA").issue("edge", |_| {});
    for shown in [None, Some(&other)] {
        let (edge, client) = upstream.edge(shown);
        let answer = Client::with(&edge, &client).token("billing").await;
        assert!(matches!(answer.status.as_u16(), 502 | 503), "{answer:?}");
        // With TLS 1.3 a server rejects a certificate when the client has completed its handshake.
        edge.wait_for_log("received fatal alert");
    }
    assert!(upstream.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_renewed_certificate_replaces_connections_of_the_old() {
    let upstream = Guarded::start(&["http/1.1"]).await;
    let [old, new] = ["old", "new"].map(|name| upstream.ca.issue(name, |_| {}));
    let (edge, client) = upstream.edge(Some(&old));
    let mut connection = Client::with(&edge, &client).connect().await;
    assert_eq!(connection.token("billing").await.status, 200);
    assert_eq!(upstream.last(), *old.leaf());

    // The key alone does not match, so that the old pair stays until both are there.
    let folder = edge.folder.path();
    fs::write(folder.join("edge.key"), new.key_pem()).unwrap();
    edge.reload("edge.pem", &new.chain_pem());
    assert_eq!(connection.token("billing").await.status, 200);
    assert_eq!(upstream.last(), *new.leaf(), "the connection of the old certificate carried a request");
    assert_eq!(upstream.scripted.accepted(), 2);
    timeout(PATIENCE, upstream.ended.notified()).await.expect("the old connection stays open");
}

#[tokio::test]
async fn a_certificate_of_tomorrow_is_shown_once_it_is_valid() {
    let upstream = Guarded::start(&["http/1.1"]).await;
    let old = upstream.ca.issue("old", |params| params.not_before = time_from_now(-30 * 86_400));
    let new = upstream.ca.issue("new", |params| params.not_before = time_from_now(-3600));
    let (mut edge, client) = with_client(upstream.builder(Some(&old)).clock(time_from_now(-86_400)));
    // For the upstream it is already valid; for the edge, whose clock is a day slow, only in 23 hours.
    new.write(edge.folder.path(), "edge");
    let line = edge.wait_for_log("edge.pem is not valid yet (before ");
    assert!(line.contains("reload rejected"), "{line}");
    edge.set_clock(time_from_now(0));
    edge.wait_for_log("\"reloaded\"");
    assert_eq!(Client::with(&edge, &client).token("billing").await.status, 200);
    assert_eq!(upstream.last(), *new.leaf());
    edge.stop();
}

#[tokio::test]
async fn a_certificate_with_a_warning_is_shown() {
    let upstream = Guarded::start(&["http/1.1"]).await;
    let shown = upstream.ca.issue("edge", |params| params.not_after = time_from_now(86_400));
    let (edge, client) = upstream.edge(Some(&shown));
    edge.wait_for_log("edge.pem expires in");
    assert_eq!(Client::with(&edge, &client).token("billing").await.status, 200);
    let left = admin::metric(&edge, "mtls_edge_upstream_certificate_expiry_seconds{upstream=\"as\"}").await;
    assert!((86_000..=86_400).contains(&left), "{left}");
    let status = admin::status(&edge, "").await;
    assert_eq!(status["expiring"]["list"][0]["what"], "upstream client certificate", "{status}");
    assert!(status["health"].to_string().contains("upstream_certificate_expiring"), "{status}");
}

#[tokio::test]
async fn clients_of_a_token_that_hangs_keep_no_upstream_away() {
    let (guarded, ca) = (Guarded::start(&["http/1.1"]).await, Ca::new("Slow CA"));
    let edge = guarded.builder(None).workers(1);
    let Some(hsm) = SoftHsm::in_folder(edge.path()) else { return };
    let of_domain = fs::read_dir(hsm.tokens()).unwrap().next().unwrap().unwrap().path();
    let (server, shown) = (ca.server(&["slow.example.test"]), guarded.ca.issue("edge", |_| {}));
    hsm.import("edge", "server", "a1", &server);
    hsm.token("upstream");
    hsm.import("upstream", "client", "a2", &shown);
    fs::write(edge.path().join("slow.pem"), server.chain_pem()).unwrap();
    fs::write(edge.path().join("edge.pem"), shown.chain_pem()).unwrap();
    // Another module, so that the one that hangs is not asked.
    let Some((edge, uri, _)) = Spy::between(edge, &hsm, &hsm.uri("token=upstream")) else { return };
    let edge = hsm
        .edge(edge)
        .upstream(&format!("client_certificate = \"edge.pem\"\nprivate_key = \"{uri}\""))
        .extra(&domain("slow.example.test", "slow.pem", &hsm.uri("token=edge")));
    let (edge, client) = with_client(edge);
    let mut locked = Vec::new();
    lock(&of_domain, &mut locked);
    let stranger = Client::new(&(edge.https, ca.der())).server_name("slow.example.test");
    for _ in 0..3 {
        stranger.tls().await.unwrap_err();
    }
    edge.wait_for_log("it is too slow for so many handshakes");
    let answer = Client::with(&edge, &client).token("billing").await;
    assert_eq!(answer.status, 200, "{}", edge.log());
    assert_eq!(*guarded.seen.lock().unwrap(), [shown.leaf().clone()]);
    drop(locked);
    edge.stop();
}
