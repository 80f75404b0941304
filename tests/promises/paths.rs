//! A path is matched and forwarded byte for byte.

mod spellings;

use http::Request;
use http_body_util::Full;

use crate::support::{
    Client, Credentials, DOMAIN, Edge, EdgeBuilder, Upstream, Wire,
    http2::{self, Outcome},
    scripted, self_signed,
};
use spellings::{ODD_TARGETS, RESPELLED};

const EXACT: &str = r#"client_auth = "optional"
[[domain.route]]
path = "/oauth/token"
methods = ["POST"]
authenticate = "client"
"#;
const BESIDE: &str = r#"
[[domain.route]]
path = "/userinfo"
methods = ["GET", "POST"]
authenticate = "certificate"
[[domain.route]]
path = "/*"
methods = ["GET", "HEAD", "OPTIONS", "POST", "PUT"]
authenticate = "none"
"#;

fn start(upstream: impl std::fmt::Display, routes: &str) -> (Edge, Credentials) {
    let registered = self_signed("billing");
    let edge = EdgeBuilder::new(upstream)
        .domain(DOMAIN, routes)
        .self_signed_application("billing", &[registered.thumbprint()])
        .start();
    (edge, registered)
}

fn raw(method: &str, target: &str) -> Vec<u8> {
    let body = "client_id=billing";
    format!(
        "{method} {target} HTTP/1.1\r\nHost: {DOMAIN}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn status(answer: &str) -> u16 {
    answer
        .get(9..12)
        .and_then(|digits| digits.parse().ok())
        .unwrap_or_else(|| panic!("no response: {answer:?}"))
}

async fn over_http2(client: &Client, method: &str, scheme: &str, path: &str) -> Outcome {
    let fields: [http2::Field<'_>; 5] = [
        (b":method", method.as_bytes()),
        (b":scheme", scheme.as_bytes()),
        (b":authority", DOMAIN.as_bytes()),
        (b":path", path.as_bytes()),
        (b"content-type", b"application/x-www-form-urlencoded"),
    ];
    http2::request(client, &fields, b"client_id=billing", &[]).await
}

/// With a certificate and without: no respelling is served under any rule.
async fn assert_none_is_served(routes: &str) {
    let upstream = Upstream::start().await;
    let (edge, registered) = start(upstream.url(), routes);
    for client in [Client::new(&edge), Client::with(&edge, &registered)] {
        for target in RESPELLED.iter().chain(ODD_TARGETS) {
            for method in ["POST", "OPTIONS"] {
                let answer = client.raw(&raw(method, target)).await;
                assert!((400..500).contains(&status(&answer)), "{method} {target:?}: {answer}");
                over_http2(&client, method, "https", target).await.assert_refused(target);
            }
            let seen = upstream.seen();
            assert!(seen.is_empty(), "{target:?} reached the upstream: {seen:?}");
        }
        over_http2(&client, "POST", "http", "/oauth/token").await.assert_refused(&"http");
        // A fragment is not part of a request target; the text before it is judged.
        let answer = client.raw(&raw("POST", "/oauth/%74oken#/x")).await;
        assert!((400..500).contains(&status(&answer)), "{answer}");
        assert_eq!(upstream.seen().len(), 0);
    }
    // A target with nested escapes is neither decoded nor served.
    for times in [2, 100, 1300] {
        let target = format!("/oauth/%{}74oken", "25".repeat(times));
        let answer = Client::new(&edge).raw(&raw("POST", &target)).await;
        assert!((400..500).contains(&status(&answer)), "{times}: {answer}");
        over_http2(&Client::new(&edge), "POST", "https", &target).await.assert_refused(&times);
    }
    let long = format!("/oauth/%{}", "25".repeat(6_000));
    let answer = Client::new(&edge).raw(&raw("POST", &long)).await;
    assert!(matches!(status(&answer), 404 | 414), "{answer}");
    assert_eq!(upstream.seen().len(), 0);
    // The path itself, in origin form and in absolute form, is served only to its client.
    for target in
        ["/oauth/token", "https://mtls.example.test/oauth/token", "HTTPS://mtls.example.test/oauth/token"]
    {
        let answer = Client::new(&edge).raw(&raw("POST", target)).await;
        assert_eq!(status(&answer), 401, "{target}: {answer}");
        let before = upstream.seen().len();
        let answer = Client::with(&edge, &registered).raw(&raw("POST", target)).await;
        assert_eq!(status(&answer), 200, "{target}: {answer}");
        assert_eq!(upstream.seen().len(), before + 1);
        assert_eq!(upstream.last().uri, "/oauth/token");
    }
    assert_eq!(over_http2(&Client::new(&edge), "POST", "https", "/oauth/token").await, Outcome::Status(401));
}

#[tokio::test]
async fn no_respelling_is_served_where_only_the_path_is_listed() {
    assert_none_is_served(EXACT).await;
}

#[tokio::test]
async fn no_respelling_is_served_beside_a_rule_that_takes_everything() {
    assert_none_is_served(&format!("{EXACT}{BESIDE}")).await;
}

#[tokio::test]
async fn a_path_under_a_subtree_is_bounded() {
    let upstream = Upstream::start().await;
    let (edge, _) = start(upstream.url(), &format!("{EXACT}{BESIDE}"));
    let client = Client::new(&edge);
    for (length, expected) in [(4096, 200), (4097, 414), (20_000, 414)] {
        let target = format!("/{}", "x".repeat(length - 1));
        let answer = client.raw(&raw("GET", &target)).await;
        assert_eq!(status(&answer), expected, "{length}: {answer}");
        assert_eq!(over_http2_get(&client, &target).await, Outcome::Status(expected), "{length}");
    }
    let answer = client.raw(&raw("GET", &format!("/{}", "x".repeat(5000)))).await;
    assert!(answer.contains("\"error\":\"invalid_request\"") && answer.contains("4096"), "{answer}");
}

#[tokio::test]
async fn honest_names_with_dots_signs_and_letters_pass() {
    let upstream = Upstream::start().await;
    let (edge, _) = start(upstream.url(), &format!("{EXACT}{BESIDE}"));
    let client = Client::new(&edge);
    for target in [
        "/.well-known/openid-configuration",
        "/.well-known/jwks.json",
        "/u/login?state=a%2Fb",
        "/assets/app.min.js",
        "/users/a%20b",
        "/i18n/%C3%A9",
        "/i18n/%E6%97%A5%E6%9C%AC",
        "/files/100%25",
        "/wiki/C%23",
        "/index.php/x",
        "/users:batch",
    ] {
        assert_eq!(status(&client.raw(&raw("GET", target)).await), 200, "{target}");
        assert_eq!(upstream.last().uri, target);
    }
}

#[tokio::test]
async fn a_respelled_path_matches_no_weaker_subtree() {
    let upstream = Upstream::start().await;
    let subtrees = r#"client_auth = "optional"
[[domain.route]]
path = "/api/*"
methods = ["GET"]
authenticate = "certificate"
[[domain.route]]
path = "/*"
methods = ["GET"]
authenticate = "none"
"#;
    let (edge, registered) = start(upstream.url(), subtrees);
    let anonymous = Client::new(&edge);
    for target in
        ["/API/x", "//api/x", "/%61pi/x", "/x/../api/x", "/api%2fx", "/api;/x", "/api\\x", "/api", "/Api/"]
    {
        let answer = anonymous.raw(&raw("GET", target)).await;
        assert!((400..500).contains(&status(&answer)), "{target}: {answer}");
    }
    assert_eq!(status(&anonymous.raw(&raw("GET", "/api/x")).await), 401);
    assert_eq!(upstream.seen().len(), 0);
    assert_eq!(status(&anonymous.raw(&raw("GET", "/apix")).await), 200);
    assert_eq!(status(&Client::with(&edge, &registered).raw(&raw("GET", "/api/x")).await), 200);
    assert!(upstream.last().headers.contains_key("client-certificate"));
}

#[tokio::test]
async fn unlisted_paths_are_404_and_other_methods_405() {
    let upstream = Upstream::start().await;
    let (edge, registered) = start(upstream.url(), EXACT);
    let (beside, _) = start(upstream.url(), &format!("{EXACT}{BESIDE}"));
    for client in [Client::with(&edge, &registered), Client::with(&edge, &registered).http2()] {
        let mut connection = client.connect().await;
        let mut ask = async |method: &str, path: &str| {
            let request = Request::builder().method(method).uri(path).body(Full::default()).unwrap();
            connection.send(request).await
        };
        for path in ["/", "/oauth", "/oauth/tokens", "/oauth/toke", "/x?/oauth/token", "/.well-known/x"] {
            ask("POST", path).await.oauth_error(404, "invalid_request");
        }
        for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "post", "PROPFIND"] {
            let answer = ask(method, "/oauth/token").await;
            answer.oauth_error(405, "invalid_request");
            assert_eq!(answer.headers["allow"], "POST");
        }
        let answer = ask("HEAD", "/oauth/token").await;
        assert_eq!(
            (answer.status.as_u16(), &answer.headers["allow"], answer.body.len()),
            (405, &"POST".parse().unwrap(), 0)
        );
        // A refusal of this kind is not about the certificate, so the connection stays open.
        assert_eq!(connection.token("billing").await.status, 200);
    }
    // An exact rule decides alone on its path: the rule of a subtree adds no methods.
    let mut connection = Client::new(&beside).connect().await;
    for (method, path, allow) in [
        ("GET", "/oauth/token", "POST"),
        ("PUT", "/userinfo", "GET, POST"),
        ("PATCH", "/x", "GET, HEAD, OPTIONS, POST, PUT"),
    ] {
        let request = Request::builder().method(method).uri(path).body(Full::default()).unwrap();
        let answer = connection.send(request).await;
        answer.oauth_error(405, "invalid_request");
        assert_eq!(answer.headers["allow"], allow);
    }
    assert_eq!(upstream.seen().len(), 2);
}

