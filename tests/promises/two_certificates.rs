//! A domain with several certificates: each client gets the first that it accepts, and each is watched, checked and reported.

use std::path::Path;

use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, SignatureAlgorithm};
use rustls::{HandshakeKind, version::TLS12};
use time::OffsetDateTime;

use crate::support::{
    Ca, Client, Credentials, DOMAIN, Edge, EdgeBuilder, Upstream,
    admin::{self, get, metric, status},
    certificates::time_from_now,
    openssl::SClient,
    program,
};

const DAY: i64 = 86_400;

/// So many days and some hours from now, so that the whole days left do not depend on the second.
fn in_days(days: i64) -> OffsetDateTime {
    time_from_now(days * DAY + DAY / 2)
}

/// A certificate of the usual domain with a key of this type, as the files `NAME.pem` and `NAME.key`.
fn server(
    folder: &Path,
    name: &str,
    algorithm: &'static SignatureAlgorithm,
    end: OffsetDateTime,
) -> Credentials {
    let ca = Ca::with_keys("Server CA", algorithm);
    let server = ca.server_with(&[DOMAIN], |params| params.not_after = end);
    server.write(folder, name);
    server
}

/// An edge whose domain has these certificates, in this order.
fn domain(builder: EdgeBuilder, names: &[&str]) -> EdgeBuilder {
    let [certificates, keys] =
        ["pem", "key"].map(|end| names.iter().map(|name| format!("{name}.{end}")).collect::<Vec<_>>());
    builder.extra(&format!(
        "[[domain]]\nname = \"{DOMAIN}\"\ncertificate = {certificates:?}\nprivate_key = {keys:?}\nclient_auth = \"off\"\n[[domain.route]]\npath = \"/oauth/token\"\nauthenticate = \"none\""
    ))
}

/// The server's certificate in PEM that a client of OpenSSL with these arguments gets; empty if the handshake fails.
async fn shown(edge: &Edge, arguments: &str) -> String {
    let arguments: Vec<&str> = ["-servername", DOMAIN].into_iter().chain(arguments.split(' ')).collect();
    let request = format!("GET / HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n\r\n");
    let printed = SClient::new(edge, &arguments).send(&request).await;
    let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----\n");
    let Some((_, rest)) = printed.split_once(begin) else { return String::new() };
    format!("{begin}{}{end}", rest.split_once(end).unwrap().0)
}

#[tokio::test]
async fn each_client_gets_the_first_certificate_it_accepts() {
    let upstream = Upstream::start().await;
    for rsa_is_first in [false, true] {
        let names = if rsa_is_first { ["rsa", "ecdsa"] } else { ["ecdsa", "rsa"] };
        let builder = domain(EdgeBuilder::new(upstream.url()), &names);
        let ecdsa = server(builder.path(), "ecdsa", &PKCS_ECDSA_P256_SHA256, in_days(90));
        let rsa = server(builder.path(), "rsa", &PKCS_RSA_SHA256, in_days(90));
        let (ecdsa, rsa) = (ecdsa.chain_pem(), rsa.chain_pem());
        let edge = builder.start();
        let first = if rsa_is_first { &rsa } else { &ecdsa };
        for (arguments, expected) in [
            ("-tls1_3", first),
            ("-tls1_2", first),
            ("-tls1_3 -sigalgs RSA-PSS+SHA256", &rsa),
            ("-tls1_3 -sigalgs ECDSA+SHA256", &ecdsa),
            // PKCS #1 v1.5 does not sign handshakes of TLS 1.3.
            ("-tls1_3 -sigalgs RSA+SHA256:ECDSA+SHA256", &ecdsa),
            ("-tls1_2 -sigalgs RSA+SHA256", &rsa),
            ("-tls1_2 -sigalgs ECDSA+SHA256", &ecdsa),
            ("-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256", &rsa),
            ("-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256", &ecdsa),
            ("-tls1_3 -sigalgs ed25519", &String::new()),
        ] {
            assert_eq!(shown(&edge, arguments).await, *expected, "{arguments}");
        }
        let incompatible = "mtls_edge_handshake_failures_total{reason=\"incompatible\"}";
        assert_eq!(metric(&edge, incompatible).await, 1);
        edge.stop();
    }
}

#[tokio::test]
async fn a_renewal_of_one_of_two_files_is_picked_up() {
    let upstream = Upstream::start().await;
    let builder = domain(EdgeBuilder::new(upstream.url()), &["ecdsa", "rsa"]);
    let ecdsa = server(builder.path(), "ecdsa", &PKCS_ECDSA_P256_SHA256, in_days(90));
    server(builder.path(), "rsa", &PKCS_RSA_SHA256, in_days(20));
    let mut edge = builder.start();
    edge.server_ca = ecdsa.chain[0].clone();
    let [of_rsa, of_ecdsa] = ["RSA", "ECDSA P-256"].map(|key_type| {
        format!("mtls_edge_server_certificate_expiry_seconds{{domain=\"{DOMAIN}\",key_type=\"{key_type}\"}}")
    });
    assert_eq!(metric(&edge, &of_rsa).await / DAY, 20);
    assert_eq!(metric(&edge, &of_ecdsa).await / DAY, 90);

    let renewed = server(edge.folder.path(), "rsa", &PKCS_RSA_SHA256, in_days(50));
    let log = edge.wait_for_log(&format!("changed TLS of domain {DOMAIN}"));
    assert!(log.contains("rsa.pem") || log.contains("rsa.key"), "{log}");
    assert_eq!(shown(&edge, "-tls1_3 -sigalgs RSA-PSS+SHA256").await, renewed.chain_pem());
    assert_eq!(shown(&edge, "-tls1_3 -sigalgs ECDSA+SHA256").await, ecdsa.chain_pem());
    assert_eq!(metric(&edge, &of_rsa).await / DAY, 50);
    edge.stop();
}

