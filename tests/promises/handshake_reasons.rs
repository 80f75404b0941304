//! Each reason for which a handshake fails, and each kind of TLS session, provoked from outside and read from its counter.

use std::collections::{BTreeMap, BTreeSet};

use mtls_edge::observe::metrics::HandshakeFailure;
use rustls::{
    SupportedProtocolVersion,
    crypto::{SupportedKxGroup, aws_lc_rs::kx_group},
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::support::{
    Ca, Client, DOMAIN, Edge, EdgeBuilder, PATIENCE, Upstream,
    admin::{get, happens, metric},
    client::provider_with,
    self_signed,
    soft_hsm::SoftHsm,
    with_client,
};

const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/observe.md"));
const FAILED: &str = "mtls_edge_handshakes_failed_total";
const FAILURES: &str = "mtls_edge_handshake_failures_total";
const SESSIONS: &str = "mtls_edge_tls_sessions_total";

/// What the page says about a metric with labels.
fn described(metric: &str) -> &'static str {
    let row = PAGE.lines().find(|line| line.contains(&format!("`{metric}{{"))).unwrap();
    row.rsplit_once(" | ").unwrap().1
}

/// The series of a metric that are above 0, by their labels.
async fn series(edge: &Edge, metric: &str) -> BTreeMap<String, i64> {
    let (_, text) = get(edge, "/metrics").await;
    let lines =
        text.lines().filter_map(|line| line.strip_prefix(metric)?.strip_prefix('{')?.split_once("} "));
    let all = lines.map(|(labels, count)| (labels.to_owned(), count.parse().unwrap()));
    all.filter(|(_, count)| *count > 0).collect()
}

