//! The edge writes no secret: the output of a whole run at level trace, with every kind of refusal, is searched for each secret
//! in every encoding that a log line might use.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::{io::AsyncWriteExt, net::TcpSocket};

use crate::support::{
    Ca, Client, Credentials, DOMAIN, Edge, TlsUpstream,
    scripted::{Scripted, read_request},
    secrets::{
        BASIC, BEARER, CLIENT_SECRET, COOKIE, FROM_ENVIRONMENT, FROM_FILE, HEADER_NAME, QUERY, RESPONSE,
        USERINFO, clean, edge_with_secrets,
    },
    self_signed,
};

/// A request with a secret in every possible place.
fn request(method: &str, uri: &str, host: &str) -> http::request::Builder {
    let basic = STANDARD.encode(format!("billing:{BASIC}"));
    Request::builder()
        .method(method)
        .uri(format!("{uri}?password={QUERY}&access_token={BEARER}"))
        .header("host", host)
        .header("authorization", format!("Basic {basic}"))
        .header("cookie", format!("session={COOKIE}"))
        .header("proxy-authorization", format!("Bearer {BEARER}"))
        .header("dpop", BEARER)
        .header("cname-api-key", QUERY)
        .header("content-type", "application/x-www-form-urlencoded")
}

fn body(text: &str) -> Full<Bytes> {
    Full::from(format!("{text}&client_secret={CLIENT_SECRET}&password={CLIENT_SECRET}"))
}

