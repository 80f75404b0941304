//! A certificate authenticates only the application that registered it. Without a certificate no client is authenticated.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use crate::support::{
    Ca, Client, Credentials, Edge, EdgeBuilder, Upstream, Wire,
    bodies::{chunked, filled, gated},
    client::token_request,
    self_signed,
};

const FORM: &str = "application/x-www-form-urlencoded";
/// Routes of each `authenticate` mode on a domain with optional client authentication.
const ROUTES: &str = r#"client_auth = "optional"
[[domain.route]]
path = "/oauth/token"
methods = ["POST", "GET"]
authenticate = "client"
[[domain.route]]
path = "/userinfo"
methods = ["POST", "GET"]
authenticate = "certificate"
"#;

/// HTTP Basic that only names the client.
fn basic(client_id: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{client_id}:")))
}

fn basic_with_secret(client_id: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{client_id}:the+right%20secret")))
}

/// A request that names its client in each place that OAuth allows.
fn everywhere(client_id: &str) -> Vec<Request<Full<Bytes>>> {
    let post = || Request::post("/oauth/token");
    let json = format!(r#"{{"grant_type":"client_credentials","client_id":"{client_id}"}}"#);
    let basic_post = post().header("authorization", basic(client_id)).header("content-type", FORM);
    vec![
        token_request(client_id),
        post().header("content-type", "application/json").body(Full::from(json)).unwrap(),
        basic_post.body(Full::from("grant_type=client_credentials")).unwrap(),
        Request::get(format!("/oauth/token?client_id={client_id}")).body(Full::default()).unwrap(),
    ]
}

struct Fixture {
    upstream: Upstream,
    edge: Edge,
    /// Two self-signed certificates and one of a CA, each named as its application.
    owners: Vec<(&'static str, Credentials)>,
}

impl Fixture {
    async fn start() -> Self {
        let upstream = Upstream::start().await;
        let ca = Ca::new("Client CA");
        let owners = vec![
            ("alpha", self_signed("alpha")),
            ("beta", self_signed("beta")),
            ("gamma", ca.issue("gamma", |_| {})),
        ];
        let edge = EdgeBuilder::new(upstream.url())
            .domain(crate::support::DOMAIN, ROUTES)
            .self_signed_application("alpha", &[owners[0].1.thumbprint()])
            .self_signed_application("beta", &[owners[1].1.thumbprint()])
            .trust("client-ca", &ca.pem())
            .ca_application("gamma", r#"subject_dn = "CN=gamma,O=Example Bank,C=DE""#)
            .start();
        Self { upstream, edge, owners }
    }

    fn clients(&self, credentials: &Credentials) -> [Client; 2] {
        let client = Client::with(&self.edge, credentials);
        [client.clone(), client.http2()]
    }
}

#[tokio::test]
async fn a_certificate_never_authenticates_another_application() {
    let fixture = Fixture::start().await;
    for (owner, credentials) in &fixture.owners {
        for client in fixture.clients(credentials) {
            for other in ["alpha", "beta", "gamma"].into_iter().filter(|other| other != owner) {
                for request in everywhere(other) {
                    let answer = client.connect().await.send(request).await;
                    answer.oauth_error(401, "invalid_client");
                }
            }
        }
    }
    assert_eq!(fixture.upstream.seen().len(), 0, "refused requests reached the upstream");

    for (owner, credentials) in &fixture.owners {
        for client in fixture.clients(credentials) {
            let mut connection = client.connect().await;
            for request in everywhere(owner) {
                assert_eq!(connection.send(request).await.status, 200);
            }
        }
    }
    assert_eq!(fixture.upstream.seen().len(), 3 * 2 * 4);
}

#[tokio::test]
async fn a_refused_certificate_closes_its_connection() {
    let fixture = Fixture::start().await;
    for client in fixture.clients(&fixture.owners[0].1) {
        let mut connection = client.connect().await;
        assert_eq!(connection.token("alpha").await.status, 200);
        connection.token("beta").await.oauth_error(401, "invalid_client");
        connection.closed().await;
    }
}

#[tokio::test]
async fn a_refusal_reveals_nothing_about_other_applications() {
    let fixture = Fixture::start().await;
    let stranger = self_signed("alpha");
    let mut descriptions = Vec::new();
    for (credentials, client_id) in [
        (&fixture.owners[0].1, "nobody-has-this-name"),
        (&fixture.owners[0].1, "beta"),
        (&fixture.owners[1].1, "gamma"),
        (&fixture.owners[2].1, "alpha"),
        (&stranger, "alpha"),
        (&stranger, "nobody-has-this-name"),
        (&stranger, "gamma"),
    ] {
        let answer = Client::with(&fixture.edge, credentials).token(client_id).await;
        let mut headers = answer.headers.clone();
        headers.remove("x-request-id");
        headers.remove("date");
        descriptions.push((answer.oauth_error(401, "invalid_client"), headers));
    }
    let [first, rest @ ..] = descriptions.as_slice() else { unreachable!() };
    assert!(rest.iter().all(|other| other == first), "{descriptions:?}");
    for word in ["alpha", "beta", "gamma", "CA", "thumbprint", "sha"] {
        assert!(!first.0.contains(word), "{word}: {}", first.0);
    }
}

#[tokio::test]
async fn a_client_secret_does_not_replace_the_certificate() {
    let fixture = Fixture::start().await;
    let in_body = |id: &str| format!("grant_type=client_credentials&client_id={id}&client_secret=s3cr3t");
    for client_id in ["alpha", "gamma"] {
        for client in [Client::new(&fixture.edge), Client::new(&fixture.edge).http2()] {
            let by_basic = Request::post("/oauth/token")
                .header("authorization", basic_with_secret(client_id))
                .header("content-type", FORM)
                .body(Full::from("grant_type=client_credentials"));
            let by_body = Request::post("/oauth/token")
                .header("content-type", FORM)
                .body(Full::from(in_body(client_id)));
            for request in [by_basic, by_body] {
                let answer = client.connect().await.send(request.unwrap()).await;
                let description = answer.oauth_error(401, "invalid_client");
                assert!(description.contains("client certificate is required"), "{description}");
            }
        }
        // A secret does not make another application's certificate acceptable.
        let request = Request::post("/oauth/token").header("authorization", basic_with_secret(client_id));
        let request = request.body(Full::default()).unwrap();
        let answer = Client::with(&fixture.edge, &fixture.owners[1].1).connect().await.send(request).await;
        answer.oauth_error(401, "invalid_client");
    }
    assert_eq!(fixture.upstream.seen().len(), 0);
}

#[tokio::test]
async fn a_request_that_names_two_clients_or_none_is_malformed() {
    let fixture = Fixture::start().await;
    let with = |target: &str, headers: &[(&str, &str)], body: &str| {
        let mut request = Request::post(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Full::from(body.to_owned())).unwrap()
    };
    let form = ("content-type", FORM);
    let json = ("content-type", "application/json");
    let (own, other) = (basic("alpha"), basic("beta"));
    let (own, other) = (("authorization", own.as_str()), ("authorization", other.as_str()));
    let malformed = || {
        [
            with("/oauth/token", &[form, other], "client_id=alpha"),
            with("/oauth/token", &[form, own], "client_id=beta"),
            with("/oauth/token", &[json, own], r#"{"client_id":"beta"}"#),
            with("/oauth/token?client_id=beta", &[form], "client_id=alpha"),
            with("/oauth/token", &[form], "client_id=alpha&client_id=beta"),
            with("/oauth/token", &[form], "client_id=beta&client_id=alpha"),
            with("/oauth/token", &[json], r#"{"client_id":"alpha","client_id":"beta"}"#),
            with("/oauth/token", &[form, own, other], ""),
            with("/oauth/token", &[form], "grant_type=client_credentials"),
            with("/oauth/token", &[json], "{}"),
            with("/oauth/token", &[form], ""),
            with("/oauth/token", &[], ""),
            with("/oauth/token", &[form], "client_id="),
            with("/oauth/token?client_id=alpha", &[form], "grant_type=client_credentials"),
            with("/oauth/token", &[("content-type", "text/plain")], "client_id=alpha"),
            with("/oauth/token", &[form, ("content-encoding", "gzip")], "client_id=alpha"),
            with("/oauth/token", &[form, ("content-encoding", "identity, br"), own], "x=y"),
        ]
    };
    for client in fixture.clients(&fixture.owners[0].1) {
        let mut connection = client.connect().await;
        for request in malformed() {
            let shown = format!("{request:?}");
            let answer = connection.send(request).await;
            assert_eq!(answer.status, 400, "{shown}");
            answer.oauth_error(400, "invalid_request");
        }
        assert_eq!(fixture.upstream.seen().len(), 0);
    }
    // The same client in several places is accepted.
    let request = with("/oauth/token?client_id=alpha", &[form, own], "client_id=alpha");
    let answer = Client::with(&fixture.edge, &fixture.owners[0].1).connect().await.send(request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn a_buffered_body_is_forwarded_byte_for_byte() {
    const BOUND: usize = 64 * 1024;
    let fixture = Fixture::start().await;
    let request = || Request::post("/oauth/token").header("content-type", FORM);
    for client in fixture.clients(&fixture.owners[0].1) {
        for (length, passes) in [(1000, true), (BOUND, true), (BOUND + 1, false), (BOUND * 3, false)] {
            let body = filled("client_id=alpha&x=", length);
            let before = fixture.upstream.seen().len();
            let whole = request().body(Full::from(body.clone())).unwrap();
            let pieces = request().body(chunked(&body, 1000)).unwrap();
            let answers = [
                client.connect().await.send(whole).await, //
                client.connect().await.send(pieces).await,
            ];
            for answer in answers {
                if passes {
                    assert_eq!(answer.status, 200, "{length}: {answer:?}");
                } else {
                    let description = answer.oauth_error(413, "invalid_request");
                    assert!(description.contains("65536"), "{description}");
                }
            }
            let seen = fixture.upstream.seen();
            assert_eq!(seen.len() - before, if passes { 2 } else { 0 });
            assert!(seen[before..].iter().all(|seen| seen.body == body), "{length}: the body was changed");
        }
    }
}

#[tokio::test]
async fn a_certificate_route_accepts_registered_certificates_only() {
    let fixture = Fixture::start().await;
    let request = || Request::get("/userinfo").body(Full::<Bytes>::default()).unwrap();
    for (_, credentials) in &fixture.owners {
        for client in fixture.clients(credentials) {
            let answer = client.connect().await.send(request()).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            fixture.upstream.last().header("client-certificate");
        }
    }
    let passed = fixture.upstream.seen().len();
    let strangers = [self_signed("alpha"), Ca::new("Client CA").issue("gamma", |_| {})];
    for client in strangers.iter().flat_map(|stranger| fixture.clients(stranger)) {
        client.connect().await.send(request()).await.oauth_error(401, "invalid_client");
    }
    for client in [Client::new(&fixture.edge), Client::new(&fixture.edge).http2()] {
        client.connect().await.send(request()).await.oauth_error(401, "invalid_client");
    }
    assert_eq!(fixture.upstream.seen().len(), passed);
}

#[tokio::test]
async fn a_certificate_route_streams_its_body_up_to_body_bytes() {
    const BOUND: usize = 1024 * 1024;
    let fixture = Fixture::start().await;
    for client in fixture.clients(&fixture.owners[2].1) {
        let body = filled("", BOUND);
        let whole = Request::post("/userinfo").body(Full::from(body.clone())).unwrap();
        assert_eq!(client.connect().await.send(whole).await.status, 200);
        assert!(fixture.upstream.last().body == body, "the body was changed");
        let pieces = Request::post("/userinfo").body(chunked(&body, 50_000)).unwrap();
        assert_eq!(client.connect().await.send(pieces).await.status, 200);
        assert!(fixture.upstream.last().body == body, "the body was changed");

        let body = filled("", BOUND + 1);
        let whole = Request::post("/userinfo").body(Full::from(body.clone())).unwrap();
        client.connect().await.send(whole).await.oauth_error(413, "invalid_request");
        let pieces = Request::post("/userinfo").body(chunked(&body, 50_000)).unwrap();
        client.connect().await.send(pieces).await.oauth_error(413, "invalid_request");
    }

    // The first part is received by the upstream before the last is sent.
    let wire = Wire::answering(b"the last piece\r\n0\r\n\r\n", crate::support::scripted::OK).await;
    let registered = self_signed("alpha");
    let edge = EdgeBuilder::new(wire.url())
        .domain(crate::support::DOMAIN, ROUTES)
        .self_signed_application("alpha", &[registered.thumbprint()])
        .start();
    let client = Client::with(&edge, &registered);
    for (client, first) in [(client.clone(), "first over h1"), (client.http2(), "first over h2")] {
        let (pieces, body) = gated();
        let request = Request::post("/userinfo").body(body).unwrap();
        pieces.send(first.into()).unwrap();
        let mut connection = client.connect().await;
        let rest = async {
            wire.wait_for(first.as_bytes()).await;
            pieces.send("the last piece".into()).unwrap();
            drop(pieces);
        };
        let (answer, ()) = tokio::join!(connection.send(request), rest);
        assert_eq!(answer.status, 200);
    }
}
