//! The server name in the ClientHello selects the domain, and every request on the connection must name that domain.

use http::Request;
use http_body_util::Full;

use crate::support::{
    Client, Credentials, DOMAIN, Edge, EdgeBuilder, Upstream,
    client::token_request,
    http2::{self, Outcome},
    openssl::SClient,
    self_signed,
};

const OTHER: &str = "www.example.test";

fn start(upstream: &Upstream) -> (Edge, Credentials) {
    let registered = self_signed("billing");
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .domain(
            OTHER,
            "client_auth = \"off\"\n[[domain.route]]\npath = \"/*\"\nmethods = [\"GET\", \"POST\"]\nauthenticate = \"none\"",
        )
        .self_signed_application("billing", &[registered.thumbprint()])
        .start();
    (edge, registered)
}

/// The usual request with these lines instead of `Host`.
fn raw(target: &str, hosts: &[&str]) -> Vec<u8> {
    let body = "client_id=billing";
    let hosts = hosts.iter().fold(String::new(), |lines, host| lines + "Host: " + host + "\r\n");
    format!(
        "POST {target} HTTP/1.1\r\n{hosts}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

async fn over_http2(client: &Client, authority: &str, host: Option<&str>) -> Outcome {
    let mut fields: Vec<http2::Field<'_>> = vec![
        (b":method", b"POST"),
        (b":scheme", b"https"),
        (b":authority", authority.as_bytes()),
        (b":path", b"/oauth/token"),
        (b"content-type", b"application/x-www-form-urlencoded"),
    ];
    if authority.is_empty() {
        fields.retain(|(name, _)| *name != b":authority");
    }
    fields.extend(host.map(|host| (&b"host"[..], host.as_bytes())));
    http2::request(client, &fields, b"client_id=billing", &[]).await
}

#[tokio::test]
async fn another_host_than_the_handshakes_is_misdirected() {
    let upstream = Upstream::start().await;
    let (edge, registered) = start(&upstream);
    let client = Client::with(&edge, &registered);
    // Another host, a domain with another mode on the same port, and names that only look alike.
    for host in [
        "elsewhere.example.test",
        OTHER,
        "www.example.test:443",
        "mtls.example.test.evil.test",
        "xmtls.example.test",
        "example.test",
        "mtls.example.test..",
        "127.0.0.1",
        "[::1]:8443",
    ] {
        let answer = client.raw(&raw("/oauth/token", &[host])).await;
        assert!(answer.starts_with("HTTP/1.1 421 "), "{host}: {answer}");
        assert_eq!(over_http2(&client, host, None).await, Outcome::Status(421), "{host}");
        assert_eq!(over_http2(&client, DOMAIN, Some(host)).await, Outcome::Status(421), "{host}");
        // On one connection, before and after a request that is served.
        for client in [client.clone(), client.clone().http2()] {
            let mut connection = client.connect().await;
            let ask = |host: &str| {
                let mut request = token_request("billing");
                request.headers_mut().insert("host", host.parse().unwrap());
                *request.uri_mut() = "/oauth/token".parse().unwrap();
                request
            };
            connection.send(ask(host)).await.oauth_error(421, "invalid_request");
            assert_eq!(connection.send(ask(DOMAIN)).await.status, 200);
            connection.send(ask(host)).await.oauth_error(421, "invalid_request");
        }
    }
    // From a domain that requests no certificate to one that does.
    let open = Client::new(&edge).server_name(OTHER);
    let answer = open.raw(&raw("/oauth/token", &[DOMAIN])).await;
    assert!(answer.starts_with("HTTP/1.1 421 "), "{answer}");
    assert_eq!(over_http2(&open, DOMAIN, None).await, Outcome::Status(421));
    let seen = upstream.seen();
    assert!(seen.len() == 9 * 2 && seen.iter().all(|seen| seen.header("x-forwarded-host") == DOMAIN));
}

#[tokio::test]
async fn a_request_has_one_host() {
    let upstream = Upstream::start().await;
    let (edge, registered) = start(&upstream);
    let client = Client::with(&edge, &registered);
    for hosts in [
        &[DOMAIN, DOMAIN][..],
        &[DOMAIN, OTHER],
        &[OTHER, DOMAIN],
        &[],
        &[""],
        &["mtls.example.test, www.example.test"],
        &["user@mtls.example.test"],
        &["mtls.example.test/oauth"],
        &["mtls.example.test:http"],
        &["mtls.example.test:65536"],
        &["mtls.example.test:443:443"],
    ] {
        let answer = client.raw(&raw("/oauth/token", hosts)).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{hosts:?}: {answer}");
    }
    let fields: [http2::Field<'_>; 6] = [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":authority", DOMAIN.as_bytes()),
        (b":path", b"/oauth/token"),
        (b"host", DOMAIN.as_bytes()),
        (b"host", OTHER.as_bytes()),
    ];
    http2::request(&client, &fields, b"", &[]).await.assert_refused(&"two hosts");
    over_http2(&client, "", None).await.assert_refused(&"no authority");
    over_http2(&client, "user@mtls.example.test", None).await.assert_refused(&"userinfo");
    assert_eq!(upstream.seen().len(), 0);
}

#[tokio::test]
async fn host_ignores_case_trailing_dot_and_port() {
    let upstream = Upstream::start().await;
    let (edge, registered) = start(&upstream);
    let client = Client::with(&edge, &registered);
    let port = edge.https.port();
    let local = format!("{DOMAIN}:{port}");
    for (host, forwarded) in [
        (DOMAIN.to_owned(), DOMAIN),
        (format!("{DOMAIN}."), DOMAIN),
        ("MTLS.Example.TEST".into(), DOMAIN),
        ("MTLS.Example.TEST.:443".into(), DOMAIN),
        (format!("{DOMAIN}:443"), DOMAIN),
        (format!("{DOMAIN}:1"), DOMAIN),
        (format!("{DOMAIN}:65535"), DOMAIN),
        (format!("{DOMAIN}:"), DOMAIN),
        // The port on which the edge listens, which the client did not use.
        (local.clone(), &local),
        (format!("MTLS.EXAMPLE.TEST.:{port}"), &local),
    ] {
        let answer = client.raw(&raw("/oauth/token", &[&host])).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{host}: {answer}");
        assert_eq!(upstream.last().header("x-forwarded-host"), forwarded, "{host}");
        assert_eq!(upstream.last().header("host"), forwarded, "{host}");
        assert!(!upstream.last().headers.contains_key("x-forwarded-port"));
        let absolute = format!("https://{host}/oauth/token");
        let answer = client.raw(&raw(&absolute, &[&host])).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{host}: {answer}");
        assert_eq!(over_http2(&client, &host, None).await, Outcome::Status(200), "{host}");
        assert_eq!(over_http2(&client, &host, Some(&host)).await, Outcome::Status(200), "{host}");
        assert_eq!(upstream.last().header("x-forwarded-host"), forwarded, "{host}");
    }
}

#[tokio::test]
async fn a_client_hello_must_name_a_domain() {
    let upstream = Upstream::start().await;
    let (edge, registered) = start(&upstream);
    let request = String::from_utf8(raw("/oauth/token", &[DOMAIN])).unwrap();
    for version in ["-tls1_2", "-tls1_3"] {
        let send = async |name: &[&str]| {
            let client = SClient::new(&edge, &[name, &[version]].concat());
            client.certificate(&registered).send(&request).await
        };
        let printed = send(&["-noservername"]).await;
        assert!(printed.contains("SSL alert number 109"), "{printed}");
        for unknown in ["unknown.example.test", "example.test", "xmtls.example.test"] {
            let printed = send(&["-servername", unknown]).await;
            assert!(printed.contains("SSL alert number 112"), "{printed}");
        }
        assert_eq!(upstream.seen().len(), 0);
    }
    let mut nameless = Client::with(&edge, &registered);
    nameless.config().enable_sni = false;
    let error = nameless.tls().await.unwrap_err().to_string();
    assert!(error.contains("MissingExtension"), "{error}");
    let error = Client::with(&edge, &registered).server_name("unknown.example.test").tls().await.unwrap_err();
    assert!(
        error.to_string().contains("UnrecognizedName") || error.to_string().contains("UnrecognisedName"),
        "{error}"
    );
    assert!(edge.wait_for_log("no server name (SNI)").contains("handshake failed"));

    for (round, name) in ["MTLS.EXAMPLE.TEST", "mtls.example.test.", "Mtls.Example.Test."].iter().enumerate()
    {
        for version in ["-tls1_2", "-tls1_3"] {
            let client = SClient::new(&edge, &["-servername", name, version]);
            let printed = client.certificate(&registered).send(&request).await;
            assert!(printed.contains("HTTP/1.1 200 OK"), "{name}: {printed}");
        }
        assert_eq!(upstream.seen().len(), 2 * (round + 1));
    }
}

#[tokio::test]
async fn two_domains_on_one_port_each_show_their_own_certificate() {
    let upstream = Upstream::start().await;
    let (edge, registered) = start(&upstream);
    let mtls = Client::with(&edge, &registered).connect().await;
    let mut open = Client::with(&edge, &registered).server_name(OTHER).connect().await;
    assert_ne!(mtls.server_chain[0], open.server_chain[0]);
    let request = Request::get("/x").header("host", OTHER).body(Full::default()).unwrap();
    assert_eq!(open.send(request).await.status, 200);
    assert_eq!(upstream.last().header("x-forwarded-host"), OTHER);
}

#[tokio::test]
async fn http_1_0_needs_no_host_and_a_port_makes_no_other_host() {
    let upstream = Upstream::start().await;
    let (edge, registered) = start(&upstream);
    let client = Client::with(&edge, &registered);
    let body = "client_id=billing";
    let send = |target: String, version: &'static str, host: String| {
        let client = client.clone();
        async move {
            let request = format!(
                "POST {target} HTTP/{version}\r\n{host}Content-Type: application/x-www-form-urlencoded\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            client.raw(request.as_bytes()).await.split(' ').nth(1).unwrap().to_owned()
        }
    };
    let (path, port) = ("/oauth/token".to_owned(), edge.https.port());
    assert_eq!(send(path.clone(), "1.0", String::new()).await, "200");
    assert_eq!(upstream.seen().pop().unwrap().header("host"), DOMAIN);
    assert_eq!(send(path.clone(), "1.0", format!("Host: {DOMAIN}\r\n")).await, "200");
    assert_eq!(send(path.clone(), "1.0", format!("Host: {OTHER}\r\n")).await, "421");
    assert_eq!(send(format!("https://{DOMAIN}{path}"), "1.0", String::new()).await, "200");
    assert_eq!(send(format!("https://{OTHER}{path}"), "1.0", String::new()).await, "421");
    // HTTP/1.1 requires it (RFC 9112 section 3.2).
    assert_eq!(send(path.clone(), "1.1", String::new()).await, "400");
    for (in_target, in_host) in [
        (format!(":{port}"), String::new()),
        (String::new(), format!(":{port}")),
        (":443".to_owned(), String::new()),
        (":443".to_owned(), format!(":{port}")),
    ] {
        let target = format!("https://{DOMAIN}{in_target}{path}");
        let host = format!("Host: {DOMAIN}{in_host}\r\n");
        assert_eq!(send(target, "1.1", host).await, "200", "{in_target} {in_host}");
    }
    for host in [format!("{OTHER}:443"), format!("{DOMAIN}:x"), format!("a@{DOMAIN}:443")] {
        let status = send(format!("https://{DOMAIN}{path}"), "1.1", format!("Host: {host}\r\n")).await;
        assert!(status == "421" || status == "400", "{host}: {status}");
    }
}
