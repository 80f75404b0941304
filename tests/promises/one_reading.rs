//! One request, one reading: if the edge reads a request as that of one client, no common server reads it as that of another.

mod hostile;
pub mod models;
mod python;
pub mod raw_request;
mod table;

use std::collections::BTreeMap;

use http::{HeaderName, Request};
use mtls_edge::vouch::Reserved;
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use crate::support::{
    Client, Credentials, DOMAIN, Edge, EdgeBuilder, Upstream, admin,
    http2::{self, Outcome},
    self_signed,
};
use raw_request::RawRequest;

/// The two clients. All requests are sent with the certificate of `a`.
const CLIENTS: [&str; 2] = ["a", "b"];

/// The edge's reading of a request: the client, and the forwarded request. None if it is refused.
fn edge(request: &RawRequest, http2: bool) -> Option<(String, RawRequest)> {
    let mut head = request.head(http2)?;
    let id = raw_request::client_id(&head, &request.body).ok()?;
    Reserved::new([], [] as [HeaderName; 0]).remove_from(&mut head.headers);
    CLIENTS.contains(&id.as_str()).then(|| (id.to_string(), RawRequest::forwarded(&head, &request.body)))
}

/// Fails if any server reads another client than this.
fn assert_one_reading(client: &str, seen: &RawRequest) {
    for (server, clients) in models::readings(seen) {
        let others: Vec<_> = clients.iter().filter(|other| *other != client).collect();
        assert!(others.is_empty(), "the edge reads {client:?}, {server} reads {others:?} of {seen:?}");
    }
}

/// This many hostile requests, the same ones in each run.
fn hostile(count: usize) -> impl Iterator<Item = RawRequest> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = hostile::request();
    std::iter::repeat_with(move || strategy.new_tree(&mut runner).unwrap().current()).take(count)
}

#[test]
fn no_server_reads_another_client_than_the_edge() {
    let (mut accepted, mut refused_of_two) = (0, 0);
    for (number, request) in hostile(20_000).enumerate() {
        if let Some((client, seen)) = edge(&request, number % 2 == 0) {
            accepted += 1;
            assert_one_reading(&client, &seen);
        } else {
            let all: raw_request::Clients =
                models::readings(&request).into_iter().flat_map(|(_, clients)| clients).collect();
            refused_of_two += usize::from(CLIENTS.iter().all(|client| all.contains(*client)));
        }
    }
    // Otherwise all requests are refused for one reason, or are harmless.
    assert!(accepted > 1_000, "{accepted}");
    assert!(refused_of_two > 2_000, "{refused_of_two}");
}

#[test]
fn the_models_read_two_clients_of_each_attack() {
    for attack in table::attacks() {
        let readings = models::readings(&attack.request);
        let clients: BTreeMap<&str, _> =
            readings.iter().map(|(server, clients)| (*server, clients)).collect();
        assert!(
            clients.values().any(|clients| clients.iter().any(|client| client == "b")),
            "{}: no model reads b: {clients:?}",
            attack.what
        );
    }
}

/// An edge with two applications, the first registered with this certificate.
fn edge_for(upstream: String, owner: &Credentials) -> EdgeBuilder {
    let routes = "[[domain.route]]\npath = \"/oauth/token\"\nmethods = [\"POST\", \"GET\"]\nauthenticate = \"client\"\n\
                  [[domain.route]]\npath = \"/open/*\"\nmethods = [\"POST\"]\nauthenticate = \"none\"";
    EdgeBuilder::new(upstream)
        .quiet()
        .domain(DOMAIN, routes)
        .self_signed_application("a", &[owner.thumbprint()])
        .self_signed_application("b", &[self_signed("b").thumbprint()])
}

struct Fixture {
    upstream: Upstream,
    edge: Edge,
    client: Client,
}

impl Fixture {
    async fn start() -> Self {
        let upstream = Upstream::start().await;
        let owner = self_signed("a");
        let edge = edge_for(upstream.url(), &owner).start();
        Self { upstream, client: Client::with(&edge, &owner), edge }
    }

    /// The status, and what the upstream received.
    async fn send(&self, path: &str, request: &RawRequest, http2: bool) -> (u16, Option<RawRequest>) {
        self.upstream.forget();
        let query = request.query.as_deref().map(|query| format!("?{query}")).unwrap_or_default();
        let target = format!("{path}{query}");
        let status = if http2 {
            let lower: Vec<String> =
                request.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
            let mut fields: Vec<http2::Field<'_>> = vec![
                (b":method", request.method.as_bytes()),
                (b":scheme", b"https"),
                (b":authority", DOMAIN.as_bytes()),
                (b":path", target.as_bytes()),
            ];
            fields.extend(
                lower
                    .iter()
                    .zip(&request.headers)
                    .map(|(name, (_, value))| (name.as_bytes(), value.as_slice())),
            );
            match http2::request(&self.client, &fields, &request.body, &[]).await {
                Outcome::Status(status) => status,
                Outcome::Reset(_) | Outcome::Closed => 0,
            }
        } else {
            let mut bytes = format!(
                "{} {target} HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\nContent-Length: {}\r\n",
                request.method,
                request.body.len()
            )
            .into_bytes();
            for (name, value) in &request.headers {
                bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
            }
            bytes.extend_from_slice(b"\r\n");
            bytes.extend_from_slice(&request.body);
            let answer = self.client.raw(&bytes).await;
            answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
        };
        let seen = self.upstream.seen().pop().map(|seen| {
            let (mut head, ()) =
                Request::builder().method(request.method).uri(seen.uri).body(()).unwrap().into_parts();
            head.headers = seen.headers;
            RawRequest::forwarded(&head, &seen.body)
        });
        (status, seen)
    }
}