/// Provokes every kind of response that the edge itself makes, by status, over HTTP/1.1 and HTTP/2.
async fn send_refused(edge: &Edge, client: &Credentials) {
    let right = Client::with(edge, client);
    let wrong = Client::with(edge, &self_signed("billing"));
    let none = Client::new(edge);
    let token = "/oauth/token";
    let json = |text: String| {
        let mut request = request("POST", token, DOMAIN).body(Full::from(text)).unwrap();
        request.headers_mut().insert("content-type", "application/json".parse().unwrap());
        request
    };
    let many =
        || (0..30).fold(request("GET", "/open/a", DOMAIN), |all, n| all.header(format!("x-{n}"), COOKIE));
    for http2 in [false, true] {
        let over = |client: &Client| if http2 { client.clone().http2() } else { client.clone() };
        let post = |text: &str| request("POST", token, DOMAIN).body(body(text)).unwrap();
        let post_without_basic = |text: &str| {
            let mut request = post(text);
            request.headers_mut().remove("authorization");
            request
        };
        let empty = || body("");
        let cases = [
            (&wrong, 400, post("client_id=billing")),
            (&wrong, 401, post_without_basic("client_id=billing")),
            (&right, 400, post_without_basic("client_id=billing")),
            (&none, 401, post("client_id=billing")),
            (&right, 400, post("client_id=another")),
            (&right, 400, post("client_id=billing&client_id=billing")),
            (&right, 400, post("Client-Id=billing")),
            (&right, 400, json(format!("{{\"client_secret\": \"{CLIENT_SECRET}\", oops"))),
            (&right, 400, json(format!("{{\"client_id\": [\"{CLIENT_SECRET}\"]}}"))),
            (&right, 413, post(&"y".repeat(2000))),
            (&right, 404, request("POST", "/elsewhere", DOMAIN).body(empty()).unwrap()),
            (&right, 404, request("POST", "/oauth/%74oken", DOMAIN).body(empty()).unwrap()),
            (&right, 405, request("DELETE", token, DOMAIN).body(empty()).unwrap()),
            (&right, 421, request("POST", token, "elsewhere.example").body(empty()).unwrap()),
            (&right, 400, request("POST", token, &format!("x:{USERINFO}@{DOMAIN}")).body(empty()).unwrap()),
            (&wrong, 401, request("GET", "/any/thing", DOMAIN).body(Full::default()).unwrap()),
        ];
        for (client, status, request) in cases {
            let mut request = request;
            if http2 {
                // Over HTTP/2 the authority is in the target.
                if let Ok(host) = request.headers_mut().remove("host").unwrap().to_str() {
                    if host.contains('@') {
                        continue;
                    }
                    *request.uri_mut() = format!("https://{host}{}", request.uri()).parse().unwrap();
                }
            }
            let shown = format!("{} {}", request.method(), request.uri().path());
            let answer = over(client).connect().await.send(request).await;
            assert_eq!(answer.status, status, "{shown}: {answer:?}");
            clean(&String::from_utf8_lossy(&answer.body), "an answer");
        }
        let answer = over(&right).connect().await.try_send(many().body(empty()).unwrap()).await;
        assert!(answer.is_ok_and(|answer| answer.status == 431));
    }
    let malformed = STANDARD.encode(BASIC);
    for (status, raw) in [
        (
            "400",
            format!(
                "POST {token} HTTP/1.1\r\nhost: {DOMAIN}\r\nauthorization: Basic {malformed}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            ),
        ),
        (
            "408",
            format!(
                "POST {token} HTTP/1.1\r\nhost: {DOMAIN}\r\ncookie: {COOKIE}\r\ncontent-length: 900\r\n\r\nclient_secret={CLIENT_SECRET}"
            ),
        ),
        (
            "501",
            format!(
                "GET /any/{} HTTP/1.1\r\nhost: {DOMAIN}\r\nupgrade: {COOKIE}\r\nconnection: upgrade\r\n\r\n",
                "a"
            ),
        ),
        (
            "400",
            format!("POST {token} HTTP/1.1\r\nhost: {DOMAIN}\r\ncookie {COOKIE}\r\nx: \x01{BEARER}\r\n\r\n"),
        ),
        ("400", format!("{BEARER} {QUERY}\r\n\r\n")),
        (
            "400",
            format!(
                "POST {token} HTTP/1.1\r\nhost: {DOMAIN}\r\ntransfer-encoding: chunked\r\ncookie: {COOKIE}\r\n\r\n{CLIENT_SECRET}\r\n"
            ),
        ),
    ] {
        let answer = right.raw(raw.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{raw}: {answer}");
        clean(&answer, "an answer");
    }
}

/// Sends a request that is forwarded, and asserts that the upstream received the secrets.
async fn send_forwarded(edge: &Edge, client: &Credentials, status: u16) {
    for http2 in [false, true] {
        for (method, uri, body) in [
            ("POST", "/oauth/token", Full::from(format!("client_id=billing&password={CLIENT_SECRET}"))),
            ("GET", "/any/thing", Full::default()),
            ("POST", "/open/thing", body("client_id=billing")),
        ] {
            let mut request = request(method, uri, DOMAIN).body(body).unwrap();
            if uri == "/oauth/token" {
                // The client authenticates with its certificate, and with nothing besides.
                request.headers_mut().remove("authorization");
            }
            let client = Client::with(edge, client);
            let client = if http2 { client.http2() } else { client };
            if http2 {
                request.headers_mut().remove("host");
            }
            let answer = client.connect().await.send(request).await;
            assert_eq!(answer.status, status, "{answer:?}");
        }
    }
}

/// Stops the edge, and searches its output, while clients may still be active.
async fn clean_log(edge: Edge, marks: &[&str]) {
    let log = tokio::task::spawn_blocking(move || edge.stop()).await.unwrap();
    for mark in marks {
        assert!(log.contains(mark), "unexpected log searched for: {mark}\n{log}");
    }
    clean(&log, "the log");
}

#[tokio::test]
async fn a_whole_run_at_level_trace_writes_no_secret() {
    let ca = Ca::new("Upstream CA");
    let server = ca.server(&["localhost"]);
    for protocols in [&["h2"], &["http/1.1"]] {
        let upstream = TlsUpstream::answering(&server, protocols, |_| {
            Response::builder()
                .header("set-cookie", format!("session={RESPONSE}"))
                .header("x-token", RESPONSE)
                .body(Full::from(format!("{{\"access_token\":\"{RESPONSE}\"}}")))
                .unwrap()
        })
        .await;
        let (edge, client) = edge_with_secrets(upstream.url(), "ca = \"upstream-ca.pem\"", &ca);
        send_forwarded(&edge, &client, 200).await;
        for (_, seen) in upstream.seen() {
            // The upstream did receive the secrets; otherwise their absence would prove nothing.
            assert_eq!(seen.header("cname-api-key"), FROM_FILE);
            assert_eq!(seen.header("x-upstream-token"), FROM_ENVIRONMENT);
            assert!(seen.header("cookie").contains(COOKIE));
            assert_eq!(seen.headers.contains_key(HEADER_NAME), !seen.uri.path().starts_with("/open"));
        }
        send_refused(&edge, &client).await;
        clean_log(edge, &["mtls_edge::access", "\"status\":401", "\"status\":200", "\"TRACE\""]).await;
    }
}

#[tokio::test]
async fn no_failure_of_the_upstream_writes_a_secret() {
    let ca = Ca::new("Upstream CA");
    let held = TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let (edge, client) = edge_with_secrets(format!("http://{}", held.local_addr().unwrap()), "", &ca);
    send_forwarded(&edge, &client, 503).await;
    clean_log(edge, &["Connection refused"]).await;

    let other = TlsUpstream::answering(&Ca::new("Other").server(&["localhost"]), &["h2"], |_| {
        Response::new(Full::default())
    })
    .await;
    let (edge, client) = edge_with_secrets(other.url(), "ca = \"upstream-ca.pem\"", &ca);
    send_forwarded(&edge, &client, 503).await;
    clean_log(edge, &["no CA of `ca` has issued the server's certificate"]).await;

    for (answer, status) in [
        (format!("HTTP/1.1 {RESPONSE}\r\n\r\n"), 502),
        (format!("HTTP/1.1 200 OK\r\nx-{RESPONSE} \x01: {RESPONSE}\r\n\r\n"), 502),
        (String::new(), 502),
    ] {
        let upstream = Scripted::start(move |_, mut stream| {
            let answer = answer.clone();
            async move {
                read_request(&mut stream).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        })
        .await;
        let (edge, client) = edge_with_secrets(upstream.url(), "", &ca);
        send_forwarded(&edge, &client, status).await;
        clean_log(edge, &["\"status\":502"]).await;
    }
    let silent =
        Scripted::start(|_, mut stream| async move { while read_request(&mut stream).await.is_some() {} })
            .await;
    let (edge, client) = edge_with_secrets(silent.url(), "response_timeout = \"300ms\"", &ca);
    send_forwarded(&edge, &client, 504).await;
    clean_log(edge, &["\"status\":504"]).await;
}
