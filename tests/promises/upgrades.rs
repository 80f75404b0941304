//! The edge forwards requests and responses; it refuses upgrades and tunnels.

use crate::support::{
    Client, DOMAIN, EdgeBuilder, Upstream, Wire,
    http2::{self, Outcome},
    self_signed,
};

/// All paths and methods are allowed, so that only the upgrade can be the reason of a refusal.
const OPEN: &str = r#"client_auth = "optional"
[[domain.route]]
path = "/*"
methods = ["GET", "POST"]
authenticate = "none"
"#;

fn websocket(lines: &str) -> String {
    format!(
        "GET /socket HTTP/1.1\r\nHost: {DOMAIN}\r\n{lines}Sec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

#[tokio::test]
async fn an_upgrade_over_http1_is_refused() {
    let upstream = Upstream::start().await;
    let edge = EdgeBuilder::new(upstream.url()).domain(DOMAIN, OPEN).start();
    for client in [Client::new(&edge), Client::with(&edge, &self_signed("a client"))] {
        for request in [
            websocket("Connection: Upgrade\r\nUpgrade: websocket\r\n"),
            websocket("Connection: keep-alive, upgrade\r\nupgrade: WebSocket\r\n"),
            websocket("Upgrade: websocket\r\n"),
            websocket(
                "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
            ),
            websocket("Connection: Upgrade\r\nUpgrade: tcp\r\n"),
            websocket("Connection: Upgrade\r\nUpgrade: TLS/1.0, HTTP/1.1\r\n"),
            format!("CONNECT {DOMAIN}:443 HTTP/1.1\r\nHost: {DOMAIN}:443\r\n\r\n"),
            format!("CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: {DOMAIN}\r\n\r\n"),
            format!("CONNECT {} HTTP/1.1\r\nHost: {DOMAIN}\r\n\r\n", upstream.address),
        ] {
            // The edge closes the connection: bytes after an upgrade request are not a second request.
            let second = format!("GET /smuggled HTTP/1.1\r\nHost: {DOMAIN}\r\n\r\n");
            let answer = client.raw(format!("{request}{second}").as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 501 Not Implemented\r\n"), "{request}: {answer}");
            assert!(answer.contains("connection: close\r\n"), "{answer}");
            assert!(answer.contains("\"error\":\"invalid_request\""), "{answer}");
            assert!(
                answer.contains("neither upgrades connections (WebSocket) nor tunnels (CONNECT)"),
                "{answer}"
            );
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        }
    }
    assert_eq!(upstream.seen().len(), 0);
}

#[tokio::test]
async fn an_offer_of_another_version_is_ignored() {
    let upstream = Upstream::start().await;
    let edge = EdgeBuilder::new(upstream.url()).domain(DOMAIN, OPEN).start();
    let client = Client::new(&edge);
    for lines in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
        "Connection: upgrade\r\nUpgrade: TLS/1.2\r\n",
        "Connection: Upgrade\r\nUpgrade: TLS/1.0, HTTP/1.1\r\n",
        "Connection: Upgrade\r\nUpgrade: H2C\r\nUpgrade: tls/1.3\r\n",
    ] {
        let answer = client
            .raw(format!("GET /x HTTP/1.1\r\nHost: {DOMAIN}\r\n{lines}Connection: close\r\n\r\n").as_bytes())
            .await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{lines}: {answer}");
        let seen = upstream.seen().pop().unwrap();
        for gone in ["upgrade", "http2-settings"] {
            assert!(!seen.headers.contains_key(gone), "{lines}: {seen:?}");
        }
    }
    // Next to an upgrade that cannot be ignored, it is refused.
    for lines in
        ["Upgrade: h2c, websocket\r\n", "Upgrade: h2c\r\nUpgrade: websocket\r\n", "Upgrade: IRC/6.9\r\n"]
    {
        let request = format!("GET /x HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: Upgrade\r\n{lines}\r\n");
        let answer = client.raw(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 501 "), "{lines}: {answer}");
    }
}

#[tokio::test]
async fn connect_over_http2_is_refused() {
    let upstream = Upstream::start().await;
    let edge = EdgeBuilder::new(upstream.url()).domain(DOMAIN, OPEN).start();
    let client = Client::new(&edge);
    let own = format!("{DOMAIN}:443");
    for authority in [own.as_str(), DOMAIN, "127.0.0.1:22"] {
        let connect: [http2::Field<'_>; 2] =
            [(b":method", b"CONNECT"), (b":authority", authority.as_bytes())];
        assert_eq!(http2::request(&client, &connect, b"", &[]).await, Outcome::Status(501), "{authority}");
    }
    // RFC 8441, which the edge does not offer in its SETTINGS.
    let websocket: [http2::Field<'_>; 6] = [
        (b":method", b"CONNECT"),
        (b":protocol", b"websocket"),
        (b":scheme", b"https"),
        (b":authority", DOMAIN.as_bytes()),
        (b":path", b"/socket"),
        (b"sec-websocket-version", b"13"),
    ];
    http2::request(&client, &websocket, b"", &[]).await.assert_refused(&"extended CONNECT");
    // `Upgrade` is malformed in HTTP/2.
    let upgrade: [http2::Field<'_>; 5] = [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":authority", DOMAIN.as_bytes()),
        (b":path", b"/socket"),
        (b"upgrade", b"websocket"),
    ];
    http2::request(&client, &upgrade, b"", &[]).await.assert_refused(&"upgrade");
    assert_eq!(upstream.seen().len(), 0);
}

#[tokio::test]
async fn an_unsolicited_101_is_not_followed() {
    let upstream = Wire::answering(
        b"\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    )
    .await;
    let edge = EdgeBuilder::new(upstream.url()).domain(DOMAIN, OPEN).start();
    for client in [Client::new(&edge), Client::new(&edge).http2()] {
        let request = http::Request::get("/x").body(http_body_util::Empty::new()).unwrap();
        client.connect().await.send(request).await.oauth_error(502, "server_error");
    }
}
