//! A refusal before the request's body was read reaches clients that are still sending it.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use tokio::io::AsyncWriteExt;

use crate::support::{
    Client, DOMAIN, Edge, EdgeBuilder, Upstream,
    frames::{DATA, END_STREAM, Frames, GOAWAY, HEADERS, PING, RESET, WINDOW_UPDATE},
    self_signed,
};

const ROUTES: &str = "client_auth = \"optional\"\n[[domain.route]]\npath = \"/oauth/token\"\nmethods = [\"POST\"]\n[[domain.route]]\npath = \"/open\"\nmethods = [\"POST\"]\nauthenticate = \"none\"";

fn edge(upstream: &Upstream) -> Edge {
    EdgeBuilder::new(upstream.url()).limits("body_bytes = 131072").domain(DOMAIN, ROUTES).start()
}

/// The status that curl prints, or its error message.
fn curl(port: u16, folder: &Path, arguments: &[String], url: &str) -> String {
    let output = Command::new("curl")
        .args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "20", "--cacert"])
        .arg(folder.join("server-ca.pem"))
        .args(["--resolve", &format!("{DOMAIN}:{port}:127.0.0.1")])
        .args(["--resolve", &format!("other.example.test:{port}:127.0.0.1")])
        .args(arguments)
        .arg(format!("https://{DOMAIN}:{port}{url}"))
        .stdin(Stdio::null())
        .output()
        .expect("curl is there (apt-get install curl)");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[tokio::test]
async fn curl_reads_each_early_refusal_each_time() {
    let upstream = Upstream::start().await;
    let edge = edge(&upstream);
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("server-ca.pem"), edge.issuer.pem()).unwrap();
    // More than the kernel takes before the edge reads, and no more: a stranger's body is read a piece per turn.
    std::fs::write(folder.path().join("large"), vec![b'a'; 500_000]).unwrap();
    std::fs::write(folder.path().join("medium"), vec![b'a'; 3_000]).unwrap();
    let certificate = self_signed("stranger");
    certificate.write(folder.path(), "stranger");
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (large, medium) = (format!("@{}", path("large")), format!("@{}", path("medium")));
    let (pem, key) = (path("stranger.pem"), path("stranger.key"));
    let mut cases = tokio::task::JoinSet::new();
    for version in ["--http2", "--http1.1"] {
        let upgraded = if version == "--http2" { "200" } else { "501" };
        for (arguments, url, status) in [
            (&["-d", "client_id=billing"][..], "/none", "404"),
            (&["-d", "client_id=billing", "-X", "PUT"], "/oauth/token", "405"),
            (&["-d", "client_id=billing", "-H", "Host: other.example.test"], "/oauth/token", "421"),
            (&["-d", "client_id=billing"], "/oauth/token", "401"),
            (&["-d", "client_id=billing", "--cert", &pem, "--key", &key], "/oauth/token", "401"),
            (&["-d", "a=b", "-H", "Upgrade: websocket"], "/open", upgraded),
            (&["--data-binary", &medium], "/none", "404"),
            (&["--data-binary", &large], "/none", "404"),
            (&["--data-binary", &large], "/open", "413"),
            (&["--data-binary", &large], "/oauth/token", "401"),
            (&["--data-binary", &large, "-H", "Transfer-Encoding: chunked"], "/open", "413"),
        ] {
            let arguments: Vec<String> =
                [&[version], arguments].concat().iter().map(|&of| of.to_owned()).collect();
            let (port, folder) = (edge.https.port(), folder.path().to_owned());
            cases.spawn_blocking(move || {
                for round in 0..20 {
                    let printed = curl(port, &folder, &arguments, url);
                    assert_eq!(printed, status, "{arguments:?} {url}, round {round}");
                }
            });
        }
    }
    cases.join_all().await;
}

