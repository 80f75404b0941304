//! `client_auth`: whether the handshake requests a certificate, and what happens without one.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use rustls::{
    SignatureScheme, SupportedProtocolVersion,
    client::ResolvesClientCert,
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{
    Ca, Client, DOMAIN, Edge, EdgeBuilder, Upstream, client::token_request, openssl::SClient, self_signed,
};

const OPTIONAL: &str = r#"client_auth = "optional"
[[domain.route]]
path = "/oauth/token"
[[domain.route]]
path = "/userinfo"
methods = ["GET"]
authenticate = "certificate"
[[domain.route]]
path = "/authorize"
methods = ["GET"]
authenticate = "none"
"#;
const OFF: &str = r#"client_auth = "off"
[[domain.route]]
path = "/authorize"
methods = ["GET"]
authenticate = "none"
"#;
const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).body(Full::default()).unwrap()
}

/// A client without a certificate that records the CA names of each certificate request.
#[derive(Debug, Default)]
struct RecordedRequests(Mutex<Vec<Vec<Vec<u8>>>>);

impl RecordedRequests {
    fn client(
        edge: &crate::support::Edge,
        version: &'static SupportedProtocolVersion,
    ) -> (Arc<Self>, Client) {
        let asked = Arc::new(Self::default());
        let mut client = Client::build(edge, &[version], None);
        client.config().client_auth_cert_resolver = Arc::clone(&asked) as Arc<dyn ResolvesClientCert>;
        (asked, client)
    }

