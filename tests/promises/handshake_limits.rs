//! More handshakes in flight than the limit: unfinished ones make room, and complete ones count no more.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{
    Client, Credentials, Edge, EdgeBuilder, PATIENCE, Upstream, admin, self_signed, with_client,
};

const CROWD: u32 = 2000;
/// Longer than a test waits for an answer: a good client that had to wait for others to time out would get none.
const TIMEOUT: &str = "handshake_timeout = \"60s\"";

fn limited_edge(upstream: &Upstream, limits: &str) -> (Edge, Credentials) {
    with_client(EdgeBuilder::new(upstream.url()).limits(&format!("{TIMEOUT}\n{limits}")).quiet())
}

/// Connections from these addresses that have sent half a ClientHello each, once the edge has accepted them.
async fn half_sent(edge: &Edge, addresses: impl Iterator<Item = String>) -> Vec<TcpStream> {
    const ACCEPTED: &str = "mtls_edge_connections_accepted_total";
    let (client, before) = (Client::new(edge), admin::metric(edge, ACCEPTED).await);
    let hello = client.hello();
    let mut streams = Vec::new();
    for address in addresses {
        let mut stream = client.clone().from(address).tcp().await.unwrap();
        // It may be closed already.
        let _ = stream.write_all(&hello[..hello.len() / 2]).await;
        streams.push(stream);
    }
    let all = before + i64::try_from(streams.len()).unwrap();
    let accepted = async { while admin::metric(edge, ACCEPTED).await < all {} };
    timeout(PATIENCE, accepted).await.expect("connections are not accepted");
    streams
}

fn one_address(count: u32) -> impl Iterator<Item = String> {
    (0..count).map(|_| "127.0.0.1".to_owned())
}

async fn closed(edge: &Edge, reason: &str) -> i64 {
    admin::metric(edge, &format!("mtls_edge_connections_closed_total{{reason=\"{reason}\"}}")).await
}

async fn in_flight(edge: &Edge) -> i64 {
    admin::metric(edge, "mtls_edge_handshakes_in_flight").await
}

async fn assert_served_at_once(client: &Client) {
    let answer = timeout(PATIENCE, client.token("billing")).await.expect("no answer");
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn half_sent_hellos_of_one_address_block_nobody() {
    let upstream = Upstream::start().await;
    let (edge, client) = limited_edge(&upstream, "connections_per_address = 1000");
    let crowd = half_sent(&edge, one_address(CROWD)).await;
    // Half of the connections that the address may have.
    assert_eq!(in_flight(&edge).await, 500);
    assert_eq!(
        closed(&edge, "handshake_evicted").await + closed(&edge, "handshakes_per_address").await,
        1500
    );
    // Also from the same address.
    for address in ["127.0.0.2", "127.0.0.1"] {
        let client = Client::with(&edge, &client).from(address);
        for client in [client.clone(), client.http2()] {
            assert_served_at_once(&client).await;
        }
    }
    drop(crowd);
}

#[tokio::test]
async fn half_sent_hellos_of_many_addresses_block_nobody() {
    let upstream = Upstream::start().await;
    let (edge, client) = limited_edge(&upstream, "handshakes = 400");
    let addresses = (0..CROWD).map(|number| format!("127.1.{}.{}", number / 250, number % 250 + 1));
    let crowd = half_sent(&edge, addresses).await;
    assert!(in_flight(&edge).await <= 400);
    let before = closed(&edge, "handshake_evicted").await;
    for _ in 0..20 {
        assert_served_at_once(&Client::with(&edge, &client).from("127.0.0.2")).await;
    }
    // They have replaced others, whatever the number of connections that may be open is.
    assert!(closed(&edge, "handshake_evicted").await > before);
    assert_eq!(closed(&edge, "evicted").await, 0);
    drop(crowd);
}

#[tokio::test]
async fn a_crowd_does_not_evict_handshakes_for_its_own() {
    let upstream = Upstream::start().await;
    let (edge, client) = limited_edge(
        &upstream,
        "handshakes = 40\nconnections_per_address = 200\nhandshakes_per_address = 100",
    );
    let mut crowd = half_sent(&edge, one_address(60)).await;
    // On a machine that is suspended for a second, the first ones are closed.
    for _ in 0..20 {
        if closed(&edge, "handshakes").await > 0 {
            break;
        }
        crowd.extend(half_sent(&edge, one_address(20)).await);
    }
    assert!(closed(&edge, "handshakes").await > 0);
    assert_served_at_once(&Client::with(&edge, &client).from("127.0.0.2")).await;
    assert_eq!(closed(&edge, "bound").await, 0);
    drop(crowd);
}

#[tokio::test]
async fn complete_handshakes_do_not_count() {
    let upstream = Upstream::start().await;
    let (edge, client) = limited_edge(&upstream, "handshakes = 2\nhandshakes_per_address = 1");
    let (client, stranger) = (Client::with(&edge, &client), Client::with(&edge, &self_signed("stranger")));
    let (mut kept, mut idle) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        let mut connection = client.connect().await;
        assert_eq!(connection.token("billing").await.status, 200);
        kept.push(connection);
        idle.push(stranger.tls().await.unwrap());
        // The edge has yet to read the client's Finished.
        admin::happens(async || in_flight(&edge).await == 0).await;
    }
    // Nor are they closed for a handshake, whether an application has authenticated on them or not.
    let crowd = half_sent(&edge, one_address(20)).await;
    assert_eq!(in_flight(&edge).await, 1);
    for connection in &mut kept {
        assert_eq!(connection.token("billing").await.status, 200);
    }
    for mut stream in idle {
        stream.write_all(b"GET /elsewhere HTTP/1.1\r\nhost: other.example\r\n\r\n").await.unwrap();
        let mut answer = [0; 12];
        timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(&answer, b"HTTP/1.1 421");
    }
    drop(crowd);
}