/// A handshake that fails.
enum Attempt {
    /// By this client.
    Tls(Client),
    /// These bytes, on a connection that stays open until the edge closes it.
    Bytes(&'static [u8]),
    /// These bytes, and the end of the connection.
    Cut(&'static [u8]),
}

impl Attempt {
    async fn make(self, edge: &Edge) {
        let plain = Client::new(edge);
        match self {
            Self::Tls(client) => {
                if let Ok(mut stream) = client.tls().await {
                    let _ = timeout(PATIENCE, stream.read(&mut [0])).await.expect("the edge serves it");
                }
            }
            Self::Bytes(bytes) => {
                let mut stream = plain.tcp().await.unwrap();
                stream.write_all(bytes).await.unwrap();
                let _ = timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await.expect("it stays open");
            }
            Self::Cut(bytes) => plain.tcp().await.unwrap().write_all(bytes).await.unwrap(),
        }
    }
}

#[tokio::test]
async fn every_handshake_failure_is_counted_by_its_reason() {
    let upstream = Upstream::start().await;
    let usual = || EdgeBuilder::new(upstream.url()).workers(1);
    let (direct, client) = with_client(usual());
    let (hasty, _) = with_client(usual().limits("handshake_timeout = \"100ms\""));
    let (balanced, _) =
        with_client(usual().listen("proxy_protocol = true\ntrusted_proxies = [\"127.0.0.1\"]"));
    let acme = "[acme]\ndirectory = \"http://127.0.0.1:1/\"\nterms_of_service_agreed = true";
    let (ordering, _) = with_client(usual().acme_domain("ordered.example", "").extra(acme));
    let mut validating = Client::new(&ordering);
    validating.config().alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let (mut garbled, mut stolen) = (client.clone(), client.clone());
    garbled.chain = vec![b"not a certificate".to_vec().into()];
    stolen.key = self_signed("other").key;
    let with = |credentials| Attempt::Tls(Client::with(&direct, credentials));
    let distrustful = (direct.https, Ca::new("Another CA").der());
    let other_group = Client::with_provider(&direct, &client, provider_with(kx_group::MLKEM768));
    let with_token = EdgeBuilder::new(upstream.url());
    let hsm = SoftHsm::in_folder(with_token.path());
    let with_token = hsm.as_ref().map(|hsm| {
        let server = Ca::new("Server CA").server(&[DOMAIN]);
        std::fs::write(with_token.path().join("server.pem"), server.chain_pem()).unwrap();
        hsm.import("edge", "server", "a1", &server);
        let edge = hsm.domain(with_token, "server.pem", &hsm.uri("object=server")).start();
        std::fs::rename(hsm.tokens(), edge.folder.path().join("away")).unwrap();
        edge
    });
    let mut cases = vec![
        ("timeout", &hasty, Attempt::Bytes(&[22, 3, 1])),
        ("proxy_header", &balanced, Attempt::Bytes(b"GET / HTTP/1.1\r\n\r\n")),
        ("plain_http", &direct, Attempt::Cut(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")),
        ("no_server_name", &direct, Attempt::Tls(Client::with(&direct, &client).server_name("127.0.0.1"))),
        (
            "unknown_server_name",
            &direct,
            Attempt::Tls(Client::with(&direct, &client).server_name("a.example")),
        ),
        (
            "certificate_pending",
            &ordering,
            Attempt::Tls(Client::with(&ordering, &client).server_name("ordered.example")),
        ),
        ("no_challenge", &ordering, Attempt::Tls(validating)),
        ("incompatible", &direct, Attempt::Tls(other_group)),
        ("no_certificate", &direct, Attempt::Tls(Client::new(&direct))),
        ("certificate", &direct, with(&garbled)),
        ("possession", &direct, with(&stolen)),
        ("alert", &direct, Attempt::Tls(Client::with(&distrustful, &client))),
        ("closed", &direct, Attempt::Cut(&[22, 3, 1])),
        ("protocol", &direct, Attempt::Bytes(&[22, 3, 1, 0, 4, 99, 0, 0, 0])),
    ];
    if let Some(edge) = &with_token {
        cases.insert(cases.len() - 1, ("private_key", edge, Attempt::Tls(Client::new(edge))));
    }
    let items = described(FAILURES).split_once(": ").unwrap().1.split("; ");
    let documented: Vec<&str> = items.map(|item| item.split('`').nth(1).unwrap()).collect();
    assert_eq!(
        documented,
        HandshakeFailure::VALUES,
        "the page has each reason once, in the order of the enum"
    );
    let tried: Vec<&str> = cases.iter().map(|(reason, ..)| *reason).collect();
    let expected = documented.iter().filter(|reason| hsm.is_some() || **reason != "private_key");
    assert_eq!(tried, expected.copied().collect::<Vec<_>>(), "a case for each documented reason");

    for (reason, edge, attempt) in cases {
        let (failed, before) = (metric(edge, FAILED).await, series(edge, FAILURES).await);
        attempt.make(edge).await;
        happens(async || metric(edge, FAILED).await > failed).await;
        let mut expected = before;
        *expected.entry(format!("reason=\"{reason}\"")).or_default() += 1;
        assert_eq!(series(edge, FAILURES).await, expected, "{reason}: {}", edge.log());
    }
}

#[tokio::test]
async fn every_kind_of_tls_session_is_counted() {
    let upstream = Upstream::start().await;
    let (edge, credentials) = with_client(EdgeBuilder::new(upstream.url()));
    let groups: [(&str, &'static dyn SupportedKxGroup); 4] = [
        ("X25519MLKEM768", kx_group::X25519MLKEM768),
        ("X25519", kx_group::X25519),
        ("secp256r1", kx_group::SECP256R1),
        ("secp384r1", kx_group::SECP384R1),
    ];
    let versions: [(&str, &'static SupportedProtocolVersion); 2] = [("1.2", &TLS12), ("1.3", &TLS13)];
    let mut expected = BTreeMap::<String, i64>::new();
    for (version, tls) in versions {
        // TLS 1.2 has no post-quantum group.
        for (group, offered) in groups.into_iter().skip(usize::from(version == "1.2")) {
            let client = Client::of(&edge, &[tls], Some(&credentials), provider_with(offered)).resuming();
            for is_resumed in [false, true] {
                let group = if version == "1.2" && is_resumed { "none" } else { group };
                let labels = format!("version=\"{version}\",group=\"{group}\",resumed=\"{is_resumed}\"");
                *expected.entry(labels).or_default() += 1;
                let answer = client.token("billing").await;
                assert_eq!(series(&edge, SESSIONS).await, expected, "{version} {group} {is_resumed}");
                let line = edge.log_of(&answer);
                assert_eq!(line["tls_version"], version);
                assert_eq!(line["group"].as_str().unwrap_or("none"), group);
                assert_eq!(line["resumed"], is_resumed);
            }
        }
    }
    // Each documented value has been counted, but for groups that rustls may add.
    let counted: BTreeSet<&str> =
        expected.keys().flat_map(|labels| labels.split('"').skip(1).step_by(2)).chain(["other"]).collect();
    let documented: BTreeSet<&str> = described(SESSIONS)
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| !["version", "group", "resumed"].contains(word))
        .collect();
    assert_eq!(counted, documented);
}
