//! The admin address, as a probe or a scraper calls it.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{Edge, PATIENCE};

/// Status and body of a GET on the admin address.
pub async fn get(edge: &Edge, path: &str) -> (u16, String) {
    let answer = timeout(PATIENCE, async {
        let mut stream = TcpStream::connect(edge.admin).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    })
    .await
    .expect("the admin address does not answer");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// The value of a metric.
pub async fn metric(edge: &Edge, name: &str) -> u64 {
    let (_, text) = get(edge, "/metrics").await;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}