#[tokio::test]
async fn behind_a_balancer_handshakes_count_by_client_address() {
    let upstream = Upstream::start().await;
    let credentials = self_signed("billing");
    let edge = EdgeBuilder::new(upstream.url())
        .listen("trusted_proxies = [\"127.0.0.1\"]\nproxy_protocol = true")
        .limits("handshakes_per_address = 3")
        .usual_domain("auth0")
        .self_signed_application("billing", &[credentials.thumbprint()])
        .quiet()
        .start();
    let header = |ip: &str| format!("PROXY TCP4 {ip} {ip} 5000 443\r\n");
    let mut crowd = Vec::new();
    for _ in 0..10 {
        let mut stream = Client::new(&edge).tcp().await.unwrap();
        stream.write_all(header("192.0.2.1").as_bytes()).await.unwrap();
        crowd.push(stream);
    }
    // Some are closed on arrival, if another worker has just passed their place on.
    let made_room =
        async || closed(&edge, "handshake_evicted").await + closed(&edge, "handshakes_per_address").await;
    admin::happens(async || made_room().await == 7).await;
    assert_eq!(in_flight(&edge).await, 3);
    for ip in ["192.0.2.2", "192.0.2.1"] {
        let client = Client::with(&edge, &credentials).prelude(header(ip).as_bytes());
        assert_served_at_once(&client).await;
    }
    drop(crowd);
}

#[tokio::test]
async fn the_limit_on_handshakes_per_address_reloads() {
    let upstream = Upstream::start().await;
    let (edge, _) = limited_edge(&upstream, "handshakes_per_address = 2");
    let crowd = half_sent(&edge, one_address(10)).await;
    assert_eq!(in_flight(&edge).await, 2);
    let file = edge.folder.path().join("edge.toml");
    let text = std::fs::read_to_string(file).unwrap();
    edge.reload("edge.toml", &text.replace("handshakes_per_address = 2", "handshakes_per_address = 5"));
    let more = half_sent(&edge, one_address(10)).await;
    assert_eq!(in_flight(&edge).await, 5);
    drop((crowd, more));
}