    fn times(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl ResolvesClientCert for RecordedRequests {
    fn resolve(&self, hints: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.lock().unwrap().push(hints.iter().map(|hint| hint.to_vec()).collect());
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn required_client_auth_alerts_without_a_certificate() {
    let upstream = Upstream::start().await;
    let registered = self_signed("billing");
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .self_signed_application("billing", &[registered.thumbprint()])
        .start();
    for version in VERSIONS {
        for client in [Client::build(&edge, &[version], None), Client::build(&edge, &[version], None).http2()]
        {
            let error = client.refused().await;
            assert!(error.contains("fatal alert"), "{version:?}: {error}");
        }
        let client = Client::build(&edge, &[version], Some(&registered));
        assert_eq!(client.token("billing").await.status, 200);
    }
    for version in ["-tls1_2", "-tls1_3"] {
        let request = format!("POST /oauth/token HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n\r\n");
        let printed = SClient::new(&edge, &["-servername", DOMAIN, version]).send(&request).await;
        assert!(printed.contains("alert certificate required"), "{printed}");
        assert!(!printed.contains("HTTP/1.1 "), "{printed}");
    }
    assert_eq!(upstream.seen().len(), 2);
    assert!(edge.wait_for_log("handshake failed").contains("certificate"), "the log has the reason");
}

#[tokio::test]
async fn optional_client_auth_opens_only_unauthenticated_routes() {
    let upstream = Upstream::start().await;
    let registered = self_signed("billing");
    let edge = EdgeBuilder::new(upstream.url())
        .domain(DOMAIN, OPTIONAL)
        .self_signed_application("billing", &[registered.thumbprint()])
        .start();
    for version in VERSIONS {
        let (asked, client) = RecordedRequests::client(&edge, version);
        for client in [client.clone(), client.http2()] {
            let before = asked.times();
            let mut connection = client.connect().await;
            assert_eq!(asked.times(), before + 1, "optional requests one");
            assert_eq!(connection.send(get("/authorize?a=b")).await.status, 200);
            assert_eq!(upstream.last().uri, "/authorize?a=b");
            let before = upstream.seen().len();
            connection.send(get("/userinfo")).await.oauth_error(401, "invalid_client");
            client.token("billing").await.oauth_error(401, "invalid_client");
            assert_eq!(upstream.seen().len(), before);
        }
        let mut connection = Client::build(&edge, &[version], Some(&registered)).connect().await;
        for request in [get("/authorize"), get("/userinfo")] {
            assert_eq!(connection.send(request).await.status, 200);
        }
        assert_eq!(connection.token("billing").await.status, 200);
    }
}

#[tokio::test]
async fn an_unregistered_certificate_does_not_block_a_browser() {
    let upstream = Upstream::start().await;
    let edge = EdgeBuilder::new(upstream.url()).domain(DOMAIN, OPTIONAL).start();
    let mut connection = Client::with(&edge, &self_signed("a browser's")).connect().await;
    assert_eq!(connection.send(get("/authorize")).await.status, 200);
    assert!(!upstream.last().headers.contains_key("client-certificate"));
    connection.send(token_request("billing")).await.oauth_error(401, "invalid_client");
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn client_auth_off_requests_no_certificate() {
    let upstream = Upstream::start().await;
    let edge = EdgeBuilder::new(upstream.url()).domain(DOMAIN, OFF).start();
    for version in VERSIONS {
        let (asked, client) = RecordedRequests::client(&edge, version);
        for client in [client.clone(), client.http2()] {
            assert_eq!(client.connect().await.send(get("/authorize")).await.status, 200);
        }
        assert_eq!(asked.times(), 0);
    }
    for version in ["-tls1_2", "-tls1_3"] {
        let request = format!("GET /authorize HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n\r\n");
        let client = SClient::new(&edge, &["-servername", DOMAIN, version]);
        let printed = client.certificate(&self_signed("unasked")).send(&request).await;
        assert!(printed.contains("HTTP/1.1 200 OK"), "{printed}");
        assert!(!printed.contains("Client Certificate Types"), "{printed}");
    }
    assert_eq!(upstream.seen().len(), 6);
}

#[tokio::test]
async fn ca_hints_need_a_domain_without_self_signed_clients() {
    let upstream = Upstream::start().await;
    let ca = Ca::new("The only client CA");
    let build = || {
        let builder = EdgeBuilder::new(upstream.url()).domain(DOMAIN, OPTIONAL).trust("client-ca", &ca.pem());
        builder.ca_application("payments", r#"subject_dn = "CN=payments,O=Example Bank,C=DE""#)
    };
    let only_ca = build().start();
    let welcoming =
        build().self_signed_application("billing", &[self_signed("billing").thumbprint()]).start();
    for version in VERSIONS {
        for (edge, names) in [(&only_ca, true), (&welcoming, false)] {
            let (asked, client) = RecordedRequests::client(edge, version);
            assert_eq!(client.connect().await.send(get("/authorize")).await.status, 200);
            let hints = asked.0.lock().unwrap().concat();
            assert_eq!(hints.len(), usize::from(names));
            assert!(hints.iter().all(|hint| String::from_utf8_lossy(hint).contains("The only client CA")));
        }
    }
    let request = format!("GET /authorize HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n\r\n");
    for version in ["-tls1_2", "-tls1_3"] {
        let printed = SClient::new(&welcoming, &["-servername", DOMAIN, version]).send(&request).await;
        assert!(printed.contains("No client certificate CA names sent"), "{printed}");
    }
}

/// The CA names that `openssl s_client` prints.
async fn sent_names(edge: &Edge, domain: &str, version: &str) -> String {
    let request = format!("GET / HTTP/1.1\r\nHost: {domain}\r\nConnection: close\r\n\r\n");
    let printed = SClient::new(edge, &["-servername", domain, version]).send(&request).await;
    let (_, names) = printed.split_once("Acceptable client certificate CA names").unwrap_or_default();
    names.lines().skip(1).take_while(|line| line.contains("CN")).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn ca_hints_are_bounded() {
    const SAN: &str = "san_dns = \"billing.example\"";
    let (upstream, ca) = (Upstream::start().await, Ca::new("Client CA"));
    let credentials = ca.issue("billing", |params| {
        params.subject_alt_names = vec![rcgen::SanType::DnsName("billing.example".try_into().unwrap())];
    });
    // More CA names than fit into the certificate request.
    let many: String = (0..700).map(|number| Ca::new(&format!("{number:0>90}")).pem()).collect();
    let builder = || EdgeBuilder::new(upstream.url()).usual_domain("auth0").ca_application("billing", SAN);
    let crowded = builder().trust("client-ca", &ca.pem()).trust("many", &many);
    let checked = crowded.output("check");
    let printed = String::from_utf8(checked.stderr).unwrap();
    assert!(
        checked.status.success()
            && printed.contains("domain.ca_hints")
            && printed.contains("more than 16384"),
        "{printed}"
    );
    let edge = crowded.start();
    for version in [&TLS12, &TLS13] {
        let client = Client::build(&edge, &[version], Some(&credentials));
        assert_eq!(client.token("billing").await.status, 200, "{version:?}");
    }
    for version in ["-tls1_2", "-tls1_3"] {
        assert_eq!(sent_names(&edge, DOMAIN, version).await, "");
    }
    // The name of a CA with several certificates is sent once; a domain can turn hints off.
    let edge = builder()
        .domain("silent.example.test", "ca_hints = false")
        .trust("client-ca", &ca.pem().repeat(400))
        .start();
    for version in ["-tls1_2", "-tls1_3"] {
        assert_eq!(sent_names(&edge, DOMAIN, version).await.replace(' ', ""), "CN=ClientCA");
        assert_eq!(sent_names(&edge, "silent.example.test", version).await, "");
    }
}

#[tokio::test]
async fn the_log_names_who_comes_without_a_certificate() {
    let upstream = Upstream::start().await;
    let edge = EdgeBuilder::new(upstream.url())
        .domain(DOMAIN, "client_auth = \"optional\"")
        .self_signed_application("billing", &[self_signed("billing").thumbprint()])
        .start();
    let anybody = Client::new(&edge);
    for client in [anybody.clone(), anybody.clone().http2()] {
        client.token("billing").await.oauth_error(401, "invalid_client");
        let line = edge.wait_for_log("\"no_certificate\"");
        assert!(line.contains("\"client_id\":\"billing\""), "{line}");
    }
    // A body that does not come is not waited for, and one that is too long is not read.
    for length in [30, 5000] {
        let mut stream = anybody.tls().await.unwrap();
        let head = format!(
            "POST /oauth/token HTTP/1.1\r\nHost: {DOMAIN}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 401");
    }
    assert!(upstream.seen().is_empty());
}
