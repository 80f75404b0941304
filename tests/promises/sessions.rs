//! Resumed sessions: the same client as in the full handshake, and only on the same domain.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use http::HeaderMap;
use rustls::{
    NamedGroup, SupportedProtocolVersion,
    client::{
        ClientSessionMemoryCache, ClientSessionStore, Resumption, Tls12ClientSessionValue,
        Tls13ClientSessionValue,
    },
    pki_types::ServerName,
    version::{TLS12, TLS13},
};

use crate::support::{
    Ca, Client, Connection, Credentials, DOMAIN, Edge, EdgeBuilder, Seen, Upstream, openssl::SClient,
    self_signed,
};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];
const REQUIRED: &str = "required.example.test";
const OPTIONAL: &str = "optional.example.test";
/// A ticket key.
const KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const OFF: &str = "off.example.test";
const DOMAINS: [&str; 3] = [REQUIRED, OPTIONAL, OFF];

/// A session store that returns any session for any name, as a client that tries to resume one on another domain.
#[derive(Debug)]
struct AnyName {
    sessions: ClientSessionMemoryCache,
    offered: Arc<AtomicUsize>,
}

fn one_name() -> ServerName<'static> {
    "any.example.test".try_into().unwrap()
}

impl ClientSessionStore for AnyName {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.sessions.set_kx_hint(one_name(), group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.sessions.kx_hint(&one_name())
    }

    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.sessions.set_tls12_session(one_name(), value);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        let session = self.sessions.tls12_session(&one_name());
        self.offered.fetch_add(usize::from(session.is_some()), Ordering::Relaxed);
        session
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.sessions.remove_tls12_session(&one_name());
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.sessions.insert_tls13_ticket(one_name(), value);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        let ticket = self.sessions.take_tls13_ticket(&one_name());
        self.offered.fetch_add(usize::from(ticket.is_some()), Ordering::Relaxed);
        ticket
    }
}

/// A client that offers its sessions to every domain, and counts how often.
fn carrying(
    edge: &Edge,
    version: &'static SupportedProtocolVersion,
    credentials: Option<&Credentials>,
) -> (Client, Arc<AtomicUsize>) {
    let offered = Arc::new(AtomicUsize::new(0));
    let store = AnyName { sessions: ClientSessionMemoryCache::new(16), offered: Arc::clone(&offered) };
    let mut client = Client::build(edge, &[version], credentials);
    client.config().resumption = Resumption::store(Arc::new(store));
    (client, offered)
}

/// One domain per `client_auth` mode. `keys` is a line for each, such as `ticket_keys`.
fn modes(upstream: &Upstream, registered: &Credentials, keys: &str) -> Edge {
    let open = "[[domain.route]]\npath = \"/open\"\nmethods = [\"GET\"]\nauthenticate = \"none\"\n[[domain.route]]\npath = \"/oauth/token\"\n";
    EdgeBuilder::new(upstream.url())
        .domain(REQUIRED, &format!("{keys}\n[[domain.route]]\npath = \"/oauth/token\""))
        .domain(OPTIONAL, &format!("{keys}\nclient_auth = \"optional\"\n{open}"))
        .domain(OFF, &format!("{keys}\nclient_auth = \"off\"\n[[domain.route]]\npath = \"/open\"\nmethods = [\"GET\"]\nauthenticate = \"none\""))
        .secret_file("tickets.keys", format!("{KEY}\n"))
        .self_signed_application("billing", &[registered.thumbprint()])
        .start()
}

/// A connection after one request, so that its tickets are in the client's store.
async fn used(client: &Client, domain: &str) -> Connection {
    let mut connection = client.clone().server_name(domain).connect().await;
    let path = if domain == REQUIRED { "/nothing" } else { "/open" };
    let request = http::Request::get(path).header("host", domain).body(http_body_util::Empty::new());
    let answer = connection.send(request.unwrap()).await;
    assert_eq!(answer.status, if domain == REQUIRED { 404 } else { 200 });
    connection
}

#[tokio::test]
async fn a_session_of_one_domain_is_not_resumed_on_another() {
    assert_sessions_stay_in_their_domain("").await;
}

#[tokio::test]
async fn sessions_stay_in_their_domain_despite_shared_keys() {
    assert_sessions_stay_in_their_domain("ticket_keys = \"tickets.keys\"").await;
}

async fn assert_sessions_stay_in_their_domain(keys: &str) {
    let upstream = Upstream::start().await;
    let registered = self_signed("billing");
    let edge = modes(&upstream, &registered, keys);
    for version in VERSIONS {
        for from in DOMAINS {
            for to in DOMAINS {
                let (client, offered) = carrying(&edge, version, Some(&registered));
                assert!(!used(&client, from).await.resumed);
                let second = used(&client, to).await;
                assert_eq!(offered.load(Ordering::Relaxed), 1, "{from} to {to}: no session was offered");
                assert_eq!(second.resumed, from == to, "{version:?}: {from} to {to}");
            }
            if from != REQUIRED {
                let (client, offered) = carrying(&edge, version, None);
                drop(used(&client, from).await);
                let error = client.server_name(REQUIRED).refused().await;
                assert!(error.contains("fatal alert"), "{version:?}: {from}: {error}");
                assert_eq!(offered.load(Ordering::Relaxed), 1);
            }
        }
    }
}