#[tokio::test]
async fn path_and_query_are_forwarded_byte_for_byte() {
    let upstream = Wire::answering(b"\r\n\r\n", scripted::OK).await;
    let (edge, registered) = start(upstream.url(), &format!("{EXACT}{BESIDE}"));
    let client = Client::with(&edge, &registered);
    let mut sent = 0;
    for target in [
        "/",
        "/?",
        "/x",
        "/x/",
        "/x//y",
        "/X/Y",
        "/x?",
        "/x??",
        "/x?a=%41&A=%zz&&=;?/../%2e//\\'",
        "/x%20y/%C3%A9/%c3%a9",
        "/x/~!$&'()*+,=:@-._",
        "/x;y=z",
        "/x?redirect_uri=https%3A%2F%2Fa.example%2Fb%3Fc&state=%2B+",
        "/x?client_id=other&client_id=another",
        "/userinfo?schema=openid&%00",
    ] {
        let head = format!("GET {target} HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n\r\n");
        assert_eq!(status(&client.raw(head.as_bytes()).await), 200, "{target}");
        assert_eq!(over_http2_get(&client, target).await, Outcome::Status(200), "{target}");
        let lines: Vec<String> = upstream
            .received()
            .split("\r\n")
            .filter(|line| line.ends_with(" HTTP/1.1"))
            .map(str::to_owned)
            .collect();
        sent += 2;
        assert_eq!(lines.len(), sent);
        assert!(lines[sent - 2..].iter().all(|line| *line == format!("GET {target} HTTP/1.1")), "{lines:?}");
    }
    let absolute =
        format!("GET https://{DOMAIN}/x?a=%41 HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n\r\n");
    assert_eq!(status(&client.raw(absolute.as_bytes()).await), 200);
    assert!(
        upstream.received().contains("\nGET /x?a=%41 HTTP/1.1\r\n")
            || upstream.received().contains("GET /x?a=%41 HTTP/1.1\r\n")
    );
}

async fn over_http2_get(client: &Client, path: &str) -> Outcome {
    let fields: [http2::Field<'_>; 4] = [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":authority", DOMAIN.as_bytes()),
        (b":path", path.as_bytes()),
    ];
    http2::request(client, &fields, b"", &[]).await
}
