//! Plaintext HTTP on the TLS port gets a response in HTTP.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{Client, Edge, EdgeBuilder, PATIENCE, Upstream, admin, with_client};

const PROXY: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 5000 443\r\n";
const BEHIND_BALANCER: &str = "proxy_protocol = true\ntrusted_proxies = [\"127.0.0.0/8\"]";

/// Sends these parts, each once the edge has read the one before, and reads until the end.
async fn answer(edge: &Edge, pieces: &[&[u8]]) -> Vec<u8> {
    timeout(PATIENCE, async {
        let mut stream = TcpStream::connect(edge.https).await.unwrap();
        stream.set_nodelay(true).unwrap();
        for piece in pieces {
            stream.write_all(piece).await.unwrap();
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
        }
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("it ends with a reset");
        answer
    })
    .await
    .expect("it does not end")
}

fn assert_bad_request(answer: &[u8], has_body: bool) {
    let text = String::from_utf8(answer.to_vec()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{text}");
    assert!(
        head.contains("\r\nconnection: close") && head.contains("\r\ncontent-type: text/plain"),
        "{text}"
    );
    if has_body {
        assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{text}");
        assert!(body.contains("https://") && body.ends_with('\n') && body.lines().count() == 1, "{text}");
    } else {
        assert_eq!(body, "");
    }
}

#[tokio::test]
async fn a_request_without_tls_gets_400_in_http() {
    let upstream = Upstream::start().await;
    for (listen, prelude) in [("", &b""[..]), (BEHIND_BALANCER, PROXY)] {
        let (edge, client) = with_client(EdgeBuilder::new(upstream.url()).listen(listen));
        for request in [
            &b"GET / HTTP/1.1\r\nhost: a.example\r\n\r\n"[..],
            b"POST /oauth/token HTTP/1.1\r\nhost: a.example\r\ncontent-length: 17\r\n\r\nclient_id=billing",
            b"OPTIONS * HTTP/1.1\r\nhost: a.example\r\n\r\n",
            b"CONNECT a.example:443 HTTP/1.1\r\nhost: a.example\r\n\r\n",
            b"PROPFIND / HTTP/1.1\r\nhost: a.example\r\n\r\n",
            b"GET http://a.example/ HTTP/1.1\r\nhost: a.example\r\n\r\n",
            b"GET / HTTP/1.0\r\n\r\n",
        ] {
            assert_bad_request(&answer(&edge, &[prelude, request]).await, true);
        }
        let head = b"HEAD / HTTP/1.1\r\nhost: a.example\r\n\r\n";
        assert_bad_request(&answer(&edge, &[prelude, head]).await, false);
        // In parts, of which the first does not decide.
        let pieces = [prelude, b"DELET", b"E ", b"/x HTTP/1.1\r\n\r\n"];
        assert_bad_request(&answer(&edge, &pieces).await, true);
        let line = edge.wait_for_log("HTTP without TLS");
        assert!(line.contains("handshake failed") && line.contains("https://"), "{line}");
        assert_eq!(admin::metric(&edge, "mtls_edge_handshakes_failed_total").await, 9);
        assert_eq!(admin::metric(&edge, "mtls_edge_probes_total").await, 0);
        let client = Client::with(&edge, &client).prelude(prelude);
        assert_eq!(client.token("billing").await.status, 200);
    }
    assert_eq!(upstream.last().headers["host"], crate::support::DOMAIN);
}

#[tokio::test]
async fn a_client_that_sends_its_body_first_gets_the_answer() {
    let upstream = Upstream::start().await;
    let (edge, _) = with_client(EdgeBuilder::new(upstream.url()));
    let mut request = b"POST / HTTP/1.1\r\nhost: a.example\r\ncontent-length: 1000000\r\n\r\n".to_vec();
    request.resize(request.len() + 1_000_000, b'x');
    for _ in 0..5 {
        assert_bad_request(&answer(&edge, &[&request]).await, true);
    }
}

#[tokio::test]
async fn http2_without_tls_gets_goaway() {
    let upstream = Upstream::start().await;
    let (edge, _) = with_client(EdgeBuilder::new(upstream.url()));
    let stream = TcpStream::connect(edge.https).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    let error = timeout(PATIENCE, connection).await.expect("it does not end").unwrap_err();
    assert!(error.is_go_away() && error.is_remote(), "{error:?}");
    assert_eq!(error.reason(), Some(h2::Reason::INADEQUATE_SECURITY));
    assert!(error.to_string().contains("HTTPS"), "{error}");
    drop(sender);
    edge.wait_for_log("HTTP without TLS");
}

#[tokio::test]
async fn other_protocols_get_an_alert_as_before() {
    let upstream = Upstream::start().await;
    let (edge, _) = with_client(EdgeBuilder::new(upstream.url()));
    for other in [
        &b"SSH-2.0-OpenSSH_9.2\r\n"[..],
        b"EHLO mail.example\r\n",
        b"get / HTTP/1.1\r\n\r\n",
        b"\0\0\0\0\0\0\0\0",
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZ",
    ] {
        let answer = answer(&edge, &[other]).await;
        // An alert record (RFC 8446 section 5.1).
        assert_eq!((answer.first(), answer.len()), (Some(&21), 7), "{other:?} {answer:?}");
    }
    assert_eq!(admin::metric(&edge, "mtls_edge_handshakes_failed_total").await, 5);
}

#[tokio::test]
async fn curl_prints_the_response() {
    let upstream = Upstream::start().await;
    let (edge, _) = with_client(EdgeBuilder::new(upstream.url()));
    let url = format!("http://{}/oauth/token", edge.https);
    let body = "x".repeat(30_000);
    for more in [&[][..], &["-d", "client_id=billing"], &["-d", &body]] {
        let mut arguments = vec!["-sS", "-w", " %{http_code}", url.as_str()];
        arguments.extend_from_slice(more);
        let output = tokio::task::spawn_blocking({
            let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
            move || std::process::Command::new("curl").args(arguments).output().unwrap()
        });
        let output = output.await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{output:?}");
        assert!(text.contains("https://") && text.ends_with(" 400"), "{text}");
    }
}