#[tokio::test]
async fn every_known_attack_is_refused_with_400() {
    let fixture = Fixture::start().await;
    for attack in table::attacks() {
        for http2 in [false, true] {
            if http2 || !attack.http2_only {
                let (status, seen) = fixture.send("/oauth/token", &attack.request, http2).await;
                assert_eq!(status, 400, "{} over {}", attack.what, if http2 { "HTTP/2" } else { "HTTP/1.1" });
                assert!(seen.is_none(), "{}: {seen:?}", attack.what);
            }
        }
    }
}

#[tokio::test]
async fn honest_requests_pass_as_they_are() {
    let fixture = Fixture::start().await;
    for (what, request) in table::honest() {
        for http2 in [false, true] {
            let (status, seen) = fixture.send("/oauth/token", &request, http2).await;
            assert_eq!(status, 200, "{what}");
            let seen = seen.unwrap();
            assert_eq!(seen.body, request.body, "{what}");
            assert_one_reading("a", &seen);
        }
    }
}

#[tokio::test]
async fn hostile_requests_through_the_edge_have_one_reading() {
    let fixture = Fixture::start().await;
    let mut accepted = 0;
    for (number, request) in hostile(400).enumerate() {
        let http2 = number % 2 == 0;
        // Over HTTP/1.1 a line break in a value begins another line, which makes it another request.
        if request.headers.iter().any(|(_, value)| value.iter().any(|byte| b"\r\n\0".contains(byte))) {
            continue;
        }
        let (status, seen) = fixture.send("/oauth/token", &request, http2).await;
        assert_eq!(status == 200, seen.is_some(), "{request:?}");
        assert!([200, 400, 401].contains(&status), "{status}: {request:?}");
        assert_eq!(
            status == 200,
            edge(&request, http2).is_some_and(|(id, _)| id == "a") && request.has_no_secret(http2),
            "{status}: {request:?}"
        );
        if let Some(seen) = seen {
            accepted += 1;
            assert_one_reading("a", &seen);
        }
    }
    assert!(accepted > 20, "{accepted}");
}

#[tokio::test]
async fn blank_edges_of_any_field_are_malformed_over_http2() {
    let fixture = Fixture::start().await;
    let request = |value: &[u8]| RawRequest {
        method: "POST",
        headers: vec![
            ("content-type".into(), b"application/x-www-form-urlencoded".to_vec()),
            ("x-mine".into(), value.to_vec()),
        ],
        body: b"client_id=a".to_vec(),
        ..RawRequest::default()
    };
    for path in ["/oauth/token", "/open/x"] {
        for value in [&b" x"[..], b"x ", b"\tx", b"x\t", b" ", b"\t"] {
            let (status, seen) = fixture.send(path, &request(value), true).await;
            assert!(status == 400 && seen.is_none(), "{path}: {value:?}: {status}");
            // In HTTP/1.1 they are optional whitespace (RFC 9112 section 5).
            let (status, seen) = fixture.send(path, &request(value), false).await;
            assert_eq!(status, 200, "{path}: {value:?}");
            assert_eq!(seen.unwrap().header("x-mine"), [raw_request::trim(value)]);
        }
        for value in [&b""[..], b"x y", b"x\ty"] {
            assert_eq!(fixture.send(path, &request(value), true).await.0, 200, "{path}: {value:?}");
        }
    }
    admin::assert_counted(&fixture.edge, "header_whitespace").await;
}

#[tokio::test]
async fn no_parameter_overrides_the_method() {
    let fixture = Fixture::start().await;
    let request = |query: Option<&str>, kind: &str, body: &str| RawRequest {
        method: "POST",
        query: query.map(str::to_owned),
        headers: vec![("content-type".into(), kind.as_bytes().to_vec())],
        body: body.as_bytes().to_vec(),
    };
    let form = "application/x-www-form-urlencoded";
    for name in [
        "_method",
        "_METHOD",
        "__method",
        "_HttpMethod",
        "X-HTTP-Method-Override",
        "x_http_method",
        "%5Fmethod",
    ] {
        let pair = format!("{name}=PUT");
        for (path, request) in [
            ("/oauth/token", request(None, form, &format!("client_id=a&{pair}"))),
            ("/oauth/token", request(Some(&pair), form, "client_id=a")),
            ("/open/x", request(Some(&pair), form, "x=y")),
        ] {
            let (status, seen) = fixture.send(path, &request, false).await;
            assert!(status == 400 && seen.is_none(), "{path} {name}: {status}");
        }
    }
    let json = request(None, "application/json", r#"{"client_id":"a","_method":"PUT"}"#);
    assert_eq!(fixture.send("/oauth/token", &json, true).await.0, 400);
    let honest = request(Some("method=x"), form, "client_id=a&code_challenge_method=S256&method=x");
    assert_eq!(fixture.send("/oauth/token", &honest, true).await.0, 200);
}
