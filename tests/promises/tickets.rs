//! Session tickets: keys shared between edges by a file, key rotation while the edge runs, and expiry.

use std::{fs, sync::Arc};

use rustls::{
    RootCertStore, SupportedProtocolVersion,
    client::WebPkiServerVerifier,
    version::{TLS12, TLS13},
};

use crate::support::{
    Client, Credentials, DOMAIN, Edge, EdgeBuilder, Upstream, certificates::self_signed_with,
    certificates::time_from_now, openssl::SClient, self_signed,
};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];
const A: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const B: &str = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NTY=";
const FILE: &str = "tickets.keys";

fn builder(upstream: &Upstream, credentials: &Credentials, settings: &str) -> EdgeBuilder {
    EdgeBuilder::new(upstream.url())
        .domain(DOMAIN, settings)
        .self_signed_application("billing", &[credentials.thumbprint()])
}

/// An edge with these ticket keys.
fn keyed(upstream: &Upstream, credentials: &Credentials, keys: &str) -> EdgeBuilder {
    builder(upstream, credentials, "ticket_keys = \"tickets.keys\"")
        .secret_file(FILE, keys)
        .environment("RUST_LOG", "trace")
}

fn edge(upstream: &Upstream, credentials: &Credentials, keys: &str) -> Edge {
    keyed(upstream, credentials, keys).start()
}

