//! Everything in the configuration reloads, and every file that it names; changes that cannot are rejected.

use std::fs;

use http::Request;
use http_body_util::Empty;

use crate::support::{Ca, Client, Credentials, Edge, EdgeBuilder, TlsUpstream, Upstream, self_signed};

async fn status(edge: &Edge, credentials: &Credentials, client_id: &str) -> u16 {
    Client::with(edge, credentials).token(client_id).await.status.as_u16()
}

#[tokio::test]
async fn every_trust_file_reloads() {
    let upstream = Upstream::start().await;
    let (ca, other) = (Ca::new("Client CA"), Ca::new("Other CA"));
    let (first, second, payments) =
        (self_signed("billing"), self_signed("billing"), ca.issue("payments", |_| {}));
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .trust("client-ca", &ca.pem())
        .file("billing.pem", first.chain_pem())
        .file("pin.pem", ca.pem())
        .application("billing", "self_signed_tls_client_auth", &["certificate = \"billing.pem\"".to_owned()])
        .ca_application("payments", "san_dns = \"payments.example.test\"\nca = \"pin.pem\"")
        .start();
    let text = fs::read_to_string(edge.folder.path().join("applications.toml")).unwrap();
    let by_name = "subject_dn = \"CN=payments,O=Example Bank,C=DE\"";
    assert_eq!(status(&edge, &payments, "payments").await, 401);
    edge.reload("applications.toml", &text.replace("san_dns = \"payments.example.test\"", by_name));
    assert_eq!(status(&edge, &payments, "payments").await, 200);

    assert_eq!((status(&edge, &first, "billing").await, status(&edge, &second, "billing").await), (200, 401));
    edge.reload("billing.pem", &second.chain_pem());
    assert_eq!((status(&edge, &first, "billing").await, status(&edge, &second, "billing").await), (401, 200));

    for file in ["pin.pem", "client-ca.pem"] {
        edge.reload(file, &other.pem());
        assert_eq!(status(&edge, &payments, "payments").await, 401, "{file}");
        edge.reload(file, &ca.pem());
        assert_eq!(status(&edge, &payments, "payments").await, 200, "{file}");
    }
    edge.stop();
}

#[tokio::test]
async fn files_of_an_upstream_reload() {
    let (web, other) = (Ca::new("Web CA"), Ca::new("Other CA"));
    let server = web.server(&["localhost"]);
    let answer = |_: &crate::support::Seen| http::Response::new(http_body_util::Full::from("{}"));
    let upstream = TlsUpstream::answering(&server, &["http/1.1"], answer).await;
    let billing = self_signed("billing");
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .self_signed_application("billing", &[billing.thumbprint()])
        .file("web.pem", other.pem())
        .secret_file("secrets/key", "one")
        .upstream("ca = \"web.pem\"\nheaders = { x-key = { file = \"secrets/key\" } }")
        .start();
    assert_eq!(status(&edge, &billing, "billing").await, 503);
    edge.reload("web.pem", &web.pem());
    let mut kept = Client::with(&edge, &billing).connect().await;
    assert_eq!(kept.token("billing").await.status, 200);
    assert_eq!(upstream.seen().last().unwrap().1.header("x-key"), "one");

    // A reload of another setting keeps the connection to the upstream.
    let accepted = upstream.accepted();
    let text = fs::read_to_string(edge.folder.path().join("applications.toml")).unwrap();
    edge.reload(
        "applications.toml",
        &format!(
            "{text}\n{}",
            text.replace("billing", "other").replace(&billing.thumbprint(), &self_signed("x").thumbprint())
        ),
    );
    assert_eq!(kept.token("billing").await.status, 200);
    assert_eq!(upstream.accepted(), accepted, "a new connection to the upstream was opened");

    edge.reload("secrets/key", "two");
    assert_eq!(kept.token("billing").await.status, 200);
    assert_eq!(upstream.seen().last().unwrap().1.header("x-key"), "two");
    edge.stop();
}

