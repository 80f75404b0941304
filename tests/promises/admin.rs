//! The admin address responds to its operator, whatever other clients do.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{Edge, EdgeBuilder, PATIENCE, Upstream, admin};

async fn start(listen: &str) -> Edge {
    let upstream = Upstream::start().await;
    EdgeBuilder::new(upstream.url()).usual_domain("auth0").listen(listen).start()
}

async fn ask(edge: &Edge, request: &str) -> String {
    admin::ask(edge.admin, request).await
}

async fn status_for(edge: &Edge, path: &str, host: &str) -> u16 {
    let answer =
        ask(edge, &format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")).await;
    answer[9..12].parse().unwrap()
}

#[tokio::test]
async fn a_rebound_dns_name_gets_421() {
    let edge = start("admin_hosts = [\"Edge.Internal\"]").await;
    let port = edge.admin.port();
    for path in ["/status", "/metrics", "/healthz", "/readyz", "/"] {
        for host in [
            "evil.example".to_owned(),
            format!("evil.example:{port}"),
            format!("localhost.evil.example:{port}"),
            format!("127.0.0.1.evil.example:{port}"),
            "127.0.0.1:x".to_owned(),
            String::new(),
        ] {
            assert_eq!(status_for(&edge, path, &host).await, 421, "{path} {host:?}");
        }
    }
    let answer = ask(&edge, "GET /status HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n").await;
    assert!(answer.contains("admin_hosts") && !answer.contains("generation"), "{answer}");
    for host in [
        format!("127.0.0.1:{port}"),
        "127.0.0.1".to_owned(),
        "10.1.2.3:80".to_owned(),
        format!("[::1]:{port}"),
        format!("localhost:{port}"),
        "LOCALHOST.".to_owned(),
        format!("edge.internal:{port}"),
    ] {
        assert_eq!(status_for(&edge, "/status", &host).await, 200, "{host}");
    }
}

#[tokio::test]
async fn each_request_names_one_host_in_every_place() {
    let edge = start("").await;
    let own = edge.admin;
    for (request, status) in [
        // Old probes use HTTP/1.0, without `Host`; browsers do not.
        ("GET /healthz HTTP/1.0\r\n\r\n".to_owned(), "200"),
        ("GET /healthz HTTP/1.0\r\nhost: evil.example\r\n\r\n".to_owned(), "421"),
        ("GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n".to_owned(), "400"),
        (
            format!("GET /status HTTP/1.1\r\nhost: {own}\r\nhost: evil.example\r\nconnection: close\r\n\r\n"),
            "400",
        ),
        (
            format!("GET http://evil.example/status HTTP/1.1\r\nhost: {own}\r\nconnection: close\r\n\r\n"),
            "421",
        ),
        (
            format!("GET http://{own}/status HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n"),
            "421",
        ),
        (format!("GET http://{own}/healthz HTTP/1.1\r\nhost: {own}\r\nconnection: close\r\n\r\n"), "200"),
        (format!("POST /healthz HTTP/1.1\r\nhost: {own}\r\nconnection: close\r\n\r\n"), "405"),
    ] {
        let answer = ask(&edge, &request).await;
        assert_eq!(answer.get(9..12), Some(status), "{request}: {answer}");
    }
}

#[tokio::test]
async fn admin_hosts_reload() {
    let edge = start("").await;
    assert_eq!(status_for(&edge, "/healthz", "edge.internal").await, 421);
    let file = edge.folder.path().join("edge.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    edge.reload("edge.toml", &text.replace("[listen]", "[listen]\nadmin_hosts = [\"edge.internal\"]"));
    assert_eq!(status_for(&edge, "/healthz", "edge.internal").await, 200);
    assert!(edge.log().contains("admin hosts"), "{}", edge.log());
}

#[tokio::test]
async fn silent_connections_do_not_block_probes() {
    let edge = start("").await;
    let mut held = Vec::new();
    for round in 0..3 {
        for _ in 0..100 {
            held.push(TcpStream::connect(edge.admin).await.unwrap());
        }
        for path in ["/healthz", "/readyz", "/metrics"] {
            assert_eq!(admin::get(&edge, path).await.0, 200, "{round} {path}");
        }
    }
    // The oldest connection was closed.
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, held[0].read_to_end(&mut rest)).await.expect("it stays open");
    // The same holds for clients that begin a request, or that send one and keep the connection open.
    let own = edge.admin;
    for beginning in
        ["GET /healthz HTTP/1.1\r\nx: ".to_owned(), format!("GET /healthz HTTP/1.1\r\nhost: {own}\r\n\r\n")]
    {
        for _ in 0..100 {
            let mut stream = TcpStream::connect(own).await.unwrap();
            stream.write_all(beginning.as_bytes()).await.unwrap();
            held.push(stream);
        }
        assert_eq!(admin::get(&edge, "/readyz").await.0, 200, "{beginning}");
    }
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed() {
    let edge = start("").await;
    let own = edge.admin;
    // Silent, with half a head, and after a response.
    for sent in [
        String::new(),
        "GET /healthz HTTP/1.1\r\nx: ".to_owned(),
        format!("GET /healthz HTTP/1.1\r\nhost: {own}\r\n\r\n"),
    ] {
        let _ = ask(&edge, &sent).await;
    }
}