#[tokio::test]
async fn openssl_cannot_resume_on_another_domain() {
    let upstream = Upstream::start().await;
    let registered = self_signed("billing");
    let edge = modes(&upstream, &registered, "ticket_keys = \"tickets.keys\"");
    let session = "session.pem";
    let request = |domain: &str| format!("GET /open HTTP/1.1\r\nHost: {domain}\r\nConnection: close\r\n\r\n");
    for version in ["-tls1_2", "-tls1_3"] {
        for from in [OPTIONAL, OFF] {
            let first = SClient::new(&edge, &[version, "-servername", from, "-sess_out", session]);
            let printed = first.send(&request(from)).await;
            assert!(printed.contains("HTTP/1.1 200 OK") && printed.contains("New, TLSv1."), "{printed}");
            for to in DOMAINS {
                let second = SClient::new(&edge, &[version, "-servername", to, "-sess_in", session]);
                let printed = second.send(&request(to)).await;
                assert_eq!(printed.contains("Reused, TLSv1."), from == to, "{from} to {to}: {printed}");
                assert_eq!(printed.contains("HTTP/1.1 "), to != REQUIRED, "{from} to {to}: {printed}");
            }
        }
        // A session with a certificate is not resumed elsewhere: the certificate is sent again.
        let first = SClient::new(&edge, &[version, "-servername", REQUIRED, "-sess_out", session]);
        let printed = first.certificate(&registered).send(&request(REQUIRED)).await;
        assert!(printed.contains("HTTP/1.1 404"), "{printed}");
        let body = "client_id=billing";
        let token = format!(
            "POST /oauth/token HTTP/1.1\r\nHost: {OPTIONAL}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let second = SClient::new(&edge, &[version, "-servername", OPTIONAL, "-sess_in", session]);
        let printed = second.send(&token).await;
        assert!(printed.contains("New, TLSv1.") && printed.contains("HTTP/1.1 401"), "{printed}");
        // On its own domain it is resumed, without the certificate being sent again.
        let second = SClient::new(&edge, &[version, "-servername", REQUIRED, "-sess_in", session]);
        let printed = second.send(&token.replace(OPTIONAL, REQUIRED)).await;
        assert!(printed.contains("Reused, TLSv1.") && printed.contains("HTTP/1.1 200"), "{printed}");
    }
    assert!(upstream.seen().iter().filter(|seen| seen.uri == "/oauth/token").count() == 2);
}

/// The request without the parts that differ in every request.
fn without_variable_parts(seen: &Seen) -> HeaderMap {
    let mut headers = seen.headers.clone();
    headers.remove("x-request-id").expect("every request has an id");
    headers
}

/// The access log line of the request with this response.
fn logged(edge: &Edge, answer: &crate::support::Answer) -> Vec<serde_json::Value> {
    let id = answer.headers["x-request-id"].to_str().unwrap();
    let line = edge.wait_for_log(&format!("\"request_id\":\"{id}\""));
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    ["status", "client_id", "credential", "thumbprint", "subject", "reason"]
        .map(|key| line[key].clone())
        .to_vec()
}

#[tokio::test]
async fn a_resumed_session_has_the_same_verdict_and_headers() {
    let upstream = Upstream::start().await;
    let (root, billing) = (Ca::new("Client CA"), self_signed("billing"));
    let payments = root.intermediate("Issuing CA", |_| {}).issue("payments", |_| {});
    let chained = self_signed("chained");
    let mut presented = chained.clone();
    presented.chain.push(root.der());
    let mut builder = EdgeBuilder::new(upstream.url());
    let profiles = mtls_edge::vouch::Profile::built_in_names();
    for profile in profiles {
        builder = builder.domain(&format!("{profile}.{DOMAIN}"), &format!("header_profile = \"{profile}\""));
    }
    let edge = builder
        .self_signed_application("billing", &[billing.thumbprint()])
        .self_signed_application("chained", &[chained.thumbprint()])
        .trust("client-ca", &root.pem())
        .ca_application("payments", r#"subject_dn = "CN=payments,O=Example Bank,C=DE""#)
        .start();
    for version in VERSIONS {
        for (client_id, credentials) in
            [("billing", &billing), ("payments", &payments), ("chained", &presented)]
        {
            for profile in profiles {
                let domain = format!("{profile}.{DOMAIN}");
                let client = Client::build(&edge, &[version], Some(credentials)).resuming();
                let client = client.server_name(&domain);
                let mut outcomes = Vec::new();
                for resumed in [false, true, true] {
                    let client = if outcomes.len() == 2 { client.clone().http2() } else { client.clone() };
                    let mut connection = client.connect().await;
                    assert_eq!(connection.resumed, resumed, "{version:?} {profile} {client_id}");
                    let token = |id| {
                        let mut request = crate::support::client::token_request(id);
                        *request.uri_mut() = format!("https://{domain}/oauth/token").parse().unwrap();
                        request.headers_mut().insert("host", domain.parse().unwrap());
                        request
                    };
                    let answer = connection.send(token(client_id)).await;
                    assert_eq!(answer.status, 200, "{answer:?}");
                    let headers = without_variable_parts(&upstream.last());
                    let passed = logged(&edge, &answer);
                    let answer = connection.send(token("another")).await;
                    let description = answer.oauth_error(401, "invalid_client");
                    outcomes.push((headers, passed, description, logged(&edge, &answer)));
                }
                assert!(outcomes.iter().all(|other| *other == outcomes[0]), "{profile}: {outcomes:#?}");
            }
        }
    }
}