#[tokio::test]
async fn every_reloadable_setting_reloads() {
    const SECOND: &str = "second.example.test";
    let (upstream, other_upstream) = (Upstream::start().await, Upstream::start().await);
    let billing = self_signed("billing");
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("rfc9440")
        .self_signed_application("billing", &[billing.thumbprint()])
        .start();
    let first = fs::read_to_string(edge.folder.path().join("edge.toml")).unwrap();
    let client = Client::with(&edge, &billing);
    let token = || async { client.token("billing").await.status.as_u16() };
    assert_eq!(token().await, 200);
    assert!(upstream.last().headers.contains_key("client-cert"));

    // Built-in and custom header profiles.
    edge.reload("edge.toml", &first.replace("\"rfc9440\"", "\"nginx\""));
    assert_eq!(token().await, 200);
    assert!(upstream.last().headers.contains_key("ssl-client-cert"));
    assert!(!upstream.last().headers.contains_key("client-cert"));
    let own = "[[header_profile]]\nname = \"corp\"\nheaders = { x-corp-print = \"thumbprint-hex\" }\n";
    edge.reload("edge.toml", &(first.replace("\"rfc9440\"", "\"corp\"") + own));
    assert_eq!(token().await, 200);
    assert_eq!(upstream.last().header("x-corp-print"), billing.thumbprint());
    edge.reload(
        "edge.toml",
        &(first.replace("\"rfc9440\"", "\"corp\"") + &own.replace("x-corp-print", "x-corp-other")),
    );
    assert_eq!(token().await, 200);
    assert_eq!(upstream.last().header("x-corp-other"), billing.thumbprint());

    // Routes.
    edge.reload("edge.toml", &first.replace("path = \"/oauth/token\"", "path = \"/oauth/par\""));
    assert_eq!(token().await, 404);

    // The upstream's address.
    edge.reload("edge.toml", &first.replace(&upstream.url(), &other_upstream.url()));
    let before = upstream.seen().len();
    assert_eq!(token().await, 200);
    assert_eq!((upstream.seen().len(), other_upstream.seen().len()), (before, 1));

    // Limits of new connections.
    edge.reload(
        "edge.toml",
        &first.replace("[limits]\n", "[limits]\nclient_id_body_bytes = 1024\nbody_bytes = 1024\n"),
    );
    let long = format!("client_id=billing&scope={}", "x".repeat(2000));
    let request = Request::post("/oauth/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(http_body_util::Full::from(long))
        .unwrap();
    assert_eq!(client.connect().await.send(request).await.status, 413);

    // Trusted proxies.
    edge.reload("edge.toml", &first.replace("[listen]\n", "[listen]\ntrusted_proxies = [\"127.0.0.1\"]\n"));
    let mut request = crate::support::client::token_request("billing");
    request.headers_mut().insert("x-forwarded-for", "192.0.2.7".parse().unwrap());
    assert_eq!(client.connect().await.send(request).await.status, 200);
    assert!(upstream.last().header("x-forwarded-for").starts_with("192.0.2.7"));

    // Domains: an additional one, then that one alone.
    edge.issuer.server(&[SECOND]).write(edge.folder.path(), SECOND);
    let domain = format!(
        "[[domain]]\nname = \"{SECOND}\"\ncertificate = \"{SECOND}.pem\"\nprivate_key = \"{SECOND}.key\"\n"
    );
    let at_second = || async {
        let mut connection = client.clone().server_name(SECOND).connect().await;
        let request = Request::get("/nothing").header("host", SECOND).body(Empty::new()).unwrap();
        connection.send(request).await.status.as_u16()
    };
    edge.reload("edge.toml", &format!("{first}\n{domain}"));
    assert_eq!((token().await, at_second().await), (200, 404));
    let start = first.find("[[domain]]").unwrap();
    edge.reload("edge.toml", &format!("{}{domain}", &first[..start]));
    assert_eq!(at_second().await, 404);
    client.refused().await;
    // An open connection of a removed domain is closed after its next request.
    edge.reload("edge.toml", &first);
    let mut open = client.connect().await;
    assert_eq!(open.token("billing").await.status, 200);
    edge.reload("edge.toml", &format!("{}{domain}", &first[..start]));
    assert_ne!(open.token("billing").await.status, 200);
    edge.stop();
}

#[tokio::test]
async fn domain_upstream_and_listener_settings_reload() {
    let upstream = Upstream::start().await;
    let billing = self_signed("billing");
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .self_signed_application("billing", &[billing.thumbprint()])
        .start();
    let first = fs::read_to_string(edge.folder.path().join("edge.toml")).unwrap();
    let reload = |before: &str, after: &str| {
        let text = first.replace(before, after);
        assert_ne!(text, first, "{before}");
        edge.reload("edge.toml", &text);
    };
    let client = Client::with(&edge, &billing);
    let mut kept = client.connect().await;
    assert_eq!(kept.token("billing").await.status, 200);

    // New settings of requests apply on open connections.
    for (lines, header, value) in [
        ("host = \"tenant.example\"", "host", "tenant.example"),
        ("forwarded = true", "forwarded", "for=127.0.0.1"),
        ("client_ip_header = \"true-client-ip\"", "true-client-ip", "127.0.0.1"),
    ] {
        reload("[[upstream]]", &format!("[[upstream]]\n{lines}"));
        assert_eq!(kept.token("billing").await.status, 200);
        assert!(upstream.last().header(header).starts_with(value), "{lines}: {:?}", upstream.last());
    }
    reload("[\"POST\"]", "[\"GET\"]");
    assert_eq!(kept.token("billing").await.status, 405);
    reload("authenticate = \"client\"", "authenticate = \"none\"");
    assert_eq!(kept.token("nobody").await.status, 200);
    reload("[limits]", "[limits]\nheaders = 16");
    let mut many = crate::support::client::token_request("billing");
    for number in 0..16 {
        let name = http::HeaderName::try_from(format!("x-{number}")).unwrap();
        many.headers_mut().insert(name, "a".parse().unwrap());
    }
    assert_eq!(kept.send(many).await.status, 431);

    // New settings of connections apply to new connections.
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| format!("{:?}", suite.suite()).contains("CHACHA20"));
    let chacha = Client::with_provider(&edge, &billing, provider);
    reload("[[domain.route]]", "cipher_suites = \"fapi\"\n[[domain.route]]");
    chacha.refused().await;
    edge.reload("edge.toml", &first);
    assert_eq!(chacha.token("billing").await.status, 200);
    reload("[listen]", "[listen]\nproxy_protocol = true\ntrusted_proxies = [\"127.0.0.1\"]");
    let via_proxy = client.clone().prelude(b"PROXY TCP4 203.0.113.9 127.0.0.1 5000 443\r\n");
    assert_eq!(via_proxy.token("billing").await.status, 200);
    assert_eq!(upstream.last().header("x-forwarded-for"), "203.0.113.9");
    assert!(client.tls().await.is_err());
    edge.stop();
}