#[tokio::test]
async fn a_stream_is_not_reset_while_its_body_arrives() {
    let upstream = Upstream::start().await;
    let edge = edge(&upstream);
    let mut frames = Frames::connect(&Client::new(&edge), &[]).await;
    let stream = frames.head("POST", "/none").await.unwrap();
    frames.until_answered(stream).await;
    for flags in [0, END_STREAM] {
        frames.send(DATA, flags, stream, &[b'a'; 1000]).await.unwrap();
        frames.send(PING, 0, 0, &[0; 8]).await.unwrap();
        loop {
            let frame = frames.read().await.expect("the connection ends");
            assert!(frame.kind != RESET, "{frame:?}");
            if frame.kind == PING {
                break;
            }
        }
    }
}

#[tokio::test]
async fn an_endless_body_does_not_delay_a_refusal() {
    let upstream = Upstream::start().await;
    let edge = edge(&upstream);
    let mut stream = Client::new(&edge).tls().await.unwrap();
    let head = format!("POST /none HTTP/1.1\r\nHost: {DOMAIN}\r\nContent-Length: 10\r\n\r\nabc");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    let read = tokio::io::AsyncReadExt::read_exact(&mut stream, &mut answer);
    tokio::time::timeout(Duration::from_secs(20), read).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 404");
    let mut frames = Frames::connect(&Client::new(&edge), &[]).await;
    let stream = frames.head("POST", "/none").await.unwrap();
    frames.send(DATA, 0, stream, b"abc").await.unwrap();
    frames.until_answered(stream).await;
}

#[tokio::test]
async fn expect_continue_is_refused_without_100() {
    let upstream = Upstream::start().await;
    let edge = edge(&upstream);
    for body in ["Content-Length: 10", "Transfer-Encoding: chunked"] {
        let mut stream = Client::new(&edge).tls().await.unwrap();
        let head = format!("POST /none HTTP/1.1\r\nHost: {DOMAIN}\r\n{body}\r\nExpect: 100-continue\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        let read = tokio::io::AsyncReadExt::read_exact(&mut stream, &mut answer);
        tokio::time::timeout(Duration::from_secs(20), read).await.unwrap().unwrap();
        assert_eq!(&answer, b"HTTP/1.1 404", "{body}");
    }
}

/// The frames of this stream and GOAWAY, by their kinds, up to the first GOAWAY.
async fn until_goaway(frames: &mut Frames, stream: u32) -> Vec<(u8, bool)> {
    let mut kinds = Vec::new();
    loop {
        let frame = frames.read().await.expect("the connection ends without GOAWAY");
        if frame.kind == GOAWAY || frame.stream == stream && frame.kind != WINDOW_UPDATE {
            kinds.push((frame.kind, frame.flags & END_STREAM != 0));
        }
        if frame.kind == GOAWAY {
            return kinds;
        }
    }
}

#[tokio::test]
async fn goaway_follows_the_refusal_that_closes() {
    let upstream = Upstream::start().await;
    let edge = edge(&upstream);
    let client = Client::with(&edge, &self_signed("stranger"));
    let expected = [(HEADERS, false), (DATA, true), (GOAWAY, false)];
    for _ in 0..50 {
        let mut frames = Frames::connect(&client, &[]).await;
        let stream = frames.token("billing").await.unwrap();
        // Bytes that have arrived, and wait for the turn of a stranger.
        for _ in 0..20 {
            frames.send(PING, 0, 0, &[0; 8]).await.unwrap();
        }
        assert_eq!(until_goaway(&mut frames, stream).await, expected);
    }
    // SETTINGS_INITIAL_WINDOW_SIZE.
    let mut frames = Frames::connect(&client, &[(4, 0)]).await;
    let stream = frames.token("billing").await.unwrap();
    for kind in [HEADERS, PING] {
        loop {
            let frame = frames.read().await.expect("the connection ends");
            assert!(frame.kind != GOAWAY, "GOAWAY before the body");
            if frame.kind == kind {
                break;
            }
        }
        if kind == HEADERS {
            frames.send(PING, 0, 0, &[0; 8]).await.unwrap();
        }
    }
    frames.send(WINDOW_UPDATE, 0, stream, &1000_u32.to_be_bytes()).await.unwrap();
    assert_eq!(until_goaway(&mut frames, stream).await, expected[1..]);
}
