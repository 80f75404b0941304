//! The memory that many connections take, which is given back when they have ended.

use std::{
    fs,
    time::{Duration, Instant},
};

use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::support::{Client, Edge, EdgeBuilder, Upstream, admin, with_client};

/// Connections with half of a ClientHello take some fifteen kilobytes each.
const MANY: usize = 1_500;
/// More than connections take that have sent nothing: what a handshake needs is made when the ClientHello arrives.
const SILENT: usize = 8_000;
/// mimalloc returns pages a second after they were freed, and the edge looks once a second.
const PATIENCE: Duration = Duration::from_secs(30);

async fn open(edge: &Edge, client: &Client, sent: &[u8]) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..MANY {
        let mut stream = client.tcp().await.unwrap();
        stream.write_all(sent).await.unwrap();
        streams.push(stream);
    }
    while admin::metric(edge, "mtls_edge_connections").await < MANY.try_into().unwrap() {}
    streams
}

fn started(upstream: &Upstream) -> (Edge, Client) {
    let limits = "connections = 4000\nconnections_per_address = 4000";
    let (edge, _) = with_client(EdgeBuilder::new(upstream.url()).limits(limits).quiet());
    let client = Client::new(&edge);
    (edge, client)
}

#[tokio::test]
async fn memory_is_given_back_after_many_connections() {
    let upstream = Upstream::start().await;
    let (edge, client) = started(&upstream);
    let before = edge.memory();
    let hello = client.hello();
    let streams = open(&edge, &client, &hello[..hello.len() / 2]).await;
    let taken = edge.memory() - before;
    drop(streams);
    let ended = Instant::now();
    loop {
        let left = edge.memory().saturating_sub(before);
        if left < taken / 3 {
            break;
        }
        assert!(ended.elapsed() < PATIENCE, "{left} of {taken} bytes are left");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn connections_that_send_nothing_take_little_memory() {
    let upstream = Upstream::start().await;
    let (edge, client) = started(&upstream);
    let before = edge.memory();
    let _streams = open(&edge, &client, &[]).await;
    let each = (edge.memory() - before) / MANY;
    assert!(each < SILENT, "{each} bytes each");
}

#[tokio::test]
async fn tls_keys_are_in_memory_that_is_given_back() {
    let upstream = Upstream::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()));
    assert_eq!(Client::with(&edge, &client).token("billing").await.status, 200);
    // aws-lc allocates them. The C library's allocator would take them from its heap, of which it gives back the end only.
    let maps = fs::read_to_string(format!("/proc/{}/maps", edge.id())).unwrap();
    assert!(!maps.contains("[heap]"), "{maps}");
}
