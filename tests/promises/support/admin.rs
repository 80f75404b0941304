//! The admin address, as a probe or a scraper calls it.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{Edge, PATIENCE};

/// Status and body of a GET on the admin address.
pub async fn get(edge: &Edge, path: &str) -> (u16, String) {
    let (head, body) = exchange(edge, path, "*/*").await;
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body)
}

/// `/status` in JSON.
pub async fn status(edge: &Edge, query: &str) -> serde_json::Value {
    let (code, body) = get(edge, &format!("/status{query}")).await;
    assert_eq!(code, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// Head and body of a GET by somebody who accepts these types.
pub async fn exchange(edge: &Edge, path: &str, accept: &str) -> (String, String) {
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {}\r\naccept: {accept}\r\nconnection: close\r\n\r\n",
        edge.admin
    );
    let answer = ask(edge.admin, &request).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// Sends a request on a new connection, and returns what is received until it is closed.
pub async fn ask(address: SocketAddr, request: &str) -> String {
    let answer = timeout(PATIENCE, async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    });
    answer.await.expect("no answer")
}

/// The value of a metric. Waits for it: some have none until the edge has looked at what they measure, soon after its start.
pub async fn metric(edge: &Edge, name: &str) -> i64 {
    let begin = Instant::now();
    loop {
        let (_, text) = get(edge, "/metrics").await;
        if let Some(value) = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')) {
            return value.parse().unwrap();
        }
        assert!(begin.elapsed() < PATIENCE, "no {name} in {text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Asserts that requests were refused for the reason with this code.
pub async fn assert_counted(edge: &Edge, code: &str) {
    assert!(metric(edge, &format!("mtls_edge_refusals_total{{reason=\"{code}\"}}")).await > 0, "{code}");
}

/// Waits for the line of the reload that put this generation in force.
pub fn reloaded(edge: &Edge, generation: u64) -> String {
    edge.wait_for_log(&format!("\"reloaded\",\"generation\":{generation},"))
}

/// Waits until it has happened.
pub async fn happens(happened: impl AsyncFn() -> bool) {
    let wait = async {
        while !happened().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, wait).await.expect("waited in vain");
}