#[tokio::test]
async fn changes_that_need_a_restart_are_rejected() {
    let upstream = Upstream::start().await;
    let billing = self_signed("billing");
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .self_signed_application("billing", &[billing.thumbprint()])
        .start();
    let config = edge.folder.path().join("edge.toml");
    let text = fs::read_to_string(&config).unwrap();
    for (number, (before, after, key)) in [
        ("https = [\"127.0.0.1:0\"]", "https = [\"127.0.0.1:1\"]", "listen.https"),
        ("admin = \"127.0.0.1:0\"", "admin = \"127.0.0.1:1\"", "listen.admin"),
        ("[listen]\n", "[listen]\nworkers = 7\n", "listen.workers"),
        ("[limits]\n", "[limits]\nconnections = 7\n", "limits.connections"),
        ("[limits]\n", "[limits]\nhandshakes = 7\n", "limits.handshakes"),
        ("[limits]\n", "[limits]\ndrain_delay = \"7s\"\n", "limits.drain_delay"),
        ("[limits]\n", "[limits]\ndrain_timeout = \"7s\"\n", "limits.drain_timeout"),
        ("format = \"json\"", "format = \"text\"", "log.format"),
        ("level = \"debug\"", "level = \"info\"", "log.level"),
        ("[log]\n", "[log]\nfile = \"edge.log\"\n", "log.file"),
        ("[log]\n", "[log]\nsuccesses = 0.5\n", "log.successes"),
    ]
    .into_iter()
    .enumerate()
    {
        let changed = text.replacen(before, after, 1);
        assert_ne!(changed, text);
        let added = after.trim_end().lines().last().unwrap();
        let line = 1 + changed.lines().position(|line| line == added).unwrap();
        fs::write(&config, &changed).unwrap();
        edge.wait_for_logs("reload rejected", number + 1);
        let log = edge.log();
        let line_of_log = log.lines().rfind(|line| line.contains("reload rejected")).unwrap();
        assert!(line_of_log.contains(&format!("edge.toml:{line}:")), "{line}: {line_of_log}");
        let what = format!(
            ": {key}: {key} cannot change while the edge runs; send SIGUSR2, so that a new process takes over with it, or write the former value again\""
        );
        assert!(line_of_log.contains(&what), "{line_of_log}");
        assert_eq!(status(&edge, &billing, "billing").await, 200);
        fs::write(&config, &text).unwrap();
        edge.wait_for_logs("configuration files match the active configuration again", number + 1);
    }
    assert_eq!(edge.log().matches("\"reloaded\"").count(), 0);
    edge.stop();
}