/// A client that trusts the CAs of all these edges.
fn client(edges: &[&Edge], version: &'static SupportedProtocolVersion, credentials: &Credentials) -> Client {
    let mut roots = RootCertStore::empty();
    for edge in edges {
        roots.add(edge.server_ca.clone()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let mut client = Client::build(edges[0], &[version], Some(credentials)).resuming();
    client.config().dangerous().set_certificate_verifier(verifier);
    client
}

/// Sends a request on a new connection, which must be served. Returns whether the session was resumed.
async fn resumes(client: &Client) -> bool {
    let mut connection = client.connect().await;
    let answer = connection.token("billing").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    connection.resumed
}

/// Stops an edge, and asserts that its log contains no key.
fn end(edge: Edge) {
    let log = edge.stop();
    assert!(log.contains("\"thumbprint\""), "unexpected log: {log}");
    for key in [A, B] {
        assert!(!log.contains(&key[..12]), "{log}");
    }
    for raw in ["0123456789012345", "ABCDEFGHIJKLMNOP", "48, 49, 50, 51", "65, 66, 67, 68"] {
        assert!(!log.contains(raw), "{log}");
    }
}

#[tokio::test]
async fn edges_with_shared_keys_resume_each_others_sessions() {
    let (upstream, credentials) = (Upstream::start().await, self_signed("billing"));
    let first = edge(&upstream, &credentials, A);
    let second = edge(&upstream, &credentials, &format!("# by A they seal\n{B}\n{A}\n"));
    let stranger = edge(&upstream, &credentials, B);
    let alone = builder(&upstream, &credentials, "").environment("RUST_LOG", "trace").start();
    for version in VERSIONS {
        let client = || client(&[&first, &second, &stranger, &alone], version, &credentials);
        for (other, expected) in [(&first, true), (&second, true), (&stranger, false), (&alone, false)] {
            let client = client();
            assert!(!resumes(&client).await);
            assert_eq!(resumes(&client.before(other)).await, expected, "{version:?}");
        }
    }
    for edge in [first, second, stranger, alone] {
        end(edge);
    }
}

#[tokio::test]
async fn a_ticket_key_rotation_loses_no_session() {
    let (upstream, credentials) = (Upstream::start().await, self_signed("billing"));
    let edge = edge(&upstream, &credentials, A);
    for version in VERSIONS {
        let [moving, staying] = [(); 2].map(|()| client(&[&edge], version, &credentials));
        let mut open = moving.connect().await;
        assert_eq!(open.token("billing").await.status, 200);
        assert!(!resumes(&staying).await);
        edge.reload(FILE, &format!("{A}\n{B}\n"));
        assert!(resumes(&moving).await, "the key still decrypts");
        edge.reload(FILE, &format!("{B}\n{A}\n"));
        assert!(resumes(&moving).await, "the former key still decrypts");
        edge.reload(FILE, B);
        assert!(resumes(&moving).await, "the ticket of this session is of the new key");
        assert!(!resumes(&staying).await, "this one has not");
        assert_eq!(open.token("billing").await.status, 200, "open connections need no key");
        edge.reload(FILE, A);
    }
    end(edge);
}

#[tokio::test]
async fn tickets_do_not_outlive_a_changed_client_auth() {
    let (upstream, credentials) = (Upstream::start().await, self_signed("billing"));
    let edge = edge(&upstream, &credentials, A);
    for version in VERSIONS {
        let client = client(&[&edge], version, &credentials);
        assert!(!resumes(&client).await);
        assert!(resumes(&client).await);
        let text = fs::read_to_string(edge.folder.path().join("edge.toml")).unwrap();
        edge.reload("edge.toml", &text.replace("ticket_keys", "client_auth = \"optional\"\nticket_keys"));
        assert!(!resumes(&client).await);
        assert!(resumes(&client).await);
        edge.reload("edge.toml", &text);
        assert!(!resumes(&client).await);
    }
    end(edge);
}

#[tokio::test]
async fn a_session_ends_with_the_certificate() {
    let upstream = Upstream::start().await;
    for version in VERSIONS {
        let end = time_from_now(600).replace_nanosecond(0).unwrap();
        let second = time::Duration::SECOND;
        let credentials = self_signed_with("billing", |params| params.not_after = end);
        let mut edge = keyed(&upstream, &credentials, A).clock(end - 60 * second).start();
        let client = client(&[&edge], version, &credentials);
        assert!(!resumes(&client).await);
        assert!(resumes(&client).await);
        edge.set_clock(end - second);
        assert!(resumes(&client).await, "a session ended before its certificate");
        edge.set_clock(end);
        assert!(!resumes(&client).await, "a session outlives its certificate");
        edge.stop();
    }
}

/// The tickets that `openssl s_client` prints.
async fn hints(edge: &Edge, credentials: &Credentials, version: &str, session: &str) -> Vec<u64> {
    let request = format!(
        "POST /oauth/token HTTP/1.1\r\nHost: {DOMAIN}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 17\r\nConnection: close\r\n\r\nclient_id=billing"
    );
    let client = SClient::new(edge, &[version, "-servername", DOMAIN, session, "session.pem"]);
    let printed = client.certificate(credentials).send(&request).await;
    assert!(printed.contains("HTTP/1.1 200"), "{printed}");
    assert_eq!(printed.contains("Reused, TLSv1."), session == "-sess_in", "{printed}");
    let hints =
        printed.lines().filter_map(|line| line.trim().strip_prefix("TLS session ticket lifetime hint: "));
    let hints: Vec<u64> = hints.map(|hint| hint.split(' ').next().unwrap().parse().unwrap()).collect();
    assert!(!hints.is_empty(), "{printed}");
    hints
}

#[tokio::test]
async fn tickets_carry_the_remaining_session_lifetime() {
    let (upstream, lasting) = (Upstream::start().await, self_signed("billing"));
    let ending = self_signed_with("billing", |params| params.not_after = time_from_now(40));
    for (credentials, setting, most) in
        [(&lasting, "", 3600), (&lasting, "session_lifetime = \"5m\"", 300), (&ending, "", 40)]
    {
        let edge = builder(&upstream, credentials, setting).start();
        for version in ["-tls1_2", "-tls1_3"] {
            let first = hints(&edge, credentials, version, "-sess_out").await;
            assert!(first.iter().all(|hint| (1..=most).contains(hint)), "{version} {setting}: {first:?}");
            let resumed = hints(&edge, credentials, version, "-sess_in").await;
            assert!(
                resumed.iter().all(|hint| (1..=first[0]).contains(hint)),
                "{version}: {first:?}, {resumed:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_shorter_lifetime_holds_from_the_reload_on() {
    let (upstream, credentials) = (Upstream::start().await, self_signed("billing"));
    let edge = builder(&upstream, &credentials, "session_lifetime = \"50m\"").start();
    let text = fs::read_to_string(edge.folder.path().join("edge.toml")).unwrap();
    for version in ["-tls1_2", "-tls1_3"] {
        assert!(hints(&edge, &credentials, version, "-sess_out").await.iter().all(|hint| *hint > 300));
        edge.reload("edge.toml", &text.replace("50m", "5m"));
        // The earlier session, whose remaining lifetime is now shorter.
        assert!(hints(&edge, &credentials, version, "-sess_in").await.iter().all(|hint| *hint <= 300));
        edge.reload("edge.toml", &text);
    }
    edge.stop();
}

#[tokio::test]
async fn an_invalid_ticket_key_file_is_rejected_and_not_quoted() {
    let (upstream, credentials) = (Upstream::start().await, self_signed("billing"));
    let edge = edge(&upstream, &credentials, A);
    let client = client(&[&edge], &TLS13, &credentials);
    assert!(!resumes(&client).await);
    let path = edge.folder.path().join(FILE);
    for (text, message) in [
        (format!("{B}\n{}\n", &A[..40]), ", line 2: found 30 bytes, expected 32 bytes in base64"),
        (
            format!("{B}\nhunter2!hunter2!\n"),
            ", line 2: found 16 characters that are not base64, expected 32 bytes in base64",
        ),
        (format!("{B}\n{B}\n"), ", line 2: found the key of line 1 a second time"),
        (String::new(), " contains no key"),
    ] {
        fs::write(&path, text).unwrap();
        let line = edge.wait_for_log(&format!("{FILE}{message}"));
        assert!(line.contains("reload rejected"), "{line}");
        assert!(resumes(&client).await, "the former keys stay in force: {message}");
    }
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o604)).unwrap();
    fs::write(&path, B).unwrap();
    edge.wait_for_log(&format!("{FILE} can be read or written by others (mode 604)"));
    assert!(resumes(&client).await);
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    edge.reload(FILE, B);
    assert!(!resumes(&client).await);
    assert!(!edge.log().contains("hunter2"));
    end(edge);
}

#[tokio::test]
async fn check_reports_an_invalid_ticket_key_file() {
    let (upstream, credentials) = (Upstream::start().await, self_signed("billing"));
    let output =
        builder(&upstream, &credentials, "ticket_keys = \"tickets.keys\"").file(FILE, A).output("check");
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap();
    let expected = "error: domain.ticket_keys: tickets.keys can be read or written by others (mode 644): anyone who has a ticket key can impersonate any client";
    assert!(message.contains(expected), "{message}");
    assert!(message.contains("help: create new keys, then run: chmod o= tickets.keys"), "{message}");
}