#[tokio::test]
async fn a_session_survives_the_renewal_of_one_certificate() {
    let upstream = Upstream::start().await;
    let builder = domain(EdgeBuilder::new(upstream.url()), &["ecdsa", "rsa"]);
    let ca = Ca::new("Server CA");
    ca.server(&[DOMAIN]).write(builder.path(), "ecdsa");
    server(builder.path(), "rsa", &PKCS_RSA_SHA256, in_days(20));
    let mut edge = builder.start();
    edge.server_ca = ca.der();
    for versions in [rustls::ALL_VERSIONS, &[&TLS12]] {
        let client = Client::build(&edge, versions, None).resuming();
        assert_eq!(client.token("billing").await.status, 200);
        let before = edge.log().matches("\"reloaded\"").count();
        server(edge.folder.path(), "rsa", &PKCS_RSA_SHA256, in_days(50));
        edge.wait_for_logs("\"reloaded\"", before + 1);
        let stream = client.tls().await.unwrap();
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Resumed));
    }
    edge.stop();
}

#[tokio::test]
async fn the_expiry_of_each_certificate_is_reported() {
    let upstream = Upstream::start().await;
    let builder = domain(EdgeBuilder::new(upstream.url()), &["ecdsa", "rsa"]).clock(time_from_now(0));
    // Both end together.
    let end = in_days(10);
    server(builder.path(), "ecdsa", &PKCS_ECDSA_P384_SHA384, end);
    server(builder.path(), "rsa", &PKCS_RSA_SHA256, end);
    let printed = String::from_utf8(builder.output("check").stderr).unwrap();
    for file in ["ecdsa.pem", "rsa.pem"] {
        assert!(printed.contains(&format!("domain.certificate: {file} expires in")), "{printed}");
    }
    let mut edge = builder.start();
    edge.wait_for_logs("\"server certificate expires soon\"", 2);
    let log = edge.log();
    for key_type in ["ECDSA P-384", "RSA"] {
        let named = format!("\"domain\":\"{DOMAIN}\",\"key_type\":\"{key_type}\"");
        assert!(log.contains(&named), "{log}");
    }
    let found = status(&edge, "").await;
    let [first, second] =
        [&found["domains"][0]["certificate"], &found["domains"][0]["further_certificates"][0]];
    assert_eq!((&first["key_type"], &second["key_type"]), (&"ECDSA P-384".into(), &"RSA".into()));
    assert_ne!(first["thumbprint"], second["thumbprint"]);
    let mut listed: Vec<_> = found["expiring"]["list"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    listed.sort_unstable();
    assert_eq!(listed, [format!("{DOMAIN} (ECDSA P-384)"), format!("{DOMAIN} (RSA)")]);
    let (_, page) = admin::exchange(&edge, "/status", "text/html").await;
    assert!(page.contains(&format!("<td>{DOMAIN} (RSA)")), "{page}");
    let output = program().args(["status", "--wide", "--admin", &edge.admin.to_string()]).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    for key_type in ["ECDSA P-384", "RSA"] {
        // Also in the table of what expires.
        assert_eq!(printed.matches(&format!("{DOMAIN} ({key_type})")).count(), 3, "{printed}");
    }

    edge.set_clock(in_days(11));
    edge.wait_for_logs("\"server certificate has expired\"", 2);
    let (_, text) = get(&edge, "/status").await;
    for key_type in ["ECDSA P-384", "RSA"] {
        let problem = format!("the server certificate of {DOMAIN} ({key_type}) has expired");
        assert!(text.contains(&problem), "{text}");
    }
    edge.stop();
}

#[tokio::test]
async fn a_certificate_that_is_added_is_reported_by_itself() {
    let upstream = Upstream::start().await;
    let builder = domain(EdgeBuilder::new(upstream.url()), &["ecdsa"]);
    // Both end together, and the second one does not name the domain.
    let end = in_days(10);
    server(builder.path(), "ecdsa", &PKCS_ECDSA_P256_SHA256, end);
    let other = Ca::with_keys("Server CA", &PKCS_RSA_SHA256)
        .server_with(&["other.example"], |params| params.not_after = end);
    other.write(builder.path(), "rsa");
    let edge = builder.start();
    edge.wait_for_log("\"server certificate expires soon\"");
    let config = std::fs::read_to_string(edge.folder.path().join("edge.toml")).unwrap();
    let both = config.replace("\"ecdsa.pem\"", "\"ecdsa.pem\", \"rsa.pem\"");
    edge.reload("edge.toml", &both.replace("\"ecdsa.key\"", "\"ecdsa.key\", \"rsa.key\""));
    let log = edge.wait_for_log("\"key_type\":\"RSA\"");
    assert!(log.contains("\"server certificate expires soon\""), "{log}");
    let (_, text) = get(&edge, "/status").await;
    let problem = format!("the server certificate of {DOMAIN} (RSA) does not name it: clients refuse it");
    assert!(text.contains(&problem) && !text.contains("P-256) does not name it"), "{text}");
    edge.stop();
}
