//! Chunked request bodies: one that another program could split differently is refused, and the upstream never receives it whole.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Client, DOMAIN, Upstream, edge_before};

fn head(path: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: {DOMAIN}\r\ncontent-type: application/x-www-form-urlencoded\r\nTransfer-Encoding: Chunked\r\n\r\n"
    )
}

#[tokio::test]
async fn a_control_in_a_chunks_extension_is_400() {
    let upstream = Upstream::start().await;
    let (edge, client) = edge_before(upstream.url(), "");
    let client = Client::with(&edge, &client);
    let rest = "\r\nclient_id=billing\r\n0\r\n\r\n";
    for path in ["/oauth/token", "/any/thing"] {
        for (line, rest) in [
            ("11;\0", rest),
            ("11;a=\0", rest),
            ("11;a=\"\x01\"", rest),
            ("11;a=\x1b[0m", rest),
            ("11;\x7f", rest),
            ("11;a\nb", rest),
            ("11;a\rb", rest),
            ("11;\x0b", rest),
            ("11", "\nclient_id=billing\n0\n\n"),
            ("11", "\r\nclient_id=billing\r\n0;\0\r\n\r\n"),
            ("11", "\r\nclient_id=billing\r\n0\r\nx: \0\r\n\r\n"),
            ("11", "\r\nclient_id=billing\r\n0\r\nx: a\n\r\n"),
        ] {
            let body = format!("{line}{rest}");
            // At once, and in two parts that are split within the line.
            for at in [0, 3, head(path).len() - 2, head(path).len() + 3] {
                let text = head(path) + &body;
                let mut stream = client.tls().await.unwrap();
                stream.write_all(&text.as_bytes()[..at]).await.unwrap();
                stream.flush().await.unwrap();
                tokio::task::yield_now().await;
                stream.write_all(&text.as_bytes()[at..]).await.unwrap();
                let mut answer = Vec::new();
                let _ = tokio::time::timeout(crate::support::PATIENCE, stream.read_to_end(&mut answer))
                    .await
                    .expect("it stays open");
                let answer = String::from_utf8_lossy(&answer);
                assert!(answer.starts_with("HTTP/1.1 400 "), "{path} {body:?} {at}: {answer}");
            }
        }
    }
    let whole = upstream.seen().iter().filter(|seen| !seen.body.is_empty()).count();
    assert_eq!(whole, 0, "a request reached the upstream whole");
}

#[tokio::test]
async fn valid_chunks_are_served_in_sequence() {
    let upstream = Upstream::start().await;
    let (edge, client) = edge_before(upstream.url(), "");
    let client = Client::with(&edge, &client);
    let chunked = |path: &str| {
        head(path)
            + "9;name=value;other=\"a b\"\r\nclient_id\r\n8 ; x\r\n=billing\r\n0;last\r\nx-late: 1\r\n\r\n"
    };
    let plain = format!(
        "POST /oauth/token HTTP/1.1\r\nhost: {DOMAIN}\r\nx-note: chunked\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 33\r\n\r\nclient_id=billing&note=chunked%0A"
    );
    let last = format!("GET /any/last HTTP/1.1\r\nhost: {DOMAIN}\r\nconnection: close\r\n\r\n");
    let all = [chunked("/oauth/token"), plain, chunked("/any/thing"), chunked("/oauth/token"), last].concat();
    // At once, and in pieces of any size.
    for piece in [all.len(), 1, 2, 7, 50, 333] {
        let mut stream = client.tls().await.unwrap();
        for bytes in all.as_bytes().chunks(piece) {
            stream.write_all(bytes).await.unwrap();
            stream.flush().await.unwrap();
        }
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        let _ = tokio::time::timeout(crate::support::PATIENCE, read).await.expect("it stays open");
        assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 5, "{piece}: {answer}");
        let bodies: Vec<_> = upstream.seen().iter().map(|seen| seen.body.clone()).collect();
        assert_eq!(
            bodies,
            [
                "client_id=billing",
                "client_id=billing&note=chunked%0A",
                "client_id=billing",
                "client_id=billing",
                ""
            ],
            "{piece}"
        );
        upstream.forget();
    }
}
