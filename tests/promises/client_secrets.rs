//! Client secrets: verified by their hash, two at a time, and neither logged nor kept.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::support::{
    Ca, Client, DOMAIN, Edge, EdgeBuilder, PATIENCE, Upstream, openssl_sha256,
    scripted::{self, Scripted},
};

const ROUTES: &str = "client_auth = \"off\"\n[[domain.route]]\npath = \"/oauth/token\"\nmethods = [\"POST\"]\nauthenticate = \"client\"";

fn credential(secret: &str) -> String {
    format!("secret_sha256 = \"{}\"", openssl_sha256(secret))
}

/// Form-encodes (RFC 6749 appendix B).
fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn post(client_id: &str, secret: &str) -> Request<Full<Bytes>> {
    let body =
        format!("grant_type=client_credentials&client_id={client_id}&client_secret={}", encoded(secret));
    Request::post("/oauth/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::from(body))
        .unwrap()
}

fn basic(client_id: &str, secret: &str) -> Request<Full<Bytes>> {
    let value = STANDARD.encode(format!("{}:{}", encoded(client_id), encoded(secret)));
    Request::post("/oauth/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("authorization", format!("Basic {value}"))
        .body(Full::from("grant_type=client_credentials"))
        .unwrap()
}

fn start(upstream: &Upstream, method: &str, secrets: &[&str]) -> Edge {
    let credentials: Vec<String> = secrets.iter().map(|secret| credential(secret)).collect();
    EdgeBuilder::new(upstream.url())
        .domain(DOMAIN, ROUTES)
        .application("reports", method, &credentials)
        .start()
}

#[tokio::test]
async fn a_secret_is_verified_however_it_is_sent() {
    let upstream = Upstream::start().await;
    for secret in ["plain", "with space+plus%percent&amp=/:;", "ünïcode 密", &"x".repeat(1000)] {
        for (method, request) in [
            ("client_secret_basic", basic as fn(&str, &str) -> Request<Full<Bytes>>),
            ("client_secret_post", post),
        ] {
            let edge = start(&upstream, method, &[secret]);
            for client in [Client::new(&edge), Client::new(&edge).http2()] {
                let sent = client.connect().await.send(request("reports", secret)).await;
                assert_eq!(sent.status, 200, "{method} {secret}: {sent:?}");
                for wrong in [format!("{secret}x"), secret[..secret.len() / 2].to_ascii_uppercase()] {
                    if wrong.is_empty() || !secret.is_ascii() {
                        continue;
                    }
                    let refused = client.connect().await.send(request("reports", &wrong)).await;
                    refused.oauth_error(401, "invalid_client");
                }
            }
        }
    }
}

#[tokio::test]
async fn json_carries_a_secret_too() {
    let upstream = Upstream::start().await;
    let edge = start(&upstream, "client_secret_post", &["s"]);
    let json = |secret: &str| {
        let body = format!("{{\"client_id\":\"reports\",\"client_secret\":\"{secret}\"}}");
        Request::post("/oauth/token")
            .header("content-type", "application/json")
            .body(Full::<Bytes>::from(body))
            .unwrap()
    };
    assert_eq!(Client::new(&edge).connect().await.send(json("s")).await.status, 200);
    Client::new(&edge).connect().await.send(json("t")).await.oauth_error(401, "invalid_client");
}

/// From one secret over two to the other, on one open connection, while no request with a registered secret is refused.
#[tokio::test]
async fn secrets_rotate_on_an_open_connection() {
    let upstream = Upstream::start().await;
    let edge = start(&upstream, "client_secret_basic", &["first"]);
    let applications = |secrets: &[&str]| {
        let mut text =
            "[[application]]\nclient_id = \"reports\"\nauth_method = \"client_secret_basic\"\n".to_owned();
        for secret in secrets {
            let _ = write!(text, "[[application.credential]]\nname = \"{secret}\"\n{}\n", credential(secret));
        }
        text
    };
    for http2 in [false, true] {
        let client = Client::new(&edge);
        let mut connection = if http2 { client.http2() } else { client }.connect().await;
        for (registered, refused) in [
            (&["first", "second"][..], None),
            (&["second"], Some("first")),
            (&["second", "first"], None),
            (&["first"], Some("second")),
        ] {
            edge.reload("applications.toml", &applications(registered));
            for secret in registered {
                let answer = connection.send(basic("reports", secret)).await;
                assert_eq!(answer.status, 200, "{secret} of {registered:?}");
                assert_eq!(edge.log_of(&answer)["credential"], *secret);
            }
            if let Some(refused) = refused {
                connection.send(basic("reports", refused)).await.oauth_error(401, "invalid_client");
            }
        }
    }
}

/// Without a registered secret the edge enforces the method only.
#[tokio::test]
async fn a_secret_that_is_not_registered_is_left_to_the_server() {
    let upstream = Upstream::start().await;
    let edge = start(&upstream, "client_secret_post", &[]);
    let client = Client::new(&edge);
    assert_eq!(client.connect().await.send(post("reports", "whatever")).await.status, 200);
    assert!(String::from_utf8_lossy(&upstream.last().body).contains("client_secret=whatever"));
    client.connect().await.send(basic("reports", "whatever")).await.oauth_error(401, "invalid_client");
    client.token("reports").await.oauth_error(401, "invalid_client");
}

#[tokio::test]
async fn a_wrong_secret_does_not_close_the_connection() {
    let upstream = Upstream::start().await;
    let edge = start(&upstream, "client_secret_basic", &["right"]);
    for client in [Client::new(&edge), Client::new(&edge).http2()] {
        let mut connection = client.connect().await;
        let refused = connection.send(basic("reports", "wrong")).await;
        refused.oauth_error(401, "invalid_client");
        let challenge = refused.headers["www-authenticate"].to_str().unwrap();
        assert!(challenge.starts_with("Basic "), "{challenge}");
        assert_eq!(connection.send(basic("reports", "right")).await.status, 200);
    }
}

/// Over HTTP/2 a header that may be indexed stays in the compression table of the connection (RFC 7541 section 7.1.3).
#[tokio::test]
async fn a_secret_is_never_indexed_towards_the_upstream() {
    /// A literal header field that is never indexed, or indexed, with the name 23 of the static table: `authorization`.
    const NEVER_INDEXED: [u8; 2] = [0x1f, 0x08];
    const INDEXED: u8 = 0x57;
    let ca = Ca::new("Upstream CA");
    let acceptor = scripted::acceptor(&ca.server(&["localhost"]), &["h2"]);
    let (found, mut finds) = tokio::sync::mpsc::unbounded_channel();
    let upstream = Scripted::start(move |_, stream| {
        let (acceptor, found) = (acceptor.clone(), found.clone());
        async move {
            let mut stream = acceptor.accept(stream).await.unwrap();
            // Empty SETTINGS.
            stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
            let mut bytes = Vec::new();
            let is_field =
                |bytes: &[u8]| bytes.contains(&INDEXED) || bytes.windows(2).any(|pair| pair == NEVER_INDEXED);
            while !is_field(&bytes) && stream.read_buf(&mut bytes).await.unwrap() > 0 {}
            let _ = found.send(bytes);
        }
    })
    .await;
    let edge = EdgeBuilder::new(scripted::https(&upstream))
        .file("upstream-ca.pem", ca.pem())
        .upstream("ca = \"upstream-ca.pem\"")
        .domain(DOMAIN, ROUTES)
        .application("reports", "client_secret_basic", &[credential("s")])
        .start();
    let answer = Client::new(&edge).connect().await.send(basic("reports", "s")).await;
    assert!(answer.status.is_server_error(), "{answer:?}");
    let bytes = timeout(PATIENCE, finds.recv()).await.unwrap().unwrap();
    assert!(bytes.windows(2).any(|pair| pair == NEVER_INDEXED), "{bytes:x?}");
}

#[tokio::test]
async fn no_secret_is_logged_or_reported() {
    const SECRETS: [&str; 2] = ["first-secret-5a1f", "wrong-secret-77c0"];
    let upstream = Upstream::start().await;
    let edge = EdgeBuilder::new(upstream.url())
        .domain(DOMAIN, ROUTES)
        .application("reports", "client_secret_basic", &[credential(SECRETS[0])])
        .application("billing", "client_secret_post", &[credential(SECRETS[0])])
        .environment("RUST_LOG", "trace")
        .start();
    for secret in SECRETS {
        for client in [Client::new(&edge), Client::new(&edge).http2()] {
            for request in [basic("reports", secret), post("billing", secret), post("reports", secret)] {
                let answer = client.connect().await.send(request).await;
                assert!(!String::from_utf8_lossy(&answer.body).contains(secret));
            }
        }
    }
    let status = crate::support::admin::get(&edge, "/status").await.1
        + &crate::support::admin::status(&edge, "").await.to_string();
    let log = tokio::task::spawn_blocking(move || edge.stop()).await.unwrap();
    assert!(log.contains("the secret is not registered"), "{log}");
    for secret in SECRETS {
        let hash = openssl_sha256(secret);
        for text in [secret, &STANDARD.encode(format!("reports:{secret}")), &hash] {
            assert!(!log.contains(text) && !status.contains(text), "{text} is in the log or the status");
        }
    }
}
